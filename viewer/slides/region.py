"""Any box of a slide as a picture of any size."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box
from viewer.slides.channels import FIRST_PLANE
from viewer.slides.lost_tiles import ShownValues
from viewer.slides.source import expect, lost_in
from viewer.slides.tile_windows import paste, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import Level, RgbImage, SlideSource

_SLACK = 1.01
"""A level this much coarser than asked for still counts as fine enough: rounding, not blur."""


class Beyond(Enum):
    """What a region holds where it reaches beyond the slide."""

    REFLECTION = "reflection"
    """The slide mirrored at its edge: what models are fed, since no tissue ends in white.

    Nor is any hatched: where a tile that a level is made of cannot be read, the region cannot."""
    WHITE = "white"
    """Clear glass: what people and language models look at."""


def read_region(
    source: SlideSource,
    box: Box,
    width_px: int,
    height_px: int,
    beyond: Beyond = Beyond.REFLECTION,
    *,
    smaller_by: str = "box",
    colors: Callable[[RgbImage], RgbImage] | None = None,
) -> RgbImage:
    """Return a box of the slide as uint8 (height_px, width_px, 3).

    Read from the nearest finer level and averaged down; enlarged where the slide has no more.

    Parameters
    ----------
    box
        Level-0 pixels.
    beyond
        What lies outside of the slide.
    smaller_by
        The filter of Pillow by which a finer level is averaged down.
    colors
        Gives pixels of a level as they are shown, before they are averaged; see `shown_region`.

    Raises
    ------
    TileError
        A tile cannot be read; with `Beyond.REFLECTION` also one that a level made here is made of.
    """
    from PIL import Image

    wanted = min(box.width / width_px, box.height / height_px)
    fine = [i for i, level in enumerate(source.levels) if level.downsample <= wanted * _SLACK]
    index = fine[-1] if fine else 0
    k_x = source.levels[0].width_px / source.levels[index].width_px
    k_y = source.levels[0].height_px / source.levels[index].height_px
    x0, y0, x1, y1 = box.x0 / k_x, box.y0 / k_y, box.x1 / k_x, box.y1 / k_y
    left, top = math.floor(x0), math.floor(y0)
    width, height = math.ceil(x1) - left, math.ceil(y1) - top
    read = _read_reflected if beyond is Beyond.REFLECTION else _read_pixels
    pixels = read(source, index, left, top, width, height)
    picture = Image.fromarray(pixels if colors is None else colors(pixels))
    part = (x0 - left, y0 - top, x1 - left, y1 - top)
    is_smaller = width_px < x1 - x0
    resample = Image.Resampling[smaller_by.upper() if is_smaller else "BICUBIC"]
    return np.asarray(picture.resize((width_px, height_px), resample, box=part))


def coarsest_level(levels: Sequence[Level], least_px: int) -> int:
    """Return the coarsest level that has so many pixels along its longer side; 0 where none has."""
    sides = [max(level.width_px, level.height_px) for level in levels]
    return max((index for index, side in enumerate(sides) if side >= least_px), default=0)


def read_level(source: SlideSource, index: int) -> RgbImage:
    """Return a whole level, uint8 (height, width, 3); for levels that are small.

    Raises
    ------
    TileError
        A tile cannot be read.
    """
    level = source.levels[index]
    return _read_pixels(source, index, 0, 0, level.width_px, level.height_px)


def _read_pixels(
    source: SlideSource, index: int, left: int, top: int, width: int, height: int
) -> RgbImage:
    level = source.levels[index]
    picture = np.full((height, width, 3), 255, np.uint8)
    tiles = [
        (index, column, row)
        for row in touched(top, height, level.tile_height_px, level.rows)
        for column in touched(left, width, level.tile_width_px, level.columns)
    ]
    expect(source, tiles)
    for _, column, row in tiles:
        x, y = column * level.tile_width_px - left, row * level.tile_height_px - top
        paste(picture, source.read_tile(index, column, row), x, y)
    return picture


def _read_reflected(
    source: SlideSource, index: int, left: int, top: int, width: int, height: int
) -> RgbImage:
    level = source.levels[index]
    columns = _reflected(left, width, level.width_px)
    rows = _reflected(top, height, level.height_px)
    x, y = int(columns.min()), int(rows.min())
    wide, tall = int(columns.max()) - x + 1, int(rows.max()) - y + 1
    part = _read_pixels(source, index, x, y, wide, tall)
    _check_whole(source, index, x, y, wide, tall)
    if (x, y) == (left, top) and part.shape[:2] == (height, width):
        return part  # all of it lies within the slide
    return part[(rows - y)[:, np.newaxis], columns - x]


def _check_whole(
    source: SlideSource, index: int, left: int, top: int, width: int, height: int
) -> None:
    """Raise TileError where a part of a level is hatched: a model would take that for tissue."""
    level = source.levels[index]
    k = level.downsample
    part = Box(left * k, top * k, (left + width) * k, (top + height) * k)
    shown = ShownValues(source.info.axes.first_shown, FIRST_PLANE)
    for row in touched(top, height, level.tile_height_px, level.rows):
        for column in touched(left, width, level.tile_width_px, level.columns):
            for error in lost_in(source, index, column, row, shown):
                lost = source.levels[error.level].tile_box(error.column, error.row)
                if lost.intersects(part):
                    raise error


def _reflected(start: int, length: int, size: int) -> NDArray[np.intp]:
    """Return which pixels of a side of `size` stand at start, start + 1, ...; edges come once."""
    period = max(2 * (size - 1), 1)
    place = np.arange(start, start + length) % period
    return np.minimum(place, period - place).astype(np.intp)
