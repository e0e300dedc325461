"""Coarse pictures of tiles that take long to make: from a sparse sample, then ever denser ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from viewer.slides.errors import SlideAwayError, SlideLostError, TileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

SLICE_S = 0.5
"""After so long whoever waits gets what there is."""
_FIRST_SLICE_S = 0.15
"""The same while there is nothing at all to be seen."""
DENSEST = 3
"""The stride of the last picture."""
_FINER = DENSEST
"""Each sample is so many times as dense as the one before, both ways, and holds all of it."""
_LEAST_SAMPLES = 8
"""Along the longer side of the first sample."""
_UNREAD = 255.0


def sketches(
    read: Callable[[int, int], RgbImage],
    columns: range,
    rows: range,
    size_px: tuple[int, int],
    *,
    row_by_row: bool = False,
) -> Iterator[tuple[RgbImage, int]]:
    """Yield ever denser pictures of many stored tiles; each takes about `SLICE_S` to make.

    A stored tile that is looked at counts by its mean color; the last picture is made of one in
    nine. Tiles that cannot be read look like those round them.

    Parameters
    ----------
    read
        Gives the stored tile of a column and a row.
    columns, rows
        Which stored tiles the picture covers.
    size_px
        Width and height of the pictures.
    row_by_row
        Whether tiles of a row come together, as of strips, which are decoded across the slide.

    Yields
    ------
    picture, stride
        uint8 (height, width, 3); how many stored tiles apart those in it are, 0 while some of
        them are missing.
    """
    stride = 1
    while _FINER * stride * _LEAST_SAMPLES <= max(len(columns), len(rows)):
        stride *= _FINER
    known: dict[tuple[int, int], NDArray[np.float32] | None] = {}
    grid: NDArray[np.float32] | None = None
    slice_s = _FIRST_SLICE_S
    while stride >= _FINER:
        xs, ys = _middles(len(columns), stride), _middles(len(rows), stride)
        is_read = np.full((len(ys), len(xs)), grid is not None)
        grid = _finer(grid, len(ys), len(xs))
        extent = len(columns) / stride, len(rows) / stride
        began_s = time.monotonic()
        for row, column in _scattered(len(ys), len(xs), row_by_row=row_by_row):
            place = xs[column], ys[row]
            if place not in known:
                known[place] = _mean(read, columns[place[0]], rows[place[1]])
            if (color := known[place]) is not None:
                grid[row, column] = color
                is_read[row, column] = True
            if time.monotonic() - began_s > slice_s:
                yield _picture(_filled(grid, is_read), *extent, size_px), 0
                began_s, slice_s = time.monotonic(), SLICE_S
        grid = _filled(grid, is_read)
        yield _picture(grid, *extent, size_px), stride
        stride //= _FINER


def _middles(count: int, stride: int) -> list[int]:
    """Return the middle of each cell; those of a denser sample hold those of a sparser one."""
    return [min(start + (stride - 1) // 2, count - 1) for start in range(0, count, stride)]


def _finer(grid: NDArray[np.float32] | None, rows: int, columns: int) -> NDArray[np.float32]:
    """Return a sparser sample as one of so many rows and columns, to be filled."""
    if grid is None:
        return np.full((rows, columns, 3), _UNREAD, np.float32)
    return grid.repeat(_FINER, 0).repeat(_FINER, 1)[:rows, :columns].copy()


def _filled(grid: NDArray[np.float32], is_read: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a sample in which what is not read is like all that is."""
    if is_read.all() or not is_read.any():
        return grid
    filled = grid.copy()
    filled[~is_read] = grid[is_read].mean(0)
    return filled


def _scattered(rows: int, columns: int, *, row_by_row: bool) -> list[tuple[int, int]]:
    """Return all places in an order that spreads over the picture from the first on."""
    if row_by_row:
        order = np.random.default_rng(0).permutation(rows).tolist()
        return [(row, column) for row in order for column in range(columns)]
    order = np.random.default_rng(0).permutation(rows * columns)
    return [divmod(each, columns) for each in order.tolist()]


def _mean(
    read: Callable[[int, int], RgbImage], column: int, row: int
) -> NDArray[np.float32] | None:
    try:
        return read(column, row).mean((0, 1), dtype=np.float32)
    except (SlideLostError, SlideAwayError):
        raise
    except TileError:
        return None


def _picture(
    grid: NDArray[np.float32], across: float, down: float, size_px: tuple[int, int]
) -> RgbImage:
    """Return a sample as a picture; the last cells may reach beyond what it covers."""
    colors = Image.fromarray(np.clip(np.rint(grid), 0, 255).astype(np.uint8))
    box = (0.0, 0.0, min(across, grid.shape[1]), min(down, grid.shape[0]))
    return np.array(colors.resize(size_px, Image.Resampling.BILINEAR, box=box))
