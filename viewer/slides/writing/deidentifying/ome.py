"""What stays of an OME-TIFF: images of tissue, and an XML written anew of sizes and channels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec

from viewer.slides.readers.tiff.ome import OmeFile, OmeImage, file_uuid, ome_images, ome_root
from viewer.slides.writing.deidentifying.tiff_copy import KeptDirectory
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.ome_xml import OME_NAMESPACE, SCHEMA_LOCATION

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

    from viewer.slides.writing.deidentifying.level_check import LevelCheck
    from viewer.slides.writing.deidentifying.report import Report

    Element = ElementTree.Element

_DESCRIPTION = 270
_BESIDE = re.compile(r"label|macro|overview|thumbnail|barcode", re.IGNORECASE)
_NUMBER = re.compile(r"[+\-]?\d*\.?\d+(?:[eE][+\-]?\d+)?")
_PIXELS_NUMBERS = (
    "SizeX", "SizeY", "SizeZ", "SizeC", "SizeT", "SignificantBits", "PhysicalSizeX",
    "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement",
)  # fmt: skip
_UNITS: frozenset[str] = frozenset((
    "pm", "Å", "nm", "µm", "μm", "um", "mm", "cm", "m", "ps", "ns", "µs", "ms", "s", "min", "h",
    "pixel", "reference frame",
))  # fmt: skip
_PIXELS_WORDS: dict[str, frozenset[str]] = {
    "DimensionOrder": frozenset(("XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC")),
    "Type": frozenset((
        "int8", "int16", "int32", "uint8", "uint16", "uint32", "float", "double", "bit",
        "complex", "double-complex",
    )),
    "BigEndian": frozenset(("true", "false")),
    "Interleaved": frozenset(("true", "false")),
    **dict.fromkeys(
        ("PhysicalSizeXUnit", "PhysicalSizeYUnit", "PhysicalSizeZUnit", "TimeIncrementUnit"),
        _UNITS,
    ),
}  # fmt: skip
_CHANNEL_NUMBERS = ("SamplesPerPixel", "Color", "EmissionWavelength", "ExcitationWavelength")
_CHANNEL_WORDS: dict[str, frozenset[str]] = dict.fromkeys(
    ("EmissionWavelengthUnit", "ExcitationWavelengthUnit"), _UNITS
)
_SCALE_TOLERANCE = 0.01
_MOST_STEP = 128
_LONGEST_NAME = 100


class _KeptImage(msgspec.Struct):
    element: Element
    image: OmeImage
    planes: dict[tuple[int, int, int], int]


def kept_of_ome(tiff: TiffFile, report: Report, check: LevelCheck) -> list[KeptDirectory]:
    """Return the directories of the images of tissue, the first with the new XML.

    Raises WritingError where the XML cannot be used or names further files.
    """
    pages = [tiff.pages[index].aspage() for index in range(len(tiff.pages))]
    xml = pages[0].description
    root = ome_root(xml)
    described = ome_images(xml, OmeFile(len(pages), uuid=file_uuid(xml)))
    if root is None or not described:
        raise WritingError("The OME-XML of this file is damaged; convert the slide instead.")
    elements = [each for each in root.iterfind("{*}Image") if each.find("{*}Pixels") is not None]
    if any(image.elsewhere for image in described):
        raise WritingError(
            "This OME-TIFF is one of several files that belong together; convert the slide first."
        )
    kept = _tissue(list(zip(elements, described, strict=True)), pages, report, check)
    used = sorted({plane for each in kept for plane in each.planes.values()})
    used += _levels_behind(pages, used, described, report, check)
    place = {old: new for new, old in enumerate(used)}
    for each in kept:
        each.planes = {key: place[plane] for key, plane in each.planes.items()}
    _report_texts(root, report)
    powers = _objectives(root)
    new_xml = _new_xml(kept, powers, report)
    directories = [_directory(pages[index], report) for index in used]
    directories[0].texts[_DESCRIPTION] = new_xml
    return directories


def _directory(page: TiffPage, report: Report) -> KeptDirectory:
    """Return a directory with those below it that are its levels."""
    subs: list[KeptDirectory] = []
    for each in page.pages if page.subifds and page.pages else ():
        sub = each.aspage()
        if _is_level(sub, page):
            subs.append(KeptDirectory(sub))
        else:
            report.remove(f"other image, {sub.imagewidth} x {sub.imagelength}")
    return KeptDirectory(page, subs=subs)


def _tissue(
    images: list[tuple[Element, OmeImage]],
    pages: list[TiffPage],
    report: Report,
    check: LevelCheck,
) -> list[_KeptImage]:
    """Return the images that show tissue: the largest, its levels, and others of its scale."""

    def first_page(image: OmeImage) -> TiffPage | None:
        return pages[min(image.planes.values())] if image.planes else None

    sized = [(element, image, page) for element, image in images if (page := first_page(image))]
    telling = [each for each in sized if not _BESIDE.search(each[1].name)]
    if not telling:
        raise WritingError("No image of this OME-TIFF is named as one of tissue.")
    main = max(telling, key=lambda each: each[2].imagewidth * each[2].imagelength)
    kept: list[_KeptImage] = []
    for element, image, page in sized:
        is_known = image is main[1] or _same_scale(image, main[1])
        is_known = is_known or (_is_level(page, main[2]) and check.shows_the_slide(page))
        if is_known and not _BESIDE.search(image.name):
            kept.append(_KeptImage(element, image, dict(image.planes)))
        else:
            beside = _BESIDE.search(image.name)
            name = beside[0].lower() if beside else "other"
            report.remove(f"{name} image, {page.imagewidth} x {page.imagelength}")
    kept.sort(key=lambda each: min(each.planes.values()))
    return kept


def _levels_behind(
    pages: list[TiffPage],
    used: list[int],
    described: list[OmeImage],
    report: Report,
    check: LevelCheck,
) -> list[int]:
    """Return directories that the XML does not name and that are levels of the first image."""
    named = {plane for image in described for plane in image.planes.values()}
    main = max((pages[index] for index in used), key=lambda page: page.imagewidth)
    levels: list[int] = []
    for index, page in enumerate(pages):
        if index in named:
            continue
        if page.is_tiled and _is_level(page, main) and check.shows_the_slide(page):
            levels.append(index)
        else:
            report.remove(f"other image, {page.imagewidth} x {page.imagelength}")
    return levels


def _is_level(page: TiffPage, main: TiffPage) -> bool:
    """Return whether a page has the size of a level: a whole part of the slide's."""
    step = round(main.imagewidth / max(page.imagewidth, 1))
    if not 2 <= step <= _MOST_STEP:
        return False
    pairs = ((main.imagewidth, page.imagewidth), (main.imagelength, page.imagelength))
    return all(abs(whole / step - part) <= 1.5 for whole, part in pairs)


