"""Pixel size, objective and other facts that the tags of a TIFF tell."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from viewer.geometry import Optics
from viewer.slides.readers.tiff.ome import length_um
from viewer.slides.readers.tiff.page_tags import rationals
from viewer.slides.resolution import believable_mpp_um, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffFile, TiffPage

_UM_PER_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}
"""Inch, centimeter, and, in no standard, millimeter and micrometer."""
_ICC_PROFILE = 34675
PROFILE_HEADER_BYTES = 128
"""Of a color profile: what is no longer than it holds no colors."""
_LONGEST_PROPERTY = 100_000
_LONGEST_DESCRIPTION = 1 << 20
_BEFORE = r"[\"']?(?:\s{0,9}[=:>]|\s|</name>\s{0,9}<value[^>]{0,99}>)\s{0,9}[\[(\"']?\s{0,9}"
_IS = rf"{_BEFORE}((?:\d[\d.,]{{0,30}}|\.\d[\d.,]{{0,30}})(?:[eE][+-]?\d{{1,3}})?)"
"""As in "MPP = 0.25", "mpp: 0.25", JSON, and the XML of libvips."""

_POINTED = r"((?:\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?)"
_ARE = (
    rf"{_BEFORE}{_POINTED}\s{{0,3}}(?:[x×]|[,;](?=[\s\d.eE+-]{{1,40}}[\])]))\s{{0,3}}{_POINTED}"
    r"\s{0,3}[\])]?"
)
"""Of both sides, as in "0.25 x 0.5" and "[0.25, 0.5]"."""

_UM = r"(?:um|µm|μm|\\u00b5m|microns?|micromet(?:er|re)s?)"
_UNIT = rf"\s{{0,3}}({_UM}|[nmc]m|(?:nano|milli|centi)met(?:er|re)s?)\b(?!\s?\^?-)"
_PIXEL = r"(?:px|pixels?)"
_MPP_NAMES = rf"(?:MPP|(?<!\d ){_UM}[\s_-]?per[\s_-]?{_PIXEL}|ScanRes)"
"""ScanRes is Ventana's. Behind a number "um per pixel" is its unit."""

_MOST_NAMES = 20
_MOST_UNEQUAL = 4.0
"""Sides of a pixel differ less, if at all: another number may follow, as in "0.25 x 40"."""


class _SizeWords(NamedTuple):
    """What finds sides of a pixel in a text: the numbers, and a unit or nothing in its place."""

    both: re.Pattern[str]
    across: re.Pattern[str]
    down: re.Pattern[str]


def _sizes_named(across: str, down: str, unit: str) -> _SizeWords:
    return _SizeWords(
        *(
            re.compile(rf"\b{name}{numbers}{unit}", re.IGNORECASE)
            for name, numbers in ((across, _ARE), (across, _IS), (down, _IS))
        )
    )


_SIDE_UM = rf"[\s_-]{{0,3}}[(\[]?{_UM}[)\]]?"
_SIZES = (
    _sizes_named(rf"{_MPP_NAMES}(?:[\s_-]?X)?", rf"{_MPP_NAMES}[\s_-]?Y", f"(?:{_UNIT})?"),
    _sizes_named(
        rf"pixel[\s_-]?size(?:[\s_-]?X)?{_SIDE_UM}",
        rf"pixel[\s_-]?size[\s_-]?Y{_SIDE_UM}",
        "()",
    ),
    _sizes_named(
        r"(?:pixel[\s_-]?(?:size|width)(?:[\s_-]?X)?|resolution|PhysicalSizeX?)",
        r"(?:pixel[\s_-]?(?:size[\s_-]?Y|height)|PhysicalSizeY)",
        _UNIT,
    ),
)
_UNNAMED_SIZE = re.compile(
    rf"(\s[x×]\s{{0,3}}|[x×]|(?<![\w.,^-]))((?:\d[\d.,]{{0,30}}|\.\d{{1,30}})){_UNIT}\s{{0,3}}(?:/|\bper)\s{{0,3}}"
    rf"{_PIXEL}\b(?!\s{{0,9}}[=:>])",
    re.IGNORECASE,
)
"""As in "scanned at 0.25 um/px", which needs no name; with what tells that it is one of two."""

_PHYSICAL_SIZES = [
    (
        re.compile(rf"\bPhysicalSize{axis}{_IS}"),
        re.compile(
            rf"\bPhysicalSize{axis}Unit[\"']?\s{{0,9}}[=:]\s{{0,9}}[\"']?([^\"',;|<>\s]{{1,20}})"
        ),
    )
    for axis in "XY"
]
"""Numbers and units as OME has them, in text that is no OME-XML, such as tifffile's JSON."""

