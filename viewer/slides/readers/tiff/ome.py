"""What the OME-XML of an OME-TIFF says of its images."""

from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec
from msgspec.structs import replace

from viewer.geometry import Optics
from viewer.slides.readers.tiff.description_xml import description_root
from viewer.slides.resolution import positive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Element = ElementTree.Element

_UM_PER_WORD = {"nano": 1e-3, "micro": 1.0, "milli": 1e3, "centi": 1e4, "": 1e6}
_UM_PER_UNIT = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,  # micro sign, the schema's default
    "μm": 1.0,  # Greek mu
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "dm": 1e5,
    "m": 1e6,
    "dam": 1e7,
    "hm": 1e8,
    "km": 1e9,
    "fm": 1e-9,
    "am": 1e-12,
    "zm": 1e-15,
    "ym": 1e-18,
    "Mm": 1e12,
    "Gm": 1e15,
    "Tm": 1e18,
    "Pm": 1e21,
    "Em": 1e24,
    "Zm": 1e27,
    "Ym": 1e30,
    "thou": 25.4,
    "mil": 25.4,
    "li": 25_400.0 / 12,
    "pt": 25_400.0 / 72,
    "in": 25_400.0,
    "inch": 25_400.0,
    "inches": 25_400.0,
    "ft": 304_800.0,
    "yd": 914_400.0,
    "mi": 1_609_344_000.0,
    "ua": 149_597_870_700e6,
    "ly": 9_460_730_472_580_800e6,
    "pc": 3.0856775814913673e22,
    **{
        f"{prefix}met{ending}": um
        for prefix, um in _UM_PER_WORD.items()
        for ending in ("er", "re", "ers", "res")
    },
}
"""Of the OME schema's UnitsLength; "pixel" and "reference frame" are no lengths."""

_ESCAPED_MICRO = re.compile(r"\\u00b5", re.IGNORECASE)
"""As ImageJ, and what was made by it, writes the micro sign."""

_ROOT_UUID = re.compile(r"<(?:\w+:)?OME\s[^>]{0,9999}?\bUUID=\"([^\"]{1,999})\"")
_BINARY_ONLY = re.compile(r"<(?:\w+:)?BinaryOnly\s[^>]{0,999}?MetadataFile=\"([^\"]{1,999})\"")

