"""Geometries that their own edges cross or that hold too many parts: found, and made sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.shape_numbers import bounds_of, dimension, largest_dimension
from viewer.limits import CROSSINGS, NESTED_PARTS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry


_FEW_POINTS, _SAMPLED_EDGES = 500, 1000
_MANY_POINTS = 20_000
_SAMPLED_PAIRS, _NEIGHBORS = 1_000_000, 8


def is_sound(geometry: BaseGeometry) -> bool:
    """Return whether no edges of a place cross; for places of others, where GEOS might never end.

    Its time grows with the square of parts that lie on one another.

    Raises
    ------
    ValueError
        They cross too often to tell, or to repair.
    """
    is_region = dimension(geometry) == 2  # others may cross themselves
    if is_region and shapely.count_coordinates(geometry) > _MANY_POINTS:
        _check_crossings(geometry)
        _check_parts(geometry)
    return bool(geometry.is_valid)


def repaired(geometry: BaseGeometry) -> BaseGeometry:
    """Return the same place without crossing edges: what has the most dimensions of `make_valid`.

    Raises
    ------
    ValueError
        Nothing is left of it.
    """
    _check_crossings(geometry)
    _check_parts(geometry)
    valid = shapely.make_valid(geometry)
    parts = [part for part in shapely.get_parts(valid) if not part.is_empty]
    if not parts:
        raise ValueError("the geometry is empty")
    most = max(map(dimension, parts))
    kept = [part for part in parts if dimension(part) == most]
    return kept[0] if len(kept) == 1 else shapely.union_all(kept)


def _check_crossings(geometry: BaseGeometry) -> None:
    crossings = estimated_crossings(geometry)
    if crossings > CROSSINGS.most:
        raise ValueError(CROSSINGS.sentence("", crossings))


def _check_parts(geometry: BaseGeometry) -> None:
    """Raise ValueError where parts or holes lie in one another so often that GEOS takes minutes."""
    rings = shapely.get_rings(shapely.get_parts(shapely.get_parts(geometry)))
    if len(rings) < _FEW_POINTS:
        return
    x0, y0, x1, y1 = bounds_of(rings).T
    rings = rings[np.argsort(-(x1 - x0) * (y1 - y0), kind="stable")]
    some = np.arange(0, len(rings), max(1, len(rings) * len(rings) // _SAMPLED_PAIRS))
    one, larger = shapely.STRtree(rings).query(rings[some])
    # Of each the larger alone: the ring round all holes, if it is in the sample, meets each.
    pairs = int((larger < some[one]).sum()) / len(some) * len(rings)
    if pairs > NESTED_PARTS.most + _NEIGHBORS * len(rings):
        raise ValueError(NESTED_PARTS.sentence("", pairs))


def estimated_crossings(shapes: BaseGeometry | NDArray[np.object_]) -> float:
    """Estimate how often edges meet other edges than their neighbors, by a sample of them."""
    edged: object = shapes
    if largest_dimension(shapes) == 2:
        # Parts of parts: a collection can hold several regions as one.
        edged = shapely.get_rings(shapely.get_parts(shapely.get_parts(shapes)))
    points, rings = shapely.get_coordinates(edged, return_index=True)
    if len(points) < _FEW_POINTS:
        return 0.0
    begins = np.flatnonzero(rings[1:] == rings[:-1])
    # One of each part, and not each so many: of rectangles that might be the same side of each.
    count = min(len(begins), _SAMPLED_EDGES)
    parts = np.linspace(0, len(begins), count + 1)
    offsets = np.random.default_rng(0).random(count)
    some = begins[(parts[:-1] + offsets * np.diff(parts)).astype(np.intp)]
    sampled = np.asarray(shapely.linestrings(np.stack([points[some], points[some + 1]], 1)))
    one, other = shapely.STRtree(sampled).query(sampled, predicate="intersects")
    one, other = some[one], some[other]
    apart = other - one
    round_to_it = np.bincount(rings)[rings[one]] - 1 - apart
    is_near = (rings[one] == rings[other]) & (np.minimum(apart, round_to_it) <= _NEIGHBORS)
    return int(((apart > 0) & ~is_near).sum()) * (len(begins) / count) ** 2


def by_dimension(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return a collection as regions, lines and points apart, in this order; others as they are."""
    if geometry.geom_type != "GeometryCollection":
        return [geometry]
    parts = [part for part in simple_parts(geometry) if not part.is_empty]
    regions = [part for part in parts if isinstance(part, shapely.Polygon)]
    lines = [part for part in parts if isinstance(part, shapely.LineString)]
    points = [part for part in parts if isinstance(part, shapely.Point)]
    apart: list[BaseGeometry] = []
    if regions:
        whole = shapely.MultiPolygon(regions)
        apart.append(whole if whole.is_valid else shapely.union_all(regions))
    if lines:
        apart.append(shapely.MultiLineString(lines))
    if points:
        apart.append(shapely.MultiPoint(points))
    return [each if len(shapely.get_parts(each)) > 1 else simple_parts(each)[0] for each in apart]


def simple_parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return its parts, also those of collections in it; itself where it has none."""
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [part for each in shapely.get_parts(geometry).tolist() for part in simple_parts(each)]