def _same_scale(image: OmeImage, main: OmeImage) -> bool:
    own, other = image.optics.mpp_um, main.optics.mpp_um
    if own is None or other is None:
        return False
    return all(abs(a / b - 1) <= _SCALE_TOLERANCE for a, b in zip(own, other, strict=True))


def _objectives(root: Element) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for objective in root.iterfind("{*}Instrument/{*}Objective"):
        numbers = {
            name: value
            for name in ("NominalMagnification", "CalibratedMagnification", "LensNA")
            if _NUMBER.fullmatch(value := objective.get(name, ""))
        }
        if numbers:
            found[objective.get("ID", "")] = numbers
    return found


def _new_xml(kept: list[_KeptImage], objectives: dict[str, dict[str, str]], report: Report) -> str:
    root = ElementTree.Element("OME", {
        "xmlns": OME_NAMESPACE, "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:schemaLocation": SCHEMA_LOCATION,
    })  # fmt: skip
    numbers = {old: index for index, old in enumerate(objectives)}
    if objectives:
        instrument = ElementTree.SubElement(root, "Instrument", {"ID": "Instrument:0"})
        for old, facts in objectives.items():
            about = {"ID": f"Objective:0:{numbers[old]}", **facts}
            ElementTree.SubElement(instrument, "Objective", about)
    for index, each in enumerate(kept):
        element = ElementTree.SubElement(root, "Image", {"ID": f"Image:{index}"})
        settings = each.element.find("{*}ObjectiveSettings")
        objective = settings.get("ID", "") if settings is not None else ""
        if not objective and len(objectives) == 1:
            objective = next(iter(objectives))
        if objective in numbers:
            ElementTree.SubElement(element, "InstrumentRef", {"ID": "Instrument:0"})
            about = {"ID": f"Objective:0:{numbers[objective]}"}
            ElementTree.SubElement(element, "ObjectiveSettings", about)
        _new_pixels(element, index, each, report)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, "unicode")


