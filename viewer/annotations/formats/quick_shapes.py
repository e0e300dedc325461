"""Geometries of GeoJSON that are as they should be, made hundreds at once.

Plain polygons, which are nearly all of a large file, are known by their brackets and commas alone;
their numbers are decoded together. That takes a third of the time of GEOS's own parser.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.formats.foreign_values import MOST_PX
from viewer.annotations.shape_numbers import (
    bounds_of,
    first_parts,
    hole_counts,
    part_counts,
    type_ids,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

_IN_NUMBERS = b"0123456789.eE+- \t\r\n"
_BRACKETS = b"[]"
_IN_PLACES = _IN_NUMBERS + b"[],"
_MOST_PARTS = 2000
_FEWEST = 4
"""Places of a ring, the first of which comes again at its end."""

_numbers = msgspec.json.Decoder(list[float]).decode


class PlainGeometry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A geometry with a type and coordinates and nothing else."""

    type: str
    coordinates: msgspec.Raw


def quick_shapes(geometries: Sequence[PlainGeometry | None]) -> list[BaseGeometry | None]:
    """Return the shape of each geometry; None for those that have to be looked at."""
    shapes = np.full(len(geometries), None, object)
    rings = [
        bytes(geometry.coordinates) if geometry is not None and geometry.type == "Polygon" else b""
        for geometry in geometries
    ]
    counts, is_plain = _of_one_ring(rings)
    plain = np.flatnonzero(is_plain)
    made = _polygons([rings[index] for index in plain.tolist()], counts[plain])
    if made is None:
        is_plain[:] = False
    else:
        shapes[plain] = made
    others = [i for i in np.flatnonzero(~is_plain).tolist() if geometries[i] is not None]
    if others:
        texts = [_text_of(geometries[index]) for index in others]
        with np.errstate(all="ignore"):  # numbers too large are refused below
            shapes[others] = shapely.from_geojson(np.array(texts, object), on_invalid="ignore")
    shapes[_has_many_parts(shapes)] = None
    is_sound = (
        shapely.is_valid(shapes)
        & ~shapely.is_empty(shapes)
        & ~shapely.has_z(shapes)
        & (type_ids(shapes) != shapely.GeometryType.GEOMETRYCOLLECTION)
        & (np.abs(bounds_of(shapes)) < MOST_PX).all(1)
    )
    shapes[~is_sound] = None
    return shapes.tolist()


def _has_many_parts(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Return which shapes have more parts or holes than GEOS compares in a moment."""
    parts = part_counts(shapes) + hole_counts(shapes) + hole_counts(first_parts(shapes))
    return parts > _MOST_PARTS


def _text_of(geometry: PlainGeometry | None) -> bytes | None:
    if geometry is None or not geometry.type.isalnum():
        return None
    if bytes(geometry.coordinates).translate(None, _IN_PLACES):  # GEOS takes true for 1
        return None
    return b'{"type":"%b","coordinates":%b}' % (geometry.type.encode(), bytes(geometry.coordinates))


def _of_one_ring(rings: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many places each has, and whether its brackets and commas are of one plain ring."""
    found = [ring.count(b"[") - 2 for ring in rings]
    counts = np.array(found, np.int64)
    joined = b"".join(rings)
    if joined.translate(None, _IN_NUMBERS) == b"".join(map(_marks_of, found)):
        return counts, np.ones(len(rings), bool)
    is_plain = [
        ring.translate(None, _IN_NUMBERS) == _marks_of(count)
        for ring, count in zip(rings, found, strict=True)
    ]
    return counts, np.array(is_plain, bool)


@lru_cache(1024)
def _marks_of(count: int) -> bytes:
    """Return what stands between the numbers of a ring of so many places."""
    return b"[[" + b",".join([b"[,]"] * count) + b"]]" if count >= _FEWEST else b"none"


def _polygons(rings: list[bytes], counts: NDArray[np.int64]) -> NDArray[np.object_] | None:
    """Return polygons of one ring each, None for one that is not closed; None where none can be."""
    if not rings:
        return None
    text = b",".join(rings).translate(None, _BRACKETS)
    try:
        numbers = np.fromiter(_numbers(b"[%b]" % text), np.float64, 2 * int(counts.sum()))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    corners = numbers.reshape(-1, 2)
    ends = np.cumsum(counts)
    is_closed = (corners[ends - counts] == corners[ends - 1]).all(1)
    owners = np.repeat(np.arange(len(counts)), counts)
    made = np.asarray(shapely.polygons(shapely.linearrings(corners, indices=owners)))
    made[~is_closed] = None
    return made
