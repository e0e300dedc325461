"""Shapes that are drawn in one drag: rectangle, ellipse, line."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import shapely
from PySide6.QtCore import QEvent, Qt
from shapely import affinity

from viewer.annotations.shape_editing import EmptyShapeError, TooThinError, ellipse, wide_parts
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.stroke_transaction import StrokeTransaction
from viewer.canvas.annotating.strokes import paint_stroke
from viewer.canvas.shape_paths import shape_path
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.pixel_calibration import PixelCalibration
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import View

_STEP_DEG = 45.0
_DRAW_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class DragTool(DrawingTool):
    """From where the button goes down to where it comes up; Enter draws in the middle of the view.

    Attributes
    ----------
    middle
        What Enter draws from and to, in shares of the view's width and height.
    """

    label: ClassVar[str]
    middle: ClassVar[tuple[Point, Point]] = (Point(0.25, 0.25), Point(0.75, 0.75))

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self._from: Point | None = None
        self._was_dragged = False
        self._shape: BaseGeometry | None = None
        self._new: Annotation | None = None
        self._draft = StrokeTransaction(desk, self.label)
        self._view: View | None = None
        self._is_by_hand = False
        """Whether a button was pressed since the tool was taken up: who drags, ends by Enter."""

    @abstractmethod
    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        """Return what is drawn between two level-0 points; even sides or angles with Shift."""

    @property
    def is_busy(self) -> bool:
        return self._from is not None

    def take(self, event: QEvent, view: View) -> bool:
        """Do as `DrawingTool`, and remember what is in view."""
        self._view = view
        self._is_by_hand |= event.type() == QEvent.Type.MouseButtonPress
        return super().take(event, view)

    def put_down(self) -> None:
        super().put_down()
        self._is_by_hand = False

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        """As `DrawingTool` asks for: Enter draws where no mouse does."""
        is_plain = not keys & ~Qt.KeyboardModifier.KeypadModifier
        return is_plain and key in _DRAW_KEYS and not self.is_busy and not self._is_by_hand

    def key(self, key: Qt.Key) -> None:
        """Draw in the middle of the view, as a hand would from one end to the other."""
        view, former = self._view, self.hand
        assert view is not None
        for share, act in zip(self.middle, (self.press, self.release), strict=True):
            at = Point(share.x * view.size.width, share.y * view.size.height)
            no_key = Qt.KeyboardModifier.NoModifier
            self.hand = PointerState(view.to_slide(at), at, view, no_key)
            act(self.hand)
        self.hand = former
        self.desk.show_hidden()

    def press(self, hand: PointerState) -> None:
        self._from, self._shape, self._was_dragged = self.snapped(hand), None, False
        self._new, self._draft = None, StrokeTransaction(self.desk, self.label)

    def move(self, hand: PointerState) -> None:
        if self._from is None:
            return
        self._shape = self._drawn(self._from, self.snapped(hand), hand)
        measure = self.measured(self._shape) if self._shape is not None else ""
        self.measure_changed.emit(f"{self.label}: {measure}" if measure else "")
        self.changed.emit()

    def release(self, hand: PointerState) -> None:
        if self._from is None:
            return
        self.move(hand)
        self.keep()
        if self._shape is None and self._was_dragged:
            self.desk.say(str(TooThinError()))
        if self._new is not None:
            self.choose(self._new.id)
        self._from = self._shape = None
        self.lifted = frozenset()
        self.measure_changed.emit("")
        self.changed.emit()
        if self._new is not None:
            self.finished.emit()

    def keep(self) -> None:
        if self._from is None:
            return
        if self._shape is None:
            self._take_back()
            return
        try:
            region = self._shape
            if region.area > 0 and self.hand is not None:
                region = wide_parts(self.desk.spared(region), self.hand.reach(1.0))
        except EmptyShapeError:
            self._take_back()
            self.desk.say("All of it is covered by others, which are not to be overlapped.")
            return
        is_ellipse = self.is_ellipse(region)
        if self._new is None:
            self._new = self.desk.new(region)
        self._new = replace(self._new, geometry=region, is_ellipse=is_ellipse)
        self.lifted = frozenset({self._new.id})
        self._draft.put({self._new.id: self._new})

    def give_up(self) -> None:
        self._from = self._shape = None
        self._take_back()

    def is_ellipse(self, region: BaseGeometry) -> bool:
        """Return whether a region is as upright an ellipse as it was drawn."""
        return False

    def paint(self, painter: QPainter, scene: Scene) -> None:
        if self._shape is not None:
            paint_stroke(painter, shape_path(self._shape, scene.view), self.color)

    def _drawn(self, start: Point, end: Point, hand: PointerState) -> BaseGeometry | None:
        """Return the shape under the hand; None where it is a click or thinner than a pixel."""
        if math.dist(start, end) < hand.reach(DRAG_PX):
            return None
        self._was_dragged = True
        try:
            return wide_parts(
                self.shape(start, end, hand.view, is_even=hand.shift), hand.reach(1.0)
            )
        except EmptyShapeError:
            return None

    def _take_back(self) -> None:
        """What was kept of the stroke is no longer what the hand draws."""
        self._new, self.lifted = None, frozenset()
        self._draft.take_back()


class RectangleTool(DragTool):
    """As upright as the screen; the slide may be turned."""

    name = "rectangle"
    label = "Rectangle"
    hint = "Drag from corner to corner, with Shift a square. Enter draws in the middle."

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        corners = _screen_box(start, end, view, self.desk.calibration, is_even=is_even)
        if view.rotation_deg % 90.0 == 0.0:
            xs, ys = zip(*corners, strict=True)
            return shapely.box(min(xs), min(ys), max(xs), max(ys))
        return shapely.Polygon(corners)


class EllipseTool(DragTool):
    """In the box of the drag, which is as upright as the screen."""

    name = "ellipse"
    label = "Ellipse"
    hint = "Drag from corner to corner, with Shift a circle. Enter draws in the middle."

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        calibration = self.desk.calibration
        a, b, c, d = _screen_box(start, end, view, calibration, is_even=is_even)
        # A circle in um lies along the slide's axes, however the view is turned.
        self._is_upright = is_even or view.rotation_deg % 90.0 == 0.0
        if is_even:
            middle, width = Box.enclosing([a, c]).center, calibration.distance(a, b)
            across, down = (width / side for side in calibration.pixel)
            a, _, c, _ = Box.around(middle, across, down).corners
            return ellipse(a, c)
        if self._is_upright:
            return ellipse(a, c)
        unit = ellipse(Point(0, 0), Point(1, 1))
        return affinity.affine_transform(
            unit, [b.x - a.x, d.x - a.x, b.y - a.y, d.y - a.y, a.x, a.y]
        )

    def is_ellipse(self, region: BaseGeometry) -> bool:
        return self._is_upright and region is self._shape


class LineTool(DragTool):
    """Straight; its length is shown."""

    name = "line"
    label = "Line"
    hint = "Drag from end to end, with Shift in steps of 45 degrees. Enter draws in the middle."
    middle = (Point(0.25, 0.5), Point(0.75, 0.5))

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        if is_even:
            end = evenly_turned(start, end, view, self.desk.calibration)
        return shapely.LineString([start, end])


def evenly_turned(start: Point, end: Point, view: View, calibration: PixelCalibration) -> Point:
    """Return the end of a line at the nearest step of 45 degrees from the screen's horizontal.

    Angle and length are those on the slide, as they are measured.
    """
    x, y = calibration.pixel
    across = view.slide_delta(1.0, 0.0)
    level_deg = math.degrees(math.atan2(across.y * y, across.x * x))
    dx, dy = (end.x - start.x) * x, (end.y - start.y) * y
    steps = round((math.degrees(math.atan2(dy, dx)) - level_deg) / _STEP_DEG)
    angle = math.radians(level_deg + steps * _STEP_DEG)
    length = math.hypot(dx, dy)
    return Point(start.x + length * math.cos(angle) / x, start.y + length * math.sin(angle) / y)


def _screen_box(
    start: Point, end: Point, view: View, calibration: PixelCalibration, *, is_even: bool
) -> list[Point]:
    """Return the level-0 corners of a box that is upright on the screen; even sides in um."""
    a, b = view.to_screen(start), view.to_screen(end)
    width, height = b.x - a.x, b.y - a.y
    if is_even:
        # How long a screen pixel is on the slide, across the screen and down.
        across = calibration.length(*view.slide_delta(1.0, 0.0))
        down = calibration.length(*view.slide_delta(0.0, 1.0))
        side = max(abs(width) * across, abs(height) * down)
        width, height = math.copysign(side / across, width), math.copysign(side / down, height)
    places = (a.x, a.y), (a.x + width, a.y), (a.x + width, a.y + height), (a.x, a.y + height)
    return [view.to_slide(Point(x, y)) for x, y in places]