def _new_pixels(parent: Element, index: int, kept: _KeptImage, report: Report) -> None:
    old = kept.element.find("{*}Pixels")
    assert old is not None  # images without were left out
    about = {"ID": f"Pixels:{index}", **_allowed(old, _PIXELS_NUMBERS, _PIXELS_WORDS)}
    pixels = ElementTree.SubElement(parent, "Pixels", about)
    for number, channel in enumerate(old.iterfind("{*}Channel")):
        about = {"ID": f"Channel:{index}:{number}"}
        about |= _allowed(channel, _CHANNEL_NUMBERS, _CHANNEL_WORDS)
        name = channel.get("Name", "").strip()[:_LONGEST_NAME]
        if name:
            about["Name"] = name
            report.keep("channel name", name)
        ElementTree.SubElement(pixels, "Channel", about)
    for (z, c, t), plane in sorted(kept.planes.items(), key=lambda item: item[1]):
        about = {"IFD": str(plane), "FirstZ": str(z), "FirstC": str(c), "FirstT": str(t)}
        ElementTree.SubElement(pixels, "TiffData", about | {"PlaneCount": "1"})


def _allowed(
    element: Element, numbers: tuple[str, ...], words: dict[str, frozenset[str]]
) -> dict[str, str]:
    """Return the attributes that are numbers, or words of the schema."""
    kept = {name: value for name in numbers if _NUMBER.fullmatch(value := element.get(name, ""))}
    return kept | {
        name: value for name, known in words.items() if (value := element.get(name, "")) in known
    }


def _report_texts(root: Element, report: Report) -> None:
    """Tell which parts of the XML are not in the new one."""
    known = {
        "OME",
        "Image",
        "Pixels",
        "Channel",
        "TiffData",
        "Instrument",
        "Objective",
        "InstrumentRef",
        "ObjectiveSettings",
        "UUID",
        "Description",
        "AcquisitionDate",
    }
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name in _SCHEMA - known:
            report.remove(f"OME-XML {name}")
        elif name not in known:
            report.remove("OME-XML, another element")
        if name in ("UUID", "Description", "AcquisitionDate"):
            report.remove(f"OME-XML {name}")
        if name == "Image" and element.get("Name"):
            report.remove("OME-XML image name")
        if name == "OME" and element.get("UUID"):
            report.remove("OME-XML UUID")
        if name == "OME" and element.get("Creator"):
            report.remove("OME-XML Creator")


_SCHEMA = frozenset((
    "StructuredAnnotations", "Experimenter", "ExperimenterGroup", "ExperimenterRef", "Experiment",
    "Project", "Dataset", "Folder", "Plate", "Screen", "ROI", "XMLAnnotation", "MapAnnotation",
    "CommentAnnotation", "FileAnnotation", "TagAnnotation", "Plane", "Microscope", "Detector",
    "LightPath", "LightSource", "Rights", "BinaryOnly", "AnnotationRef", "StageLabel",
))  # fmt: skip