_UNESCAPED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)")
_NO_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML may not hold, as names of slides and scanners do now and then."""

_AXES = "ZCT"
Place = tuple[int, int, int]
"""Focal plane, channel and time of a plane."""

_DATA = ("{*}TiffData", "{*}BinData", "{*}MetadataOnly")
"""One of these says where the planes are."""


def length_um(value: float, unit: str) -> float | None:
    """Return a length in micrometers; None for a unit that is not known as one of length."""
    name = _ESCAPED_MICRO.sub("µ", unit.strip())
    # Case tells symbols apart, such as mm and Mm, not words.
    um = _UM_PER_UNIT.get(name) or _UM_PER_UNIT.get(name.lower() if len(name) > 3 else "")
    return None if um is None or not value > 0 else value * um


class OmeChannel(msgspec.Struct, frozen=True):
    """One channel: its name, samples per pixel, and its display color, 0xRRGGBB, where given.

    Attributes
    ----------
    parts
        What the XML takes for channels of their own, and the file holds as samples of this one.
    """

    name: str
    samples: int
    color: int | None
    parts: tuple[OmeChannel, ...] = ()


class OmeImage(msgspec.Struct, frozen=True):
    """One Image of the XML.

    Attributes
    ----------
    planes
        (z, channel, time) -> index of the directory in this file's chain.
    beside
        The same of planes in other files that can be read: name and index.
    elsewhere
        Names of other files that hold planes of this image and cannot be read.
    uuids
        By which the XML names the files of `beside`, where it does.
    guessed
        Axes, of "ZCT", of which the XML gives no usable count.
    """

    name: str
    optics: Optics
    size_z: int
    size_c: int
    size_t: int
    channels: tuple[OmeChannel, ...]
    planes: dict[Place, int]
    beside: dict[Place, tuple[str, int]]
    elsewhere: tuple[str, ...]
    attributes: dict[str, str]
    uuids: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    guessed: str = ""

    @property
    def first_place(self) -> Place:
        """Return the plane that is shown first: the first of all, or of what is held."""
        if (0, 0, 0) in self.planes or (0, 0, 0) in self.beside:
            return 0, 0, 0
        if self.planes:
            return min(self.planes, key=self.planes.__getitem__)
        return min(self.beside, default=(0, 0, 0))


def _no_others(_name: str) -> int:
    return 0


class OmeFile(msgspec.Struct, frozen=True):
    """The file that is open, among those that hold planes of an image.

    Attributes
    ----------
    directories
        How many its chain has.
    uuid
        By which the XML names it; None where it has none.
    samples
        Of a pixel of its first directory.
    directories_in
        Gives the same number for another file by its name; 0 for one that cannot be read.
    """

    directories: int
    name: str = ""
    uuid: str | None = None
    samples: int = 1
    directories_in: Callable[[str], int] = _no_others


def ome_images(xml: str | None, file: OmeFile) -> list[OmeImage]:
    """Return the images that the XML describes, in its order; none where it is not usable."""
    root = None if xml is None else ome_root(xml)
    if root is None:
        return []
    powers = dict(_objective_powers(root))
    files = _FileNames(root, file)
    images: list[OmeImage] = []
    elements = root.findall("{*}Image")
    for element in elements:
        pixels = element.find("{*}Pixels")
        if pixels is not None:
            if len(elements) == 1 and not any(pixels.find(tag) is not None for tag in _DATA):
                ElementTree.SubElement(pixels, "TiffData")  # all planes, in the order of the file
            images.append(_image(element, pixels, powers, files))
    return images


def ome_root(xml: str) -> Element | None:
    """Return the root of OME-XML, if need be without what some programs write by mistake."""
    root = description_root(xml)
    if root is None:
        root = description_root(_UNESCAPED.sub("&amp;", _NO_TEXT.sub("", xml)))
    return root


def described_elsewhere(xml: str | None) -> str:
    """Return the name of the file that describes this one, where its own XML leaves it to that."""
    found = _BINARY_ONLY.search(xml or "")
    return html.unescape(found[1]) if found else ""


def file_uuid(xml: str | None) -> str | None:
    """Return by which name the XML of a file calls that file; None where it does not."""
    found = _ROOT_UUID.search(xml or "")
    return html.unescape(found[1]) if found else None


class _FileNames:
    """Tells which file an element of the XML means."""

    def __init__(self, root: Element, file: OmeFile) -> None:
        self.file = file
        named = root.iterfind("{*}Image/{*}Pixels/{*}TiffData/{*}UUID")
        self._is_one_file = len({each.get("FileName") for each in named}) < 2

    def other(self, data: Element) -> str:
        """Return the name of the file that holds the planes of TiffData; "" for the open one."""
        uuid, file = data.find("{*}UUID"), self.file
        if uuid is None:
            return ""
        name, text = uuid.get("FileName", "another file"), (uuid.text or "").strip()
        # Without a UUID of its own, one file alone may have been renamed, one of several has not.
        is_here = name == file.name or self._is_one_file
        return "" if (text == file.uuid if file.uuid and text else is_here) else name

    def directories(self, name: str) -> int:
        """Return how many directories a file has that `other` gives; 0 where it is not read."""
        return self.file.directories if not name else self.file.directories_in(name)


def with_held_planes(image: OmeImage) -> OmeImage:
    """Return the image with the channels, focal planes and times of which there is any plane."""
    places = [*image.planes, *image.beside]
    if not places:
        return image
    held = [sorted({place[axis] for place in places}) for axis in range(3)]
    z_of, c_of, t_of = ({at: index for index, at in enumerate(each)} for each in held)
    return replace(
        image,
        size_z=len(z_of),
        size_c=len(c_of),
        size_t=len(t_of),
        channels=tuple(image.channels[c] for c in c_of if c < len(image.channels)),
        planes={(z_of[z], c_of[c], t_of[t]): at for (z, c, t), at in image.planes.items()},
        beside={(z_of[z], c_of[c], t_of[t]): at for (z, c, t), at in image.beside.items()},
    )


def _image(
    element: Element,
    pixels: Element,
    powers: dict[str, float],
    files: _FileNames,
) -> OmeImage:
    channels = tuple(_channel(channel) for channel in pixels.iterfind("{*}Channel"))
    sizes = {axis: _number(pixels.get(f"Size{axis}"), 0) for axis in _AXES}
    # Not said of what is left out and is one.
    stated = {axis for axis in "ZT" if pixels.get(f"Size{axis}") is not None}
    guessed = "".join(axis for axis in _AXES if not sizes[axis] and axis in {*stated, "C"})
    sizes["C"] = sizes["C"] or sum(channel.samples for channel in channels)
    sizes = {axis: max(count, 1) for axis, count in sizes.items()}
    samples = channels[0].samples if channels else 1
    file = files.file
    if samples == 1 and math.prod(sizes.values()) == file.directories * file.samples:
        # The colors of a pixel, which the XML does not tell from channels in pages of their own.
        samples = file.samples
        channels = tuple(
            replace(channels[at], samples=samples, parts=channels[at : at + samples])
            for at in range(0, len(channels), samples)
        )
    # SizeC counts samples, planes count channels.
    planes_of = sizes | {"C": max(sizes["C"] // samples, 1)}
    planes, beside, elsewhere = _planes(pixels, planes_of, files)
    settings = element.find("{*}ObjectiveSettings")
    power = powers.get(settings.get("ID", "")) if settings is not None else None
    if power is None and settings is None and len(powers) == 1:
        (power,) = powers.values()
    return OmeImage(
        name=element.get("Name", ""),
        optics=Optics(_pixel_size_um(pixels), power),
        size_z=sizes["Z"],
        size_c=planes_of["C"],
        size_t=sizes["T"],
        channels=channels,
        planes=planes,
        beside=beside,
        elsewhere=tuple(sorted(elsewhere)),
        attributes=dict(pixels.attrib),
        uuids=dict(_named_uuids(pixels, {name for name, _ in beside.values()})),
        guessed=guessed,
    )


def _named_uuids(pixels: Element, names: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of files and the UUID of each."""
    for each in pixels.iterfind("{*}TiffData/{*}UUID"):
        name, uuid = each.get("FileName", ""), (each.text or "").strip()
        if name in names and uuid:
            yield name, uuid


