"""What can be taken hold of on an annotation: its corners, or the frame of a rectangle."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import affinity

from viewer.annotations.shape_editing import (
    EmptyShapeError,
    corners_of,
    ellipse,
    is_rectangle,
    with_corner,
)
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.shape_editing import Vertex
    from viewer.geometry import View

_MOST_CORNERS = 3000
"""Shapes with more are changed by brush and eraser."""
_TURN_PX = 26.0
"""From the frame to the handle that turns it."""
_EVEN_DEG = 15.0
_SIDES = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))
"""Handles of a frame, along it and across it."""


class Grips(ABC):
    """The grips of one annotation, by number.

    Attributes
    ----------
    label
        What dragging one of them is called.
    are_corners
        Whether they can be added and removed, and snap to borders.
    """

    label: str
    are_corners: bool

    @abstractmethod
    def places(self, view: View) -> NDArray[np.float64]:
        """Return (n, 2) level-0 pixels."""

    @abstractmethod
    def dragged(self, number: int, place: Point, *, is_even: bool) -> BaseGeometry:
        """Return the shape with a grip in another place. Raises EmptyShapeError."""

    def nearest(self, place: Point, view: View, reach_px: float) -> int | None:
        """Return the number of the grip within reach of a place."""
        places = self.places(view)
        if not len(places):
            return None
        distances = np.hypot(*(places - place).T)
        number = int(distances.argmin())
        return number if distances[number] <= reach_px * view.downsample else None


class CornerGrips(Grips):
    """All corners of a polygon, a line or points."""

    label = "Move corner"
    are_corners = True

    def __init__(self, shape: BaseGeometry) -> None:
        self._shape = shape
        is_simple = shapely.get_num_coordinates(shape) <= _MOST_CORNERS
        found = corners_of(shape) if is_simple else []
        self.corners: list[Vertex] = [corner for corner, _ in found]
        self._places = np.array([place for _, place in found], float).reshape(-1, 2)

    def places(self, view: View) -> NDArray[np.float64]:
        return self._places

    def dragged(self, number: int, place: Point, *, is_even: bool) -> BaseGeometry:
        return with_corner(self._shape, self.corners[number], place)


class FrameGrips(Grips):
    """Corners and sides of a rectangle or of the box of an ellipse, and one that turns."""

    label = "Resize"
    are_corners = False

    def __init__(self, shape: BaseGeometry, *, is_ellipse: bool) -> None:
        self._shape = shape
        self._is_ellipse = is_ellipse
        if is_ellipse:
            corners = Box(*shape.bounds).corners
        else:
            corners = [Point(x, y) for x, y in shapely.get_coordinates(shape)[:4].tolist()]
        self._corner, along, _, across = np.array(corners)
        self._along, self._across = along - self._corner, across - self._corner
        self._up = -self._across
        """From the middle to the handle that turns it, as the screen last showed it."""

    @property
    def can_turn(self) -> bool:
        return not self._is_ellipse

    @property
    def stalk(self) -> tuple[float, float]:
        """Return where the frame is nearest to the handle that turns it."""
        x, y = (self._middle + self._up / 2).tolist()
        return x, y

    @property
    def _middle(self) -> NDArray[np.float64]:
        return self._corner + (self._along + self._across) / 2

    def places(self, view: View) -> NDArray[np.float64]:
        sides = np.array(_SIDES) / 2
        places = self._middle + sides @ np.array([self._along, self._across])
        if self._is_ellipse:
            return places
        return np.concatenate([places, [self._turner(view)]])

    def dragged(self, number: int, place: Point, *, is_even: bool) -> BaseGeometry:
        if number == len(_SIDES):
            return self._turned(place, is_even=is_even)
        axes = np.array([self._along, self._across]).T
        at = np.linalg.solve(axes, np.array(place) - self._corner)
        edges = np.array([[0.0, 1.0], [0.0, 1.0]])
        for axis, side in enumerate(_SIDES[number]):
            if side:
                edges[axis, (side + 1) // 2] = at[axis]
        (s0, s1), (t0, t1) = np.sort(edges, axis=1).tolist()
        shares = np.array([[s0, t0], [s1, t0], [s1, t1], [s0, t1]])
        a, b, c, d = (self._corner + shares @ axes.T).tolist()
        shape = ellipse(Point(*a), Point(*c)) if self._is_ellipse else shapely.Polygon([a, b, c, d])
        if not shape.is_valid:  # without any width
            raise EmptyShapeError
        return shape

    def _turner(self, view: View) -> NDArray[np.float64]:
        """Above that side of the frame which is uppermost on the screen."""
        sides = (self._along, -self._along, self._across, -self._across)
        self._up = min(sides, key=lambda up: view.to_screen(Point(*(self._middle + up))).y)
        outward = self._up / max(float(np.hypot(*self._up)), 1e-9)
        return self._middle + self._up / 2 + outward * _TURN_PX * view.downsample

    def _turned(self, place: Point, *, is_even: bool) -> BaseGeometry:
        x, y = (np.array(place) - self._middle).tolist()
        up_x, up_y = self._up.tolist()
        turn = math.degrees(math.atan2(y, x) - math.atan2(up_y, up_x))
        if is_even:
            upright = math.degrees(math.atan2(-up_x, up_y)) % 90.0
            turn = round((turn + upright) / _EVEN_DEG) * _EVEN_DEG - upright
        return affinity.rotate(self._shape, turn, origin=tuple(self._middle.tolist()))


def grips_of(annotation: Annotation) -> Grips:
    """Return those that fit its shape."""
    shape = annotation.geometry
    if annotation.is_ellipse or is_rectangle(shape):
        return FrameGrips(shape, is_ellipse=annotation.is_ellipse)
    return CornerGrips(shape)
