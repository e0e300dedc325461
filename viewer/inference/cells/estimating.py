"""Stains and white value of a slide, estimated from its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.inference.cells.stain_vectors import (
    StainSet,
    StainVectors,
    estimated_white,
    likely_stains,
    macenko,
    single_stain,
)
from viewer.slides.region import coarsest_level, read_level, read_region

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.slides.source import RgbImage, SlideSource

_MOST_PX = 1500
"""Along the longer side of the region that stains are estimated from."""
_LEAST_PX = 1000
"""Along the longer side of the level that a slide as a whole is judged by."""


def slide_white(source: SlideSource) -> tuple[float, float, float]:
    """Return the value of clear glass on a slide, from a low magnification. Raises TileError."""
    return estimated_white(_overview(source))


def slide_stains(source: SlideSource) -> StainSet | None:
    """Return with what a slide seems stained; None where that cannot be told. Raises TileError."""
    overview = _overview(source)
    return likely_stains(overview, estimated_white(overview))


def estimated_stains(source: SlideSource, region: Box, kind: StainSet) -> StainVectors:
    """Return the stains of a region (level-0 pixels) by Macenko, with the white of the slide.

    Raises
    ------
    StainError
        The region has too little tissue, or one stain only.
    TileError
        It cannot be read.
    """
    return macenko(_pixels(source, region), kind, slide_white(source))


def with_stain_of(
    source: SlideSource, region: Box, stains: StainVectors, *, is_hematoxylin: bool
) -> StainVectors:
    """Return stains with one of them taken from a region (level-0 pixels) that shows it alone.

    Raises
    ------
    StainError
        The region has too little stained tissue, or the other stain.
    TileError
        It cannot be read.
    """
    vector = single_stain(_pixels(source, region), stains.white)
    if is_hematoxylin:
        return replace(stains, hematoxylin=vector, origin="set by regions")
    return replace(stains, second=vector, origin="set by regions")


def _overview(source: SlideSource) -> RgbImage:
    """Return the smallest level on which single structures can still be seen."""
    return read_level(source, coarsest_level(source.levels, _LEAST_PX))


def _pixels(source: SlideSource, region: Box) -> RgbImage:
    scale = min(1.0, _MOST_PX / max(region.width, region.height))
    width, height = (max(1, round(side * scale)) for side in (region.width, region.height))
    return read_region(source, region, width, height)
