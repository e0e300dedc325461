"""Pixel size, objective and other facts that the tags of a TIFF tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from viewer.geometry import Optics
from viewer.slides.readers.tiff.ome import length_um
from viewer.slides.readers.tiff.page_tags import rationals
from viewer.slides.resolution import believable_mpp_um, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffFile, TiffPage

_UM_PER_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0}  # inch, centimeter
_ICC_PROFILE = 34675
_LONGEST_PROPERTY = 100_000
_LONGEST_DESCRIPTION = 1 << 20
_IS = (
    r"[\"']?(?:\s{0,9}[=:>]|\s|</name>\s{0,9}<value[^>]{0,99}>)"
    r"\s{0,9}[\[(\"']?\s{0,9}((?:\d[\d.,]{0,30}|\.\d[\d.,]{0,30})(?:[eE][+-]?\d{1,3})?)"
)
"""As in "MPP = 0.25", "mpp: 0.25", JSON, and the XML of libvips."""

_UM = r"(?:um|µm|μm|\\u00b5m|microns?|micromet(?:er|re)s?)"
_PIXEL = r"(?:px|pixels?)"
_NAMES = rf"(?:MPP|{_UM}[\s_-]?per[\s_-]?{_PIXEL}|ScanRes)"
"""ScanRes is Ventana's."""

_MPP = re.compile(rf"\b{_NAMES}(?:[_-]?X)?{_IS}", re.IGNORECASE)
_MPP_Y = re.compile(rf"\b{_NAMES}[_-]?Y{_IS}", re.IGNORECASE)
_PIXEL_SIZE, _PIXEL_SIZE_Y = (
    re.compile(rf"\bpixel[\s_-]?size{axis}[\s_-]{{0,3}}[(\[]?{_UM}[)\]]?{_IS}", re.IGNORECASE)
    for axis in (r"(?:[\s_-]?X)?", r"[\s_-]?Y")
)
_WITH_UNIT = re.compile(
    rf"\b(?:pixel[\s_-]?size(?:[\s_-]?X)?|resolution|PhysicalSizeX?){_IS}\s{{0,3}}{_UM}",
    re.IGNORECASE,
)
_WITH_UNIT_Y = re.compile(
    rf"\b(?:pixel[\s_-]?size[\s_-]?Y|PhysicalSizeY){_IS}\s{{0,3}}{_UM}", re.IGNORECASE
)
_SPACING_MM = re.compile(
    r"\bDICOM_PIXEL_SPACING\"[^>]{0,200}>\s{0,9}(?:&quot;|\")([\d.]+)(?:&quot;|\")"
    r"\s{1,9}(?:&quot;|\")([\d.]+)"
)
"""Of rows, then columns, for each level, as Philips writes it."""

_POWER = re.compile(
    rf"\b(?:AppMag|Objective[\s_-]{{0,9}}Power|(?:Nominal)?Magnification){_IS}", re.IGNORECASE
)
_XMP = 700
_IMAGEJ_UNIT = re.compile(r"^unit=(.+)$", re.MULTILINE)


def tiff_optics(tiff: TiffFile, page: TiffPage, known: Optics) -> Optics:
    """Return the scale of a page by its description, else by ImageJ, else by resolution tags.

    Parameters
    ----------
    known
        What other metadata tell already.
    """
    texts = [page.description[:_LONGEST_DESCRIPTION]]
    first = tiff.pages[0].aspage()
    if first is not page and not tiff.is_ome:
        texts.append(first.description[:_LONGEST_DESCRIPTION])
    power = known.objective_power
    mpp_um = known.mpp_um
    for text in (*texts, _xmp(page)):
        power = power or _number(_POWER, text)
        mpp_um = mpp_um or _told_mpp_um(text)
    mpp_um = mpp_um or _imagej_mpp_um(page) or resolution_mpp_um(page)
    return Optics(mpp_um, power)


def _told_mpp_um(text: str) -> tuple[float, float] | None:
    """Return the size of pixels that a description names with words of its own."""
    for in_x, in_y in (
        (_MPP, _MPP_Y),
        (_PIXEL_SIZE, _PIXEL_SIZE_Y),
        (_WITH_UNIT, _WITH_UNIT_Y),
    ):
        x_um = _number(in_x, text)
        if x_um is not None:
            return x_um, _number(in_y, text) or x_um
    spacings = [
        (x_mm * 1000, y_mm * 1000)
        for match in _SPACING_MM.finditer(text)
        if (y_mm := positive(match[1])) and (x_mm := positive(match[2]))
    ]
    return min(spacings, default=None)


def _xmp(page: TiffPage) -> str:
    value: Any = page.tags.valueof(_XMP)
    data = bytes(value[:_LONGEST_DESCRIPTION]) if isinstance(value, bytes) else b""
    return data.decode("utf-8", "replace")


def resolution_mpp_um(page: TiffPage) -> tuple[float, float] | None:
    """Return the size of pixels that the resolution tags tell; None where they are a printer's."""
    sizes = raw_resolution_um(page)
    return None if sizes is None else believable_mpp_um(*sizes)


def raw_resolution_um(page: TiffPage) -> tuple[float, float] | None:
    """Return what the resolution tags say, believable or not."""
    unit = page.tags.valueof(296, 2)
    um = _UM_PER_RESOLUTION_UNIT.get(int(unit) if isinstance(unit, int) else 2)
    per_unit = _per_unit(page)
    if um is None or per_unit is None:
        return None
    return um / per_unit[0], um / per_unit[1]


def tiff_properties(page: TiffPage) -> dict[str, str]:
    """Return the tags that are numbers or text, as text."""
    return {
        f"tiff.{tag.name}": str(tag.value)[:_LONGEST_PROPERTY]
        for tag in page.tags
        if isinstance(tag.value, (int, float, str))
    }


def profile_note(pages: Sequence[TiffPage]) -> str:
    """Return one sentence where levels have other color profiles than the first; else "".

    Their lengths are compared, which the directories tell: a slide may lie on a server. A level
    without a profile has that of the first, as most writers leave it out.
    """
    lengths = [0 if (tag := page.tags.get(_ICC_PROFILE)) is None else tag.count for page in pages]
    if all(length in (0, lengths[0]) for length in lengths):
        return ""
    return (
        "A smaller level has another color profile than the full size: that of the full size is "
        "used for all."
        if lengths[0]
        else "Only a smaller level has a color profile, which is not used."
    )


def icc_profile(page: TiffPage) -> bytes | None:
    value: Any = page.tags.valueof(_ICC_PROFILE)
    return bytes(value) if isinstance(value, bytes) and len(value) > 128 else None


def _imagej_mpp_um(page: TiffPage) -> tuple[float, float] | None:
    if not page.description.startswith("ImageJ="):
        return None
    unit = _IMAGEJ_UNIT.search(page.description)
    per_unit = _per_unit(page)
    if unit is None or per_unit is None:
        return None
    name = unit[1].strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    x_um, y_um = (length_um(1 / count, name) for count in per_unit)
    return None if x_um is None or y_um is None else (x_um, y_um)


def _per_unit(page: TiffPage) -> tuple[float, float] | None:
    """Return the pixels per resolution unit in x and y."""
    x, y = rationals(page, 282, 1), rationals(page, 283, 1)
    if x is None or y is None or not x[0] > 0 or not y[0] > 0:
        return None
    return x[0], y[0]


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return positive(match[1].rstrip(".,")) if match else None
