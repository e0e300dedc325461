"""Which annotation is meant by a place on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from viewer.annotations.id_set import IdSet
from viewer.annotations.kept_geometry import geometries_of
from viewer.geometry import Box
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document_state import DocumentState
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.geometry import Point

BORDER_PX = 6.0
"""How near, on the screen, a border has to be to be meant."""
_AT_ONCE = 1000
"""Shapes that are compared together."""


def annotation_under(desk: EditContext, at: Point, reach: float) -> Annotation | None:
    """Return the nearest border within reach, else the smallest region that holds the place.

    Nothing that is hidden is meant.

    Parameters
    ----------
    at, reach
        Level-0 pixels.
    """
    if desk.is_hidden:
        return None
    found = desk.document.inside(Box.around(at, 2 * reach, 2 * reach))
    near = [each for each in found if desk.is_in_sight(each)]
    place = shapely.Point(at)
    borders: list[tuple[float, int]] = []
    holding: list[tuple[float, int]] = []
    for number, annotation in enumerate(near):
        shape = annotation.geometry
        distance = (shape.boundary if shape.area > 0 else shape).distance(place)
        if distance <= reach:
            borders.append((distance, -number))
        elif shape.area > 0 and shape.covers(place):
            holding.append((shape.area, -number))
    best = min(borders or holding, default=None)
    return near[-best[1]] if best is not None else None


def framed(state: DocumentState, corners: list[Point], hidden: AbstractSet[str]) -> IdSet:
    """Return the ids of what lies within a frame as a whole; of very many in a thread.

    Parameters
    ----------
    corners
        Of the frame, level-0 pixels.
    hidden
        The names of classes that are not meant.
    """
    frame, rows = shapely.Polygon(corners), state.index.rows_inside(Box.enclosing(corners))
    return IdSet.of(_framed(state, frame, rows, hidden))


def _framed(
    state: DocumentState, frame: shapely.Polygon, rows: NDArray[np.intp], hidden: AbstractSet[str]
) -> Iterator[UUID]:
    for begin in range(0, len(rows), _AT_ONCE):
        give_way()
        found = state.held.at_rows(rows[begin : begin + _AT_ONCE].tolist())
        near = [each for each in found if each is not None and each.class_name not in hidden]
        within = shapely.covers(frame, geometries_of(near)).tolist()
        yield from (each.id for each, is_within in zip(near, within, strict=True) if is_within)
