"""Shapes by their kind: a test that asks for an outline means a polygon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def polygon_of(shape: BaseGeometry) -> shapely.Polygon:
    assert isinstance(shape, shapely.Polygon), shape.geom_type
    return shape


def point_of(shape: BaseGeometry) -> shapely.Point:
    assert isinstance(shape, shapely.Point), shape.geom_type
    return shape
