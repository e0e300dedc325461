"""Objects as a label mask: a picture in which the pixels of object n have the value n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import tifffile

from viewer.annotations.masks.label_masks import MaskError
from viewer.annotations.masks.label_strips import Edges, edges_of_rings, paint_edges
from viewer.files.atomic_write import atomic_write, atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.overlays.objects import Objects

_TILE_PX = 1024
_FINER = 4
"""Samples along a side of a pixel, to see how much of it an outline covers."""
_LARGE_PX = 20_000
"""Of larger objects a pixel more or less does not tell."""
_MOST_PNG_PX = 1 << 28
_MOST_PNG_OBJECTS = 65_535
_MOST_TIFF_PX = 1 << 31
"""A side of 65,536 pixels at most; more does not fit what most readers of masks hold."""


def label_mask(objects: Objects, box: Box) -> NDArray[np.uint32]:
    """uint32 (height, width) of a level-0 box: 0 is background, object i has the value i + 1."""
    return _painted(objects, np.arange(len(objects)), round(box.x0), round(box.y0), *_size(box))


def write_mask(path: Path, objects: Objects, box: Box, mpp_um: float) -> None:
    """Write a label mask of a level-0 box, a pixel a level-0 pixel.

    PNG with 16 bits, or tiled TIFF with 32 bits that is written tile by tile.

    Raises
    ------
    MaskError
        The box or the number of objects is too large for the format.
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    width, height = _size(box)
    if path.suffix.lower() == ".png":
        if width * height > _MOST_PNG_PX or len(objects) > _MOST_PNG_OBJECTS:
            raise MaskError("The mask is too large for a PNG: choose a .tif file or a region.")
        data = imagecodecs.png_encode(label_mask(objects, box).astype(np.uint16), level=3)
        atomic_write_bytes(path, data)
        return
    if width * height > _MOST_TIFF_PX:
        raise MaskError("The mask is too large: choose a region of fewer than 2 gigapixels.")
    with atomic_write(path) as file:
        tifffile.imwrite(
            file,
            _tiles(objects, box),
            shape=(height, width),
            dtype=np.uint32,
            tile=(_TILE_PX, _TILE_PX),
            compression="zlib",
            resolution=(1e4 / mpp_um, 1e4 / mpp_um),
            resolutionunit="CENTIMETER",
            metadata=None,
        )


def _size(box: Box) -> tuple[int, int]:
    return max(1, round(box.x1) - round(box.x0)), max(1, round(box.y1) - round(box.y0))


def _tiles(objects: Objects, box: Box) -> Iterator[NDArray[np.uint32]]:
    """Row by row, all of full size as TIFF wants them."""
    width, height = _size(box)
    corners = _corners(objects)
    for y in range(round(box.y0), round(box.y0) + height, _TILE_PX):
        for x in range(round(box.x0), round(box.x0) + width, _TILE_PX):
            meets = (
                (corners[:, 0] < x + _TILE_PX)
                & (corners[:, 2] > x)
                & (corners[:, 1] < y + _TILE_PX)
                & (corners[:, 3] > y)
            )
            yield _painted(objects, np.flatnonzero(meets), x, y, _TILE_PX, _TILE_PX)


def _corners(objects: Objects) -> NDArray[np.float32]:
    """Return (n, 4) x0, y0, x1, y1 of each outline."""
    if not len(objects):
        return np.zeros((0, 4), np.float32)
    starts = objects.starts[:-1]
    low = np.minimum.reduceat(objects.points, starts)
    return np.concatenate([low, np.maximum.reduceat(objects.points, starts)], 1)


def _painted(
    objects: Objects,
    numbers: NDArray[np.signedinteger[Any]],
    x: int,
    y: int,
    width: int,
    height: int,
) -> NDArray[np.uint32]:
    mask = np.zeros((height, width), np.uint32)
    best = np.zeros((height, width), np.float32)
    for number in numbers.tolist():
        outline = objects.outline(number).astype(np.float64)
        edges = edges_of_rings([np.concatenate([outline, outline[:1]])])
        area = _ring_area(outline)
        if area > _LARGE_PX:
            paint_edges(mask, edges, number + 1, x, y, (1.0, 1.0))
            continue
        left, top = np.floor(outline.min(0)).astype(int).tolist()
        right, bottom = (np.floor(outline.max(0)).astype(int) + 1).tolist()
        cover = _cover(edges, left, top, right - left, bottom - top)
        chosen = _most_covered(cover, max(1, round(area)))
        _put(mask, best, np.where(chosen, cover, 0), number + 1, left - x, top - y)
    return mask


def _ring_area(ring: NDArray[np.float64]) -> float:
    x, y = ring.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _cover(edges: Edges, left: int, top: int, width: int, height: int) -> NDArray[np.float32]:
    """Return which share of each pixel lies within the edges, (height, width)."""
    fine = np.zeros((height * _FINER, width * _FINER), np.uint8)
    paint_edges(fine, edges, 1, left * _FINER, top * _FINER, (1 / _FINER, 1 / _FINER))
    return fine.reshape(height, _FINER, width, _FINER).mean((1, 3), dtype=np.float32)


def _most_covered(cover: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Return the `count` pixels that are covered most, so that the mask has the object's area."""
    order = np.argsort(-cover, axis=None, kind="stable")[:count]
    chosen = np.zeros(cover.size, bool)
    chosen[order] = True
    return chosen.reshape(cover.shape) & (cover > 0)


def _put(
    mask: NDArray[np.uint32],
    best: NDArray[np.float32],
    cover: NDArray[np.float32],
    value: int,
    left: int,
    top: int,
) -> None:
    """Give an object the pixels that it covers more than those before it; its corner in the mask.

    What two objects touch goes to the one that has more of it, whichever tile is painted.
    """
    height, width = cover.shape
    rows = slice(max(0, top), max(0, min(mask.shape[0], top + height)))
    columns = slice(max(0, left), max(0, min(mask.shape[1], left + width)))
    part = cover[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    is_more = part > best[rows, columns]
    mask[rows, columns][is_more] = value
    best[rows, columns][is_more] = part[is_more]
