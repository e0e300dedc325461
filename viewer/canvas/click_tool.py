"""Points at things and draws boxes round them, for a model that outlines what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF

from viewer.geometry import Box, Point
from viewer.overlays.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.geometry import View

_DRAG_PX = 5.0
"""A press that moves less is a click."""
_DOT_PX = 4.0
_INSIDE, _OUTSIDE = QColor("#00c853"), QColor("#ff1744")


class ClickTool(QObject):
    """A click or a box begins anew; Shift adds a point, Alt one that is left out.

    Also the layer that paints the points and the outline.
    """

    prompted = Signal(object)
    """The Prompt changed; an empty one where all points were taken back."""
    kept = Signal()
    """The outline is to be kept."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.prompt = Prompt()
        self.rings: Sequence[Sequence[Point]] = ()
        self._pressed: Point | None = None
        self._dragged: Point | None = None

    def clear(self) -> None:
        """Forget points and outline."""
        self.prompt, self.rings = Prompt(), ()
        self._pressed = self._dragged = None

    def take(self, event: QEvent, view: View) -> bool:
        match event:
            case QMouseEvent():
                return self._mouse(event, view)
            case QKeyEvent() if event.type() == QEvent.Type.KeyPress:
                return self._key(event)
            case QKeyEvent() if event.type() == QEvent.Type.ShortcutOverride:
                return self._wants(event)
            case _:
                return False

    def follow(self, screen: Point, view: View) -> None:
        if self._pressed is not None:
            self._dragged = view.to_slide(screen)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint points, the box and the outline."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for ring in self.rings:
            polygon = QPolygonF([QPointF(*scene.view.to_screen(point)) for point in ring])
            for color, width_px in ((QColor("black"), 3.5), (_INSIDE, 2.0)):
                painter.setPen(QPen(color, width_px))
                painter.drawPolygon(polygon)
        box = self._drawn_box()
        if box is not None:
            painter.setPen(QPen(_INSIDE, 1.5, Qt.PenStyle.DashLine))
            corners = [QPointF(*scene.view.to_screen(corner)) for corner in box.corners]
            painter.drawPolygon(QPolygonF(corners))
        painter.setPen(QPen(QColor("white"), 1.5))
        for points, color in ((self.prompt.inside, _INSIDE), (self.prompt.outside, _OUTSIDE)):
            painter.setBrush(color)
            for point in points:
                painter.drawEllipse(QPointF(*scene.view.to_screen(point)), _DOT_PX, _DOT_PX)

    # -----------------------------------------------------------------------------------------

    def _mouse(self, event: QMouseEvent, view: View) -> bool:
        at = view.to_slide(Point(event.position().x(), event.position().y()))
        is_left = event.button() is Qt.MouseButton.LeftButton
        match event.type():
            case QEvent.Type.MouseButtonPress | QEvent.Type.MouseButtonDblClick if is_left:
                self._pressed = self._dragged = at
                return True
            case QEvent.Type.MouseMove if self._pressed is not None:
                self._dragged = at
                return True
            case QEvent.Type.MouseButtonRelease if is_left and self._pressed is not None:
                pressed, self._pressed, self._dragged = self._pressed, None, None
                self._point_or_box(pressed, at, view.downsample, event.modifiers())
                return True
            case _:
                return False

    def _point_or_box(
        self, pressed: Point, released: Point, downsample: float, keys: Qt.KeyboardModifier
    ) -> None:
        box = Box.enclosing([pressed, released])
        if max(box.width, box.height) > _DRAG_PX * downsample:
            self._set(Prompt(box=box))
        elif keys & Qt.KeyboardModifier.AltModifier:
            if not self.prompt.is_empty:
                self._set(replace(self.prompt, outside=(*self.prompt.outside, released)))
        elif keys & Qt.KeyboardModifier.ShiftModifier:
            self._set(replace(self.prompt, inside=(*self.prompt.inside, released)))
        else:
            self._set(Prompt(inside=(released,)))

    def _wants(self, event: QKeyEvent) -> bool:
        """Return whether a key is for this tool, although it is also a command's."""
        wanted = not self.prompt.is_empty and event.key() in _KEYS
        if wanted:
            event.accept()
        return wanted

    def _key(self, event: QKeyEvent) -> bool:
        if self.prompt.is_empty or event.key() not in _KEYS:
            return False
        match event.key():
            case Qt.Key.Key_Escape:
                self._set(Prompt())
            case Qt.Key.Key_Backspace:
                self._set(self.prompt.without_last())
            case _:
                self.kept.emit()
        return True

    def _set(self, prompt: Prompt) -> None:
        if prompt.is_empty:
            self.rings = ()
        self.prompt = prompt
        self.prompted.emit(prompt)

    def _drawn_box(self) -> Box | None:
        if self._pressed is not None and self._dragged is not None:
            return Box.enclosing([self._pressed, self._dragged])
        return self.prompt.box


_KEYS = (Qt.Key.Key_Escape, Qt.Key.Key_Backspace, Qt.Key.Key_Return, Qt.Key.Key_Enter)
