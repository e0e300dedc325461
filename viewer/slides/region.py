"""Any box of a slide as a picture of any size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.slides.source import Level, RgbImage, SlideSource

_SLACK = 1.01
"""A level this much coarser than asked for still counts as fine enough: rounding, not blur."""


def read_region(source: SlideSource, box: Box, width_px: int, height_px: int) -> RgbImage:
    """A box of the slide, uint8 (height_px, width_px, 3); what lies beyond the slide is white.

    Read from the nearest finer level and averaged down; enlarged where the slide has no more.

    Parameters
    ----------
    box
        Level-0 pixels.

    Raises
    ------
    TileError
        A tile cannot be read.
    """
    wanted = min(box.width / width_px, box.height / height_px)
    fine = [i for i, level in enumerate(source.levels) if level.downsample <= wanted * _SLACK]
    index = fine[-1] if fine else 0
    k_x = source.levels[0].width_px / source.levels[index].width_px
    k_y = source.levels[0].height_px / source.levels[index].height_px
    x0, y0, x1, y1 = box.x0 / k_x, box.y0 / k_y, box.x1 / k_x, box.y1 / k_y
    left, top = math.floor(x0), math.floor(y0)
    pixels = _read_pixels(source, index, left, top, math.ceil(x1) - left, math.ceil(y1) - top)
    picture = Image.fromarray(pixels)
    part = (x0 - left, y0 - top, x1 - left, y1 - top)
    is_smaller = width_px < x1 - x0
    resample = Image.Resampling.BOX if is_smaller else Image.Resampling.BICUBIC
    return np.asarray(picture.resize((width_px, height_px), resample, box=part))


def read_level(source: SlideSource, index: int) -> RgbImage:
    """A whole level, uint8 (height, width, 3); for levels that are small.

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
    for row in _touched(top, height, level.tile_height_px, level.rows):
        for column in _touched(left, width, level.tile_width_px, level.columns):
            _paste(picture, source.read_tile(index, column, row), level, column, row, left, top)
    return picture


def _touched(start: int, length: int, tile: int, count: int) -> range:
    return range(max(0, start // tile), min(count, math.ceil((start + length) / tile)))


def _paste(
    picture: RgbImage, tile: RgbImage, level: Level, column: int, row: int, left: int, top: int
) -> None:
    x, y = column * level.tile_width_px - left, row * level.tile_height_px - top
    height, width = picture.shape[0], picture.shape[1]
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + tile.shape[1], width), min(y + tile.shape[0], height)
    if x1 > x0 and y1 > y0:
        picture[y0:y1, x0:x1] = tile[y0 - y : y1 - y, x0 - x : x1 - x]
