"""What stays of a Philips TIFF: its XML is written anew from numbers and known words."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from viewer.slides.readers.tiff.description_xml import description_root
from viewer.slides.writing.deidentifying.report import whole_profile
from viewer.slides.writing.deidentifying.tiff_copy import KeptDirectory
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from tifffile import TiffFile

    from viewer.slides.writing.deidentifying.level_check import LevelCheck
    from viewer.slides.writing.deidentifying.report import Report

    Element = ElementTree.Element

_DESCRIPTION, _SOFTWARE = 270, 305
_SOFTWARE_NAME = re.compile(r"Philips DP v\d+(?:\.\d+)*")
_LEVEL = re.compile(r"level=\d+ mag=[\d.]+ quality=[\d.]+")
_BESIDE = re.compile(r"\b(label|macro|overview|thumbnail)", re.IGNORECASE)
_SLIDE_IMAGE = "WSI"
_PROFILE = "DICOM_ICCPROFILE"
_ATTRIBUTES = frozenset((
    "DICOM_PIXEL_SPACING", "DICOM_BITS_ALLOCATED", "DICOM_BITS_STORED", "DICOM_HIGH_BIT",
    "DICOM_PHOTOMETRIC_INTERPRETATION", "DICOM_PIXEL_REPRESENTATION",
    "DICOM_PLANAR_CONFIGURATION", "DICOM_SAMPLES_PER_PIXEL", "DICOM_LOSSY_IMAGE_COMPRESSION",
    "DICOM_LOSSY_IMAGE_COMPRESSION_METHOD", "DICOM_LOSSY_IMAGE_COMPRESSION_RATIO",
    "DICOM_MANUFACTURER",
    "PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE", "PIIM_PIXEL_DATA_REPRESENTATION_NUMBER",
    "PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS", "PIIM_PIXEL_DATA_REPRESENTATION_ROWS",
    "PIIM_PIXEL_DATA_REPRESENTATION_POSITION", "PIM_DP_SCANNED_IMAGES", "PIM_DP_IMAGE_TYPE",
    "PIM_DP_IMAGE_COLUMNS", "PIM_DP_IMAGE_ROWS", "UFS_IMAGE_DIMENSIONS",
    "UFS_IMAGE_DIMENSION_RANGES", "UFS_IMAGE_DIMENSION_RANGE", "UFS_IMAGE_BLOCK_SIZE",
    "UFS_IMAGE_NUMBER_OF_BLOCKS", _PROFILE,
))  # fmt: skip
_NUMBERS = re.compile(r"[\s\"\d.,+\-eE]*")
_WORDS = frozenset((
    "WSI", "RGB", "YBR_FULL", "YBR_FULL_422", "PHILIPS", "Philips", "PHILIPS_DP_1_0", "01", "00",
    "PHILIPS_TIFF_1_0", "ISO_10918_1",
))  # fmt: skip
_FORMATS = re.compile(r"I[A-Z][a-zA-Z]{2,20}")
"""Names of types, such as IDString and IUInt16."""
_GROUP = re.compile(r"0x[0-9a-fA-F]{4}")
_MOST_DEPTH = 32


def kept_of_philips(tiff: TiffFile, report: Report, check: LevelCheck) -> list[KeptDirectory]:
    """Return the levels. Raises WritingError where there is none, or no XML."""
    pages = [tiff.pages[index].aspage() for index in range(len(tiff.pages))]
    software = _SOFTWARE_NAME.match(str(pages[0].tags.valueof(_SOFTWARE, "")))
    kept: list[KeptDirectory] = []
    for index, page in enumerate(pages):
        name = None if index == 0 else _BESIDE.search(page.description)
        level = _LEVEL.match(page.description.strip())
        is_level = index == 0 or bool(level)
        if not page.is_tiled or name or not (is_level or check.shows_the_slide(page)):
            what = name[1].lower() if name else "other"
            report.remove(f"{what} image, {page.imagewidth} x {page.imagelength}")
            continue
        texts: dict[int, str] = {}
        if index == 0:
            texts[_SOFTWARE] = software[0] if software else "Philips DP v1.0"
            texts[_DESCRIPTION] = described(page.description, report)
        elif level:
            texts[_DESCRIPTION] = level[0]
        kept.append(KeptDirectory(page, texts))
    if not kept or kept[0].page is not pages[0]:
        raise WritingError("The first image of this Philips TIFF is no level; it is damaged.")
    return kept


def described(xml: str, report: Report) -> str:
    """Return the XML with nothing but geometry, codec, scale and profile of the slide itself.

    Raises WritingError where it is no XML.
    """
    root = description_root(xml)
    if root is None:
        raise WritingError("The XML of this Philips TIFF is damaged.")
    copy = ElementTree.Element("DataObject", {"ObjectType": "DPUfsImport"})
    _copy_attributes(root, copy, report, 0)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(copy, "unicode")


def _copy_attributes(source: Element, target: Element, report: Report, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise WritingError("The XML of this Philips TIFF is nested too deeply.")
    for attribute in source.iterfind("Attribute"):
        name = attribute.get("Name", "")
        objects = [
            each for array in attribute.iterfind("Array") for each in array.iterfind("DataObject")
        ]
        if name not in _ATTRIBUTES:
            report.remove(f"XML attribute {name}" if _is_name(name) else "another XML attribute")
            continue
        kept = ElementTree.Element("Attribute", {"Name": name})
        for key, pattern in (("Group", _GROUP), ("Element", _GROUP), ("PMSVR", _FORMATS)):
            if pattern.fullmatch(value := attribute.get(key, "")):
                kept.set(key, value)
        if objects:
            array = ElementTree.SubElement(kept, "Array")
            for each in objects:
                if each.get("ObjectType") == "DPScannedImage" and _type_of(each) != _SLIDE_IMAGE:
                    report.remove("image within the XML")
                    continue
                kind = each.get("ObjectType", "")
                inner = ElementTree.SubElement(array, "DataObject")
                if re.fullmatch(r"[A-Z][A-Za-z]{2,30}", kind) and kind in _OBJECTS:
                    inner.set("ObjectType", kind)
                _copy_attributes(each, inner, report, depth + 1)
            target.append(kept)
            continue
        text = (attribute.text or "").strip()
        if name == _PROFILE:
            profile = _decoded(text)
            if profile is None:
                report.remove(f"XML attribute {name}")
                continue
            report.keep_profile(profile)
        elif not _is_plain(text):
            report.remove(f"XML attribute {name}")
            continue
        kept.text = text
        target.append(kept)


_OBJECTS = frozenset(("DPScannedImage", "PixelDataRepresentation", "DPUfsImport"))


def _type_of(image: Element) -> str:
    for attribute in image.iterfind("Attribute"):
        if attribute.get("Name") == "PIM_DP_IMAGE_TYPE":
            return (attribute.text or "").strip()
    return ""


def _is_plain(text: str) -> bool:
    """Return whether a value is numbers, or one of the words of the format."""
    if _NUMBERS.fullmatch(text):
        return True
    return all(word.strip('"') in _WORDS for word in text.split())


def _is_name(name: str) -> bool:
    """Return whether a name is one of the format's own, which are all of this form."""
    return re.fullmatch(r"(DICOM|PIM_DP|PIIM|UFS|PIIM_DP)_[A-Z_]{2,60}", name) is not None


def _decoded(text: str) -> bytes | None:
    """Return an ICC profile that stands as base64; None for anything else."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return None
    return data if whole_profile(data) == data else None