def _objective_powers(root: Element) -> Iterator[tuple[str, float]]:
    for objective in root.iterfind("{*}Instrument/{*}Objective"):
        power = positive(objective.get("NominalMagnification")) or positive(
            objective.get("CalibratedMagnification")
        )
        if power is not None:
            yield objective.get("ID", ""), power


def _channel(element: Element) -> OmeChannel:
    color = element.get("Color")
    try:
        # A signed 32-bit integer of red, green, blue and alpha.
        rgb = None if color is None else (int(color) & 0xFFFFFFFF) >> 8
    except ValueError:
        rgb = None
    return OmeChannel(element.get("Name", ""), _count(element.get("SamplesPerPixel")), rgb)


def _pixel_size_um(pixels: Element) -> tuple[float, float] | None:
    sizes: list[float | None] = []
    for axis in "XY":
        value = positive(pixels.get(f"PhysicalSize{axis}"))
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        sizes.append(None if value is None else length_um(value, unit))
    x_um, y_um = sizes
    # One side alone is taken for both: microscopes have square pixels.
    x_um, y_um = x_um or y_um, y_um or x_um
    return None if x_um is None or y_um is None else (x_um, y_um)


def _planes(
    pixels: Element, sizes: dict[str, int], files: _FileNames
) -> tuple[dict[Place, int], dict[Place, tuple[str, int]], set[str]]:
    """Return planes of this file, of others that are read, and the names of those that are not."""
    order = [axis for axis in pixels.get("DimensionOrder", "XYZCT").upper() if axis in _AXES]
    order += [axis for axis in _AXES if axis not in order]
    planes: dict[Place, int] = {}
    beside: dict[Place, tuple[str, int]] = {}
    elsewhere: set[str] = set()
    every = math.prod(sizes.values())
    for element in pixels.iterfind("{*}TiffData"):
        name = files.other(element)
        directories = files.directories(name)
        if name and not directories:
            elsewhere.add(name)
            continue
        first_ifd = _number(element.get("IFD"), 0)
        only = 1 if element.get("IFD") is not None else every
        count = _number(element.get("PlaneCount", element.get("NumPlanes")), only)
        start = {axis: _number(element.get(f"First{axis}"), 0) for axis in _AXES}
        at = start[order[0]] + sizes[order[0]] * (
            start[order[1]] + sizes[order[1]] * start[order[2]]
        )
        for step in range(min(count, every - at, directories - first_ifd)):
            place: dict[str, int] = {}
            rest = at + step
            for axis in order:
                rest, place[axis] = divmod(rest, sizes[axis])
            at_place = place["Z"], place["C"], place["T"]
            if name:
                beside.setdefault(at_place, (name, first_ifd + step))
            else:
                planes.setdefault(at_place, first_ifd + step)
    return planes, beside, elsewhere


def _count(text: str | None) -> int:
    return max(_number(text, 1), 1)


def _number(text: str | None, default: int) -> int:
    try:
        return max(int(text), 0) if text is not None else default
    except ValueError:
        return default
