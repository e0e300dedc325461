"""Tiles of any place, size and shape as a raster: what lies where, and what overlaps there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from viewer.geometry import Size

    Column = NDArray[np.float64]

_MOST_PIXELS = 16_000_000
"""Of a raster; that of one score takes four times as many bytes."""
_PIXELS_PER_SIDE = 16
"""Along the smallest tile where tiles share no lattice: no edge is off by more than 1/32 of it."""
_SAME_LATTICE = 0.02
"""Tiles that lie off a lattice by a smaller share of their side lie on it: programs round."""
_SAMPLE = 400
_HEXAGONAL_SHARE = 0.6
_SAME_DISTANCE = 1.15
"""The sixth neighbor in a hexagonal pattern is as far as the first; on squares, 1.41 times."""


class Tiles(msgspec.Struct, frozen=True):
    """n tiles; level-0 pixels.

    Attributes
    ----------
    left, top, width, height
        (n,) each.
    are_discs
        Whether they are discs within these boxes, such as the spots of Visium.
    """

    left: Column
    top: Column
    width: Column
    height: Column
    are_discs: bool = False

    def __len__(self) -> int:
        return len(self.left)

    def taken(self, wanted: NDArray[np.bool_]) -> Tiles:
        """Return those tiles for which `wanted` (n,) is set."""
        left, top, width, height = (
            column[wanted] for column in (self.left, self.top, self.width, self.height)
        )
        return Tiles(left, top, width, height, self.are_discs)

    def moved(self, dx: float, dy: float) -> Tiles:
        """Return the tiles as lying elsewhere."""
        return replace(self, left=self.left + dx, top=self.top + dy)

    def meets(self, slide: Size) -> NDArray[np.bool_]:
        """Return which tiles (n,) have something of the slide."""
        right, bottom = self.left + self.width, self.top + self.height
        return (right > 0) & (bottom > 0) & (self.left < slide.width) & (self.top < slide.height)

    def box(self, index: int) -> Box:
        left, top = float(self.left[index]), float(self.top[index])
        return Box(left, top, left + float(self.width[index]), top + float(self.height[index]))

    @property
    def side(self) -> float:
        """Return the middle one of all sides."""
        return float(np.median(self.width))

    def lattice_origin(self) -> tuple[float, float] | None:
        """Return where the lattice begins on which all tiles lie; None where there is none.

        It is the first place right of and below 0, or left of it where tiles begin there.
        """
        side = self.side
        is_square = np.allclose(self.width, side) and np.allclose(self.height, side)
        if self.are_discs or not is_square:
            return None
        starts = [_lattice_start(each, side) for each in (self.left, self.top)]
        x, y = starts
        return None if x is None or y is None else (x, y)


def _lattice_start(places: Column, side: float) -> float | None:
    first = float(places.min())
    steps = (places - first) / side
    if np.abs(steps - np.round(steps)).max() > _SAME_LATTICE:
        return None
    start = first % side
    if side - start < _SAME_LATTICE * side:
        start -= side  # rounding only
    if abs(start) < 1e-9:
        start = 0.0
    return start if first >= start else start - side


def hexagonal_pitch(x: Column, y: Column) -> float | None:
    """Return the distance of neighbors where points lie in a hexagonal pattern, else None."""
    if len(x) < 7:
        return None
    chosen = np.linspace(0, len(x) - 1, min(_SAMPLE, len(x))).astype(int)
    nearest: list[NDArray[np.float64]] = []
    for index in chosen.tolist():
        apart = (x - x[index]) ** 2 + (y - y[index]) ** 2
        nearest.append(np.sqrt(np.partition(apart, 6)[:7]))
    distances = np.sort(np.array(nearest), 1)
    first, sixth = distances[:, 1], distances[:, 6]
    inner = (first > 0) & (sixth < _SAME_DISTANCE * first)
    # Points on the border have fewer neighbors.
    return float(np.median(first[inner])) if inner.mean() > _HEXAGONAL_SHARE else None


class TileRaster:
    """A raster fine enough to hold the tiles where they lie.

    A pixel belongs to the tiles that hold its middle. Where all edges lie on a lattice of whole
    pixels it is exact, else no edge is off by more than half a pixel.

    Attributes
    ----------
    side
        Of a pixel, level-0 pixels.
    x0, y0
        Where it begins.
    owner
        int32 (rows, columns) the last tile that holds a pixel, -1 where none does.
    """

    def __init__(self, tiles: Tiles, slide: Size) -> None:
        self.tiles = tiles
        self.x0, self.y0 = max(0.0, float(tiles.left.min())), max(0.0, float(tiles.top.min()))
        right = min(slide.width, float((tiles.left + tiles.width).max()))
        bottom = min(slide.height, float((tiles.top + tiles.height).max()))
        self.side = self._pixel_side(right - self.x0, bottom - self.y0)
        self.rows = max(1, int(np.ceil((bottom - self.y0) / self.side - 1e-9)))
        self.columns = max(1, int(np.ceil((right - self.x0) / self.side - 1e-9)))
        self.owner = np.full((self.rows, self.columns), -1, np.int32)
        for pixels, held in self._parts():
            self.owner.reshape(-1)[pixels] = held

    def means(self, score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean score (rows, columns) of the tiles at each pixel, NaN where none is."""
        size = self.rows * self.columns
        sums, counts = np.zeros(size), np.zeros(size, np.int32)
        known = ~np.isnan(score)
        for pixels, held in self._parts():
            inside = known[held]
            np.add.at(sums, pixels[inside], score[held[inside]].astype(np.float64))
            np.add.at(counts, pixels[inside], 1)
        with np.errstate(invalid="ignore"):
            return (sums / counts).astype(np.float32).reshape(self.rows, self.columns)

    def _pixel_side(self, width: float, height: float) -> float:
        tiles = self.tiles
        smallest = float(min(tiles.width.min(), tiles.height.min()))
        least = max((width * height / _MOST_PIXELS) ** 0.5, 1e-3)
        columns = (tiles.left - self.x0, tiles.top - self.y0, tiles.width, tiles.height)
        edges = np.concatenate(columns)
        if not tiles.are_discs and np.abs(edges - np.round(edges)).max() < 1e-6:
            common = float(np.gcd.reduce(np.abs(np.round(edges)).astype(np.int64)))
            if common >= max(least, smallest / _PIXELS_PER_SIDE):
                return common
        return max(least, smallest / _PIXELS_PER_SIDE)

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield pixels and the tiles that hold them, a pixel of every tile at a time."""
        tiles, side = self.tiles, self.side
        x, y = (tiles.left - self.x0) / side, (tiles.top - self.y0) / side
        first_column, first_row = (np.ceil(each - 0.5 - 1e-9).astype(np.int64) for each in (x, y))
        end_column = np.ceil(x + tiles.width / side - 0.5 - 1e-9).astype(np.int64)
        end_row = np.ceil(y + tiles.height / side - 0.5 - 1e-9).astype(np.int64)
        for down in range(int((end_row - first_row).max(initial=0))):
            for right in range(int((end_column - first_column).max(initial=0))):
                row, column = first_row + down, first_column + right
                held = (row < end_row) & (column < end_column)
                held &= (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
                if tiles.are_discs:
                    radius_x, radius_y = tiles.width / side / 2, tiles.height / side / 2
                    away_x = (column + 0.5 - x - radius_x) / radius_x
                    away_y = (row + 0.5 - y - radius_y) / radius_y
                    held &= away_x**2 + away_y**2 <= 1
                which = np.flatnonzero(held)
                yield row[which] * self.columns + column[which], which
