"""What the samples of a TIFF page are, by its tags, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from tifffile import EXTRASAMPLE, PHOTOMETRIC, TiffPage

from viewer.slides.readers.sample_colors import (
    CMYK_APPROXIMATED,
    CMYK_THROUGH_PROFILE,
    ColorModel,
    DisplayRange,
    SampleColors,
    display_range,
    hidden_note,
    opacity_scale,
    usable_cmyk_profile,
)
from viewer.slides.readers.tiff.lab import is_lab
from viewer.slides.readers.tiff.metadata import icc_profile
from viewer.slides.readers.tiff.page_tags import bits_per_sample, no_data, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from viewer.slides.readers.tiff.level import LevelChunks

_MOST_CHUNKS = 64
_LEAST_FULL = 0.25
"""The share of pixels that are opaque, of a sample of which no tag says that it is opacity."""

_COLORS_OF_GRAY = "Its samples are stored as gray: three of them are shown as red, green and blue."
WHOLE_LEVEL_PX = 4 << 20
"""Levels up to this size are looked through whole for their darkest and brightest value."""

_INK_SET, _CMYK_INKS = 332, 1
_DOT_RANGE = 336
"""The samples that stand for no ink and for all of it."""
_KNOWN_KINDS = frozenset(map(int, PHOTOMETRIC))
_PHOTOMETRICS_OF_COLOR = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)


class PageColors(msgspec.Struct, frozen=True):
    """How a page is shown, and what is to be said of it."""

    samples: SampleColors
    notes: tuple[str, ...] = ()


def page_colors(pages: tuple[TiffPage, ...], *, has_stains: bool = False) -> PageColors:
    """Return how the samples of a page, or of a page for each color, are shown.

    The display range is still open; see `with_range`.

    Parameters
    ----------
    has_stains
        Whether samples that are stored as gray are known to be no colors.
    """
    page = pages[0]
    count = page.samplesperpixel if len(pages) == 1 else len(pages)
    scale = _full_scale(page)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return _indexed(page, _palette(page.colormap), count, scale)
    if page.photometric == PHOTOMETRIC.SEPARATED and _is_of_inks(page, count):
        return (_cmyk if count > 3 else _cmy)(page, count, scale)
    is_gray = _is_gray(page, pages, count) or (has_stains and _is_open(page))
    return (_gray if is_gray else _rgb)(page, pages, count, scale)


def _is_of_inks(page: TiffPage, count: int) -> bool:
    """Return whether the first samples are cyan, magenta and yellow, with black or without."""
    return page.tags.valueof(_INK_SET, _CMYK_INKS) == _CMYK_INKS and count >= 3


def _is_gray(page: TiffPage, pages: tuple[TiffPage, ...], count: int) -> bool:
    if len(pages) > 1:
        return False
    if page.photometric in _PHOTOMETRICS_OF_COLOR or is_lab(page):
        return count < 3
    # Color that is kept as three or four samples under the name of gray.
    return not (page.photometric == PHOTOMETRIC.MINISBLACK and count in (3, 4))


def _indexed(page: TiffPage, palette: NDArray[np.uint8], count: int, scale: float) -> PageColors:
    place, kind = _opacity(page, count - 1)
    has_alpha = kind is not EXTRASAMPLE.UNSPECIFIED
    model = SampleColors(
        ColorModel.PALETTE,
        palette=palette,
        alpha=1 + place if has_alpha else None,
        full_scale=scale,
    )
    return PageColors(model, hidden_note(count - (2 if has_alpha else 1)))


def _rgb(page: TiffPage, pages: tuple[TiffPage, ...], count: int, scale: float) -> PageColors:
    alpha, is_premultiplied, notes = None, False, ()
    if len(pages) == 4:
        alpha = 3
    elif count > 3:
        is_gray = page.photometric == PHOTOMETRIC.MINISBLACK
        place, kind = _opacity(page, count - 3 if not is_gray else 1)
        if kind is not EXTRASAMPLE.UNSPECIFIED:
            alpha, is_premultiplied = 3 + place, kind is EXTRASAMPLE.ASSOCALPHA
        notes = hidden_note(count - (4 if alpha is not None else 3))
    if page.photometric == PHOTOMETRIC.MINISBLACK and len(pages) == 1:
        notes = (*notes, _COLORS_OF_GRAY)
    model = SampleColors(
        ColorModel.RGB, alpha=alpha, is_premultiplied=is_premultiplied, full_scale=scale
    )
    return PageColors(model, notes)


def _gray(page: TiffPage, _pages: tuple[TiffPage, ...], count: int, scale: float) -> PageColors:
    alpha, is_premultiplied, notes = None, False, ()
    if count > 1:
        _, kind = _opacity(page, count - 1)
        if count == 2 and kind is not EXTRASAMPLE.UNSPECIFIED:
            alpha, is_premultiplied = 1, kind is EXTRASAMPLE.ASSOCALPHA
        else:
            notes = (f"Shown: channel 1 of {count}.",)
    model = SampleColors(
        ColorModel.GRAY,
        is_inverted=page.photometric == PHOTOMETRIC.MINISWHITE,
        alpha=alpha,
        is_premultiplied=is_premultiplied,
        full_scale=scale,
    )
    if page.photometric in (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB, PHOTOMETRIC.ITULAB):
        notes = ("Its colors are L*a*b*: only the lightness L* is shown.",)
    return PageColors(model, notes)


def _cmyk(page: TiffPage, count: int, scale: float) -> PageColors:
    profile = usable_cmyk_profile(icc_profile(page))
    place, kind = _opacity(page, count - 4) if count > 4 else (0, EXTRASAMPLE.UNSPECIFIED)
    has_alpha = kind is not EXTRASAMPLE.UNSPECIFIED
    dots = numbers(page, _DOT_RANGE)[:2]
    inks = DisplayRange(*dots) if len(dots) == 2 and dots[0] != dots[1] else None
    model = SampleColors(
        ColorModel.CMYK,
        range=inks,
        alpha=4 + place if has_alpha else None,
        is_premultiplied=kind is EXTRASAMPLE.ASSOCALPHA,
        full_scale=scale,
        cmyk_profile=profile,
    )
    note = CMYK_THROUGH_PROFILE if profile else CMYK_APPROXIMATED
    return PageColors(model, (note, *hidden_note(count - (5 if has_alpha else 4))))


def _cmy(_page: TiffPage, _count: int, scale: float) -> PageColors:
    """Return inks without black, of which each takes away its part of white."""
    model = SampleColors(ColorModel.RGB, is_inverted=True, full_scale=scale)
    return PageColors(model, (CMYK_APPROXIMATED,))


def in_own_colors(pages: tuple[TiffPage, ...], known: SampleColors) -> SampleColors:
    """Return how a smaller level or another plane is shown.

    Each may be coded in its own way, but what is stretched is stretched alike, and what was found
    in pixels (full scale, opacity of which no tag tells) holds for all.

    Parameters
    ----------
    known
        How the first plane is shown at full size.
    """
    own = page_colors(pages).samples
    if own.model is not known.model and not _is_open(pages[0]):
        return replace(own, range=known.range)
    return replace(known, palette=own.palette, is_premultiplied=own.is_premultiplied)


def with_likely_fourth(colors: PageColors, level: LevelChunks, page: TiffPage) -> PageColors:
    """Return the colors with the fourth sample as opacity, or as a channel beside three others.

    Under the name of gray all samples but the first are of unspecified meaning. One that is full in
    many places is opacity; bright spots of a channel are few.
    """
    is_known = colors.samples.model is not ColorModel.RGB or colors.samples.alpha is not None
    if is_known or not _is_open(page) or page.samplesperpixel < 4:
        return colors
    scale, full, seen = colors.samples.full_scale, 0, 0
    for chunk in level.spread(_MOST_CHUNKS):
        full += int(np.count_nonzero(chunk[..., 3] == scale))
        seen += chunk[..., 3].size
    if full >= _LEAST_FULL * seen > 0:
        return PageColors(replace(colors.samples, alpha=3), (_COLORS_OF_GRAY,))
    return _gray(page, (page,), 4, scale)


def _is_open(page: TiffPage) -> bool:
    """Return whether a page holds three or four samples under the name of gray."""
    return page.photometric == PHOTOMETRIC.MINISBLACK and page.samplesperpixel in (3, 4)


def with_range(colors: SampleColors, level: LevelChunks, page: TiffPage) -> SampleColors:
    """Return the colors with the display range of the image, found in this level."""
    if colors.range is not None or colors.model is ColorModel.PALETTE or _is_8_bit(page):
        return colors
    stated = _imagej_range(page) if colors.model is ColorModel.GRAY else None
    if stated is not None:
        return replace(colors, range=stated)
    if colors.model is ColorModel.RGB and is_lab(page) and page.dtype != np.int8:
        return replace(colors, range=DisplayRange(0.0, _full_scale(page)))  # all that is sRGB
    is_small = level.width_px * level.height_px <= WHOLE_LEVEL_PX
    chunks = level.spread(level.columns * level.rows if is_small else _MOST_CHUNKS)
    samples, alpha, most = colors.model.samples, colors.alpha, 0.0
    unknown = no_data(page) if colors.model is ColorModel.GRAY else None

    def parts() -> Iterator[NDArray[Any]]:
        nonlocal most
        for chunk in chunks:
            if alpha is not None:
                most = max(most, float(np.nanmax(chunk[..., alpha], initial=0)))
            values = chunk[..., :samples]
            yield values if unknown is None else values[values != unknown]

    shown = display_range(parts(), colors.model, bits_per_sample(page))
    return replace(colors, range=shown, full_scale=opacity_scale(colors, shown, most))


def stretch_note(page: TiffPage, shown: SampleColors) -> str:
    """Return a sentence where values are shown stretched; empty where they are not.

    Parameters
    ----------
    page
        Of the finest level.
    """
    if shown.range is None or (shown.model is ColorModel.CMYK and numbers(page, _DOT_RANGE)):
        return ""
    black, white = shown.range
    if (black, white) == (0.0, _full_scale(page)) and page.dtype is not None:
        return ""
    kind = "floating-point" if page.dtype is not None and page.dtype.kind == "f" else ""
    kind = kind or f"{bits_per_sample(page)}-bit"
    unknown = no_data(page) if shown.model is ColorModel.GRAY else None
    except_for = "" if unknown is None else f"; {unknown:,.6g} stands for no data"
    is_stated = shown.model is ColorModel.CMYK or _imagej_range(page) is not None
    is_of_part = page.imagewidth * page.imagelength > WHOLE_LEVEL_PX and not is_stated
    of = ", as a smaller level or a part has them; those beyond are black or white"
    said = f"{kind} values from {black:,.6g} to {white:,.6g}{of if is_of_part else ''}{except_for}"
    return f"Stretched for display: {said}."


def sample_note(page: TiffPage) -> str:
    """Return a sentence on samples that are no colors, or not yet; empty for others."""
    match page.photometric:
        case PHOTOMETRIC.CFA:
            return "Raw samples of a camera's color filter (Bayer) are shown as gray values."
        case PHOTOMETRIC.LINEAR_RAW:
            return "Raw colors of a camera are shown as they are, without its color correction."
        case PHOTOMETRIC.SEPARATED if not _is_of_inks(page, page.samplesperpixel):
            return "Its samples are inks other than those of CMYK, shown as if they were light."
        case PHOTOMETRIC.PALETTE if page.colormap is None:
            return "Its color table is missing: the numbers of colors are shown as brightness."
        case kind if kind not in _KNOWN_KINDS:
            return f"What its samples are is unknown (TIFF photometric {kind})."
        case _:
            return ""


def _is_8_bit(page: TiffPage) -> bool:
    return page.dtype == np.uint8 and page.bitspersample == 8


def _full_scale(page: TiffPage) -> float:
    if page.dtype is None or page.dtype.kind == "f":
        return 1.0
    if page.dtype.kind == "b":
        return 1.0
    return float((1 << (bits_per_sample(page) - (page.dtype.kind == "i"))) - 1)


def _palette(colormap: NDArray[Any]) -> NDArray[np.uint8]:
    """Return uint8 (entries, 3); some writers fill the 16-bit map with 8-bit values."""
    table = np.moveaxis(colormap, 0, -1)
    if table.max(initial=0) > 255:
        table = table >> 8
    return table.astype(np.uint8)


def _opacity(page: TiffPage, count: int) -> tuple[int, EXTRASAMPLE]:
    """Return which of the samples after the colors is opacity, and of which kind it is.

    UNSPECIFIED where none is.
    """
    kinds = tuple(page.extrasamples)[-count:] if count else ()
    for place, kind in enumerate(kinds):
        if kind in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA):
            return place, EXTRASAMPLE(kind)
    return 0, EXTRASAMPLE.UNSPECIFIED


def _imagej_range(page: TiffPage) -> DisplayRange | None:
    """Return the display range that ImageJ has written, if any."""
    if not page.description.startswith("ImageJ="):
        return None
    found: dict[str, float] = {}
    for line in page.description.splitlines():
        name, _, value = line.partition("=")
        if name in ("min", "max"):
            try:
                found[name] = float(value)
            except ValueError:
                return None
    if len(found) < 2 or not found["min"] < found["max"]:
        return None
    return DisplayRange(found["min"], found["max"])
