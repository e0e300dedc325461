"""Pixels at half the size, as levels that are made here hold them: means of 2 x 2, halves up.

At an odd side the last pixels are means of the two or the one there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from viewer.slides.errors import SlideAwayError, SlideLostError, TileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import Level, RgbImage

Place = tuple[int, int, int]
"""Level, column and row."""


def halved(image: RgbImage) -> RgbImage:
    """Return a picture at half the size."""
    return np.array(Image.fromarray(image).reduce(2))


def halved_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return values (..., height, width) of any type at half the size."""
    height, width = values.shape[-2:]
    if height % 2 or width % 2:
        beside = [(0, 0)] * (values.ndim - 2)
        values = np.pad(values, [*beside, (0, height % 2), (0, width % 2)], "edge")
    four = [values[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
    if values.dtype.kind == "f":
        wide = np.float64 if values.dtype.itemsize > 4 else np.float32
        return _mean(four, wide).astype(values.dtype)
    if values.dtype.itemsize <= 2:
        total = np.full(four[0].shape, 2, np.int32)
        for part in four:
            total += part
        return (total >> 2).astype(values.dtype)
    return np.floor(_mean(four, np.float64) + 0.5).astype(values.dtype)


def _mean(parts: Sequence[NDArray[Any]], wide: type[np.floating[Any]]) -> NDArray[Any]:
    total = np.zeros(parts[0].shape, wide)
    for part in parts:
        total += part
    return total / 4


def size_below(place: Place, finer: Level) -> tuple[int, int]:
    """Return height and width of what a tile is halved from."""
    _, column, row = place
    height = min(2 * finer.tile_height_px, finer.height_px - 2 * row * finer.tile_height_px)
    width = min(2 * finer.tile_width_px, finer.width_px - 2 * column * finer.tile_width_px)
    return height, width


def fill_from_below(
    place: Place,
    finer_index: int,
    finer: Level,
    canvas: NDArray[Any],
    take: Callable[[Place, NDArray[Any]], bool],
    hatch: Callable[[NDArray[Any]], object],
) -> bool:
    """Have `take` put the tiles that a tile is halved from into a canvas; `hatch` what it cannot.

    Return whether all of it could be read. Raises TileError where nothing could.
    """
    _, column, row = place
    # Not the errors: they would hold the canvas, and its frame them, until memory is tidied.
    reasons: list[str] = []
    tiles_read, is_sound = 0, True
    for dy in range(0, canvas.shape[0], finer.tile_height_px):
        for dx in range(0, canvas.shape[1], finer.tile_width_px):
            part = canvas[dy : dy + finer.tile_height_px, dx : dx + finer.tile_width_px]
            try:
                is_sound &= take((finer_index, 2 * column + (dx > 0), 2 * row + (dy > 0)), part)
                tiles_read += 1
            except (SlideLostError, SlideAwayError):
                raise
            except TileError as error:
                reasons.append(error.reason)
                hatch(part)
    if not tiles_read:
        raise TileError(*place, reasons[0])
    return is_sound and not reasons
