"""What TIFF tags and OME-XML say of a slide where OpenSlide does not read it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from viewer.geometry import Optics
from viewer.slides.resolution import believable_mpp_um

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_UM_PER_UNIT = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,  # micro sign, the schema's default
    "μm": 1.0,  # Greek mu
    "um": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "dm": 1e5,
    "m": 1e6,
    "thou": 25.4,
    "in": 25_400.0,
}
"""Of the OME schema's UnitsLength; units that are no length, such as "pixel", are left out."""

_UM_PER_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0}  # inch, centimetre
_LONGEST_PROPERTY = 100_000


def tiff_optics(tiff: TiffFile) -> Optics:
    """The scale by OME-XML, else by the resolution tags, else unknown."""
    pixels, objective_power = _ome_pixels_and_power(tiff.ome_metadata)
    if pixels is not None:
        x_um, y_um = _ome_length_um(pixels, "X"), _ome_length_um(pixels, "Y")
        if x_um is not None and y_um is not None:
            return Optics((x_um, y_um), objective_power)
    return Optics(_resolution_mpp_um(tiff.series[0].keyframe.aspage()), objective_power)


def tiff_properties(tiff: TiffFile) -> dict[str, str]:
    """Tags of the first page and the OME-XML attributes of the first image, as text."""
    properties: dict[str, str] = {}
    for tag in tiff.series[0].keyframe.aspage().tags:
        if isinstance(tag.value, (int, float, str)):
            properties[f"tiff.{tag.name}"] = str(tag.value)[:_LONGEST_PROPERTY]
    pixels, _ = _ome_pixels_and_power(tiff.ome_metadata)
    if pixels is not None:
        properties |= {f"ome.{name}": value for name, value in pixels.attrib.items()}
    return properties


def icc_profile(page: TiffPage) -> bytes | None:
    tag = page.tags.get("InterColorProfile")
    return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None


def _ome_pixels_and_power(xml: str | None) -> tuple[ElementTree.Element | None, float | None]:
    """The Pixels element of the first image, and the magnification of its objective."""
    # OME-XML has no document type; one could define entities that expand without end.
    if xml is None or "<!DOCTYPE" in xml:
        return None, None
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - see above
    except ElementTree.ParseError:
        return None, None
    image = root.find("{*}Image")
    if image is None:
        return None, None
    settings = image.find("{*}ObjectiveSettings")
    power = None
    for objective in root.iterfind("{*}Instrument/{*}Objective"):
        if settings is not None and settings.get("ID") == objective.get("ID"):
            power = _positive(objective.get("NominalMagnification"))
    return image.find("{*}Pixels"), power


def _ome_length_um(pixels: ElementTree.Element, axis: str) -> float | None:
    value = _positive(pixels.get(f"PhysicalSize{axis}"))
    unit = _UM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return None if value is None or unit is None else value * unit


def _resolution_mpp_um(page: TiffPage) -> tuple[float, float] | None:
    unit = page.tags.get("ResolutionUnit")
    um = _UM_PER_RESOLUTION_UNIT.get(int(unit.value) if unit is not None else 2)
    x, y = (page.tags.get(f"{axis}Resolution") for axis in "XY")
    if um is None or x is None or y is None:
        return None
    try:
        x_um, y_um = (um * tag.value[1] / tag.value[0] for tag in (x, y))
    except (ZeroDivisionError, TypeError, IndexError):
        return None
    return believable_mpp_um(x_um, y_um)


def _positive(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*[\d.eE+-]+\s*", text):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
