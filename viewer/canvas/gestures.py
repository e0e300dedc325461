"""Hands to view: mouse, wheel, touchpad, pinch and arrow keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture

from viewer.geometry import Point, View
from viewer.tiles.plan import Motion

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.navigator import Navigator

# A notch of the wheel zooms by the square root of two: two notches are one objective further.
_ZOOM_PER_NOTCH = 0.5
_NOTCH = 120.0
_TOUCHPAD_PX_PER_DOUBLING = 200.0
_FOCUS_PX = 40.0
"""That two fingers move to the next focal plane."""
_KEY_PAN_SHARE = 0.15
_DOUBLE_CLICK_ZOOM = 2.0

_ARROWS = {
    Qt.Key.Key_Left: (1.0, 0.0),
    Qt.Key.Key_Right: (-1.0, 0.0),
    Qt.Key.Key_Up: (0.0, 1.0),
    Qt.Key.Key_Down: (0.0, -1.0),
}


class Gestures:
    """Turns a canvas's input events into calls of its navigator."""

    def __init__(self, canvas: SlideCanvas, navigator: Navigator) -> None:
        self._canvas = canvas
        self._navigator = navigator
        self._grabbed: QPointF | None = None
        self._travels_on_map = False
        self._zooming = 0
        self._drag_direction = Point(0.0, 0.0)
        self._focus_rest = 0.0
        """What is turned of the way to the next plane."""
        self.wheel_speed = 1.0
        self.touchpad_speed = 1.0

    def motion(self, here: View, there: View) -> Motion:
        """Return where the view is heading, for prefetching."""
        direction = Point(there.center.x - here.center.x, there.center.y - here.center.y)
        if direction == (0.0, 0.0):
            direction = self._drag_direction
        if there.downsample != here.downsample:
            self._zooming = 1 if there.downsample > here.downsample else -1
        return Motion(direction, self._zooming)

    def take(self, event: QEvent) -> bool:
        """Handle an event; return True when it moved the view or is not to go any further."""
        match event:
            case QWheelEvent():
                return self._wheel(event)
            case QMouseEvent():
                return self._mouse(event)
            case QNativeGestureEvent():
                return self._native_gesture(event)
            case QGestureEvent():
                return self._gesture(event)
            case QKeyEvent() if event.type() == QEvent.Type.KeyPress:
                return self._key(event)
            case _:
                return False

    def grab(self, at: Point) -> None:
        """Take hold of the slide at a screen position, as a press does."""
        self._navigator.stop()
        self._grabbed = QPointF(*at)

    def let_go(self) -> None:
        """Let go of the slide where it is, without a glide."""
        self._navigator.stop()
        self._grabbed = None

    # -----------------------------------------------------------------------------------------

    def _wheel(self, event: QWheelEvent) -> bool:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            return self._focus(event)
        anchor = _point(event.position())
        pixels = event.pixelDelta().y()
        if pixels and event.phase() != Qt.ScrollPhase.NoScrollPhase:
            # A touchpad sends many small steps and eases by itself.
            doublings = pixels / _TOUCHPAD_PX_PER_DOUBLING * self.touchpad_speed
            self._navigator.zoom(2.0**doublings, anchor, "wheel", animated=False)
        else:
            notches = event.angleDelta().y() / _NOTCH
            if not notches:
                return False
            factor = 2.0 ** (notches * _ZOOM_PER_NOTCH * self.wheel_speed)
            self._navigator.zoom(factor, anchor, "wheel")
        event.accept()
        return True

    def _focus(self, event: QWheelEvent) -> bool:
        """Turn the fine focus: a notch is a plane, whichever way the desktop turns the wheel."""
        # Desktops turn a wheel with Shift into one from side to side.
        angle, pixels = event.angleDelta(), event.pixelDelta()
        turned = (angle.y() or angle.x()) / _NOTCH or (pixels.y() or pixels.x()) / _FOCUS_PX
        self._focus_rest += turned
        planes = int(self._focus_rest)
        self._focus_rest -= planes
        if planes:
            self._canvas.focus_turned.emit(planes)
        event.accept()
        return True

    def _mouse(self, event: QMouseEvent) -> bool:
        match event.type():
            case QEvent.Type.MouseButtonPress:
                return self._press(event)
            case QEvent.Type.MouseMove:
                return self._move(event)
            case QEvent.Type.MouseButtonRelease:
                return self._release(event)
            case QEvent.Type.MouseButtonDblClick:
                return self._double_click(event)
            case _:
                return False

    def _press(self, event: QMouseEvent) -> bool:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return False
        self._canvas.setFocus(Qt.FocusReason.MouseFocusReason)
        self._navigator.stop()
        target = self._canvas.overview_point(_point(event.position()))
        if target is not None:
            self._travels_on_map = True
            self._canvas.go_to(target, cause="overview")
        else:
            self._grabbed = event.position()
            self._canvas.setCursor(Qt.CursorShape.ClosedHandCursor)
        return True

    def _move(self, event: QMouseEvent) -> bool:
        at = event.position()
        if self._grabbed is None:
            self._canvas.report_cursor(_point(at))
        if self._travels_on_map:
            target = self._canvas.overview_point(_point(at), nearest=True)
            if target is not None:
                view = replace(self._navigator.destination, center=target)
                self._navigator.set_view(view, "overview")
            return True
        if self._grabbed is None:
            return False
        moved = at - self._grabbed
        self._grabbed = at
        on_slide = self._navigator.view.slide_delta(-moved.x(), -moved.y())
        self._drag_direction = on_slide
        self._navigator.drag(moved.x(), moved.y())
        return True

    def _release(self, event: QMouseEvent) -> bool:
        was_held = self._grabbed is not None or self._travels_on_map
        if self._grabbed is not None:
            if event.position() != self._grabbed:
                self._move(event)
            self._navigator.end_drag()
            self._canvas.show_cursor()
        self._grabbed = None
        self._travels_on_map = False
        return was_held

    def _double_click(self, event: QMouseEvent) -> bool:
        at = _point(event.position())
        if self._canvas.overview_point(at) is not None:
            return self._press(event)
        if event.button() is Qt.MouseButton.RightButton:
            return False  # it opens the menu
        is_out = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        factor = 1 / _DOUBLE_CLICK_ZOOM if is_out else _DOUBLE_CLICK_ZOOM
        self._navigator.zoom(factor, at, "double-click")
        return True

    def _native_gesture(self, event: QNativeGestureEvent) -> bool:
        anchor = _point(event.position())
        match event.gestureType():
            case Qt.NativeGestureType.ZoomNativeGesture:
                self._navigator.zoom(1.0 + event.value(), anchor, "pinch", animated=False)
            case Qt.NativeGestureType.RotateNativeGesture:
                turned = self._navigator.view.turned(event.value())
                self._navigator.set_view(turned, "pinch")
            case _:
                return False
        return True

    def _gesture(self, event: QGestureEvent) -> bool:
        pinch = event.gesture(Qt.GestureType.PinchGesture)
        if not isinstance(pinch, QPinchGesture):
            return False
        event.accept(pinch)
        self._grabbed = None
        at = self._canvas.mapFromGlobal(pinch.centerPoint())
        before = self._canvas.mapFromGlobal(pinch.lastCenterPoint())
        self._navigator.pan(at.x() - before.x(), at.y() - before.y(), "pinch")
        if pinch.scaleFactor() > 0:
            self._navigator.zoom(pinch.scaleFactor(), _point(at), "pinch", animated=False)
        return True

    def _key(self, event: QKeyEvent) -> bool:
        step = _ARROWS.get(Qt.Key(event.key()))
        plain = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
        if step is None or event.modifiers() & ~plain:
            return False
        # With Shift nearly a whole field, to read a slide in strips.
        is_strip = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        share = 0.9 if is_strip else _KEY_PAN_SHARE
        width, height = self._navigator.view.size
        self._navigator.pan(step[0] * share * width, step[1] * share * height, "key", animated=True)
        return True


def _point(position: QPointF) -> Point:
    return Point(position.x(), position.y())
