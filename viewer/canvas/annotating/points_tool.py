"""Points that are counted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from viewer.annotations.shape_editing import corners_of, without_corner
from viewer.canvas.annotating.drawing_tool import DrawingTool, PointerState
from viewer.canvas.annotating.edit_context import HIDDEN

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation

_REACH_PX = 9.0


class PointsTool(DrawingTool):
    """Each click is one more point of what is chosen, if that is points; Alt takes one away."""

    name = "points"
    hint = "Click to count. Alt and click takes a point away."

    def press(self, hand: PointerState) -> None:
        if hand.alt:
            self._take_away(hand)
        else:
            self._add(hand)

    def _add(self, hand: PointerState) -> None:
        place = self.snapped(hand)
        if not self.desk.is_on_slide(shapely.Point(place)):
            return
        for points in self._chosen():
            shape = shapely.MultiPoint([*_places(points), place])
            after = replace(points, geometry=shape).signed(self.desk.author)
            self.desk.change("Add point", points, after)
            self._tell(len(shape.geoms))
            return
        self.desk.add("Add point", self.desk.new(shapely.MultiPoint([place])))
        self._tell(1)

    def _take_away(self, hand: PointerState) -> None:
        if self.desk.is_hidden:
            self.desk.say(HIDDEN)
        for points in self._chosen():
            near = [
                (math.dist(place, hand.at), corner) for corner, place in corners_of(points.geometry)
            ]
            distance, nearest = min(near)
            if distance > hand.reach(_REACH_PX):
                continue
            after = None
            if len(near) > 1:
                shape = without_corner(points.geometry, nearest)
                after = replace(points, geometry=shape).signed(self.desk.author)
            self.desk.put("Remove point", {points.id: after})
            self._tell(len(near) - 1)

    def _chosen(self) -> list[Annotation]:
        """Return the points that one more belongs to; the uppermost of several."""
        return self.desk.uppermost(lambda each: shapely.get_dimensions(each.geometry) == 0)

    def _tell(self, count: int) -> None:
        self.measure_changed.emit(f"Points: {count:,}")
        self.changed.emit()


def _places(points: Annotation) -> list[tuple[float, ...]]:
    return [tuple(place) for place in shapely.get_coordinates(points.geometry).tolist()]