_SPACING_MM = re.compile(
    r"\bDICOM_PIXEL_SPACING\"[^>]{0,200}>\s{0,9}(?:&quot;|\")([\d.]+)(?:&quot;|\")"
    r"\s{1,9}(?:&quot;|\")([\d.]+)"
)
"""Of rows, then columns, for each level, as Philips writes it."""

_POWER = re.compile(
    rf"\b(?:AppMag|Objective[\s_-]{{0,9}}Power|(?:Nominal)?Magnification){_IS}"
    rf"|<Objective{_IS}\s*x\s*</Objective>",  # as QPTIFF has it
    re.IGNORECASE,
)
_XMP = 700
_IMAGEJ_UNITS = re.compile(r"^(y?)unit=(.+)$", re.MULTILINE)


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
        if not tiff.is_ome:  # whose text tells of several images
            mpp_um = mpp_um or _physical_size_um(text)
    mpp_um = mpp_um or _imagej_mpp_um(page) or resolution_mpp_um(page)
    return Optics(mpp_um, power)


def _told_mpp_um(text: str) -> tuple[float, float] | None:
    """Return the size of pixels that a description names with words of its own."""
    for words in _SIZES:
        pair = _first(words.both, text)
        if pair is not None:
            x_um, y_um = (_length_um(pair[side], pair[3]) for side in (1, 2))
            if x_um and y_um and 1 / _MOST_UNEQUAL < x_um / y_um < _MOST_UNEQUAL:
                return x_um, y_um
        x_um = _side_um(_first(words.across, text))
        if x_um is not None:
            return x_um, _side_um(_first(words.down, text)) or x_um
    spacings = [
        (x_mm * 1000, y_mm * 1000)
        for match in _SPACING_MM.finditer(text)
        if (y_mm := positive(match[1])) and (x_mm := positive(match[2]))
    ]
    return min(spacings, default=None) or _unnamed_mpp_um(text)


def _unnamed_mpp_um(text: str) -> tuple[float, float] | None:
    """Return what a text gives per pixel; None where that is several sizes, or no scan's."""
    found = [*itertools.islice(_UNNAMED_SIZE.finditer(text), _MOST_NAMES)]
    sizes = {_length_um(match[2], match[3]) for match in found}
    (size_um,) = sizes if len(sizes) == 1 else (None,)
    if size_um is None or any(match[1] for match in found):
        return None
    return believable_mpp_um(size_um, size_um)


def _first(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the first match with no other word before it, as in "Macro MPP"; else the first."""
    found = [*itertools.islice(pattern.finditer(text), _MOST_NAMES)]
    before = (text[max(0, match.start() - 9) : match.start()].rstrip(" ") for match in found)
    alone = (match for match, words in zip(found, before, strict=True) if not words[-1:].isalnum())
    return next(alone, next(iter(found), None))


def _physical_size_um(text: str) -> tuple[float, float] | None:
    """Return the size of pixels under the names that OME has for it; without a unit it is µm."""
    sides: list[float | None] = []
    for size, unit in _PHYSICAL_SIZES:
        found, named = size.search(text), unit.search(text)
        sides.append(_length_um(found[1], named[1] if named else None) if found else None)
    x_um, y_um = sides
    return None if x_um is None else (x_um, y_um or x_um)


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


def pixel_sides(page: TiffPage) -> tuple[float, float] | None:
    """Return width and height of a pixel by the resolution tags, whatever their unit."""
    per_unit = _per_unit(page)
    return None if per_unit is None else (1 / per_unit[0], 1 / per_unit[1])


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
    return bytes(value) if isinstance(value, bytes) and len(value) > PROFILE_HEADER_BYTES else None


def _imagej_mpp_um(page: TiffPage) -> tuple[float, float] | None:
    if not page.description.startswith("ImageJ="):
        return None
    units = dict(_IMAGEJ_UNITS.findall(page.description))
    per_unit = _per_unit(page)
    if "" not in units or per_unit is None:
        return None
    names = units[""], units.get("y", units[""])
    x_um, y_um = (length_um(1 / count, name) for count, name in zip(per_unit, names, strict=True))
    return None if x_um is None or y_um is None else (x_um, y_um)


def _per_unit(page: TiffPage) -> tuple[float, float] | None:
    """Return the pixels per resolution unit in x and y."""
    x, y = rationals(page, 282, 1), rationals(page, 283, 1)
    if x is None or y is None or not x[0] > 0 or not y[0] > 0:
        return None
    return x[0], y[0]


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return _positive(next(filter(None, match.groups()))) if match else None


def _side_um(found: re.Match[str] | None) -> float | None:
    return _length_um(found[1], found[2]) if found else None


def _length_um(number: str, unit: str | None) -> float | None:
    value = _positive(number)
    return None if value is None else length_um(value, unit or "µm")


def _positive(number: str) -> float | None:
    """Return a number that may stand at the end of a sentence."""
    return positive(number.rstrip(".,"))
