"""Which annotation is meant by a place on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from viewer.geometry import Box

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.geometry import Point

BORDER_PX = 6.0
"""How near, on the screen, a border has to be to be meant."""


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
