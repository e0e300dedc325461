"""A part of a slide that is asked for: a box, or a shape that was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from viewer.annotations.shape_numbers import boxes_of
from viewer.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.blocks import BlockGrid, BlockKey

Area = Box | BaseGeometry
"""Level-0 pixels."""


def bounds_of(area: Area) -> Box:
    """Return the box round it; empty where the area is."""
    if isinstance(area, Box):
        return area
    return Box(0, 0, 0, 0) if area.is_empty else Box(*area.bounds)


def is_nowhere(area: Area) -> bool:
    """Return whether it has no place at all; a single point has one."""
    if isinstance(area, Box):
        return area.x1 < area.x0 or area.y1 < area.y0
    return bool(area.is_empty)


def part_within(area: Area, box: Box) -> Area:
    """Return what of it lies in a box."""
    if isinstance(area, Box):
        return area.intersection(box)
    return shapely.intersection(area, box.polygon)


def blocks_of(grid: BlockGrid, area: Area) -> list[BlockKey]:
    """Return the blocks that it meets, row by row."""
    keys = grid.covering(bounds_of(area))
    if isinstance(area, Box) or not keys:
        return keys
    shapely.prepare(area)
    corners = np.array([grid.core_box(key).bounds for key in keys])
    meets = shapely.intersects(area, boxes_of(corners))
    return [key for key, is_met in zip(keys, meets.tolist(), strict=True) if is_met]


def holds(area: Area, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (n,) whether points lie in it."""
    if isinstance(area, Box):
        return (x >= area.x0) & (x < area.x1) & (y >= area.y0) & (y < area.y1)
    shapely.prepare(area)
    return shapely.contains_xy(area, x, y)


def middle_of(area: Area) -> tuple[float, float]:
    """Return a point in its middle, and in any case within it."""
    if isinstance(area, Box):
        return area.center.x, area.center.y
    inside = shapely.point_on_surface(area)
    return inside.x, inside.y
