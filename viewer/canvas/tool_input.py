"""The tool in hand: it is asked before the gestures, and follows the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent

from viewer.geometry import Point

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.gestures import Gestures
    from viewer.canvas.tool import Tool

_PRESSES = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)
"""Qt gives the second press of a double click another name."""


class ToolInput:
    """Hands a canvas's events to its tool; with Space held they move the slide instead."""

    def __init__(self, canvas: SlideCanvas, gestures: Gestures) -> None:
        self._canvas = canvas
        self._gestures = gestures
        self._tool: Tool | None = None
        self._is_space_held = False
        self._has_button = False
        """Whether the tool has the left button, so that a stroke is under way."""
        self._pointer: Point | None = None
        """Where the mouse is, in logical pixels; None off the canvas."""

    def set_tool(self, tool: Tool | None) -> None:
        """Take up a tool; None leaves the mouse to the gestures."""
        self._tool = tool
        self._has_button = False
        self.show_cursor()

    def show_cursor(self) -> None:
        """Show the cursor of the tool in hand, if any."""
        if self._tool is None:
            self._canvas.unsetCursor()
            return
        shape = Qt.CursorShape.OpenHandCursor if self._is_space_held else self._tool.cursor
        if shape is not self._canvas.cursor().shape():
            self._canvas.setCursor(shape)

    def note_pointer(self, event: QEvent) -> None:
        """Remember where an event says that the mouse is."""
        if isinstance(event, QMouseEvent | QWheelEvent):
            self._pointer = _place(event)
        elif event.type() == QEvent.Type.Leave:
            self._pointer = None

    @property
    def pointer(self) -> Point | None:
        """Return where the mouse is, in logical pixels; None off the canvas."""
        return self._pointer

    def follow_view(self) -> None:
        """The view changed under the mouse, which may rest: it is over another place now."""
        if self._pointer is None:
            return
        self._canvas.report_cursor(self._pointer)
        if self._tool is not None:
            self._tool.follow(self._pointer, self._canvas.view)

    def handle_event(self, event: QEvent) -> bool:
        """Give an event to the tool; True when it is not to go any further."""
        tool = self._tool
        if tool is None:
            return False
        if isinstance(event, QMouseEvent):
            is_taken = self._mouse(event, tool)
        elif isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            is_taken = True
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
            elif not event.isAutoRepeat():
                self._hold_space(held=event.type() == QEvent.Type.KeyPress)
        else:
            if event.type() == QEvent.Type.FocusOut:
                self._hold_space(held=False)
            is_taken = not self._is_space_held and tool.take(event, self._canvas.view)
        if is_taken:
            self.show_cursor()
        return is_taken

    # -----------------------------------------------------------------------------------------

    def _mouse(self, event: QMouseEvent, tool: Tool) -> bool:
        is_left = event.button() is Qt.MouseButton.LeftButton
        if self._is_space_held:
            ends_stroke = event.type() == QEvent.Type.MouseButtonRelease and is_left
            if not self._has_button:
                tool.follow(_place(event), self._canvas.view)
                return False
            if not ends_stroke:
                return False
            self._gestures.let_go()
        is_press = event.type() in _PRESSES
        if is_press:
            if self._canvas.overview_point(_place(event)) is not None:
                return False
            self._canvas.setFocus(Qt.FocusReason.MouseFocusReason)
        is_taken = tool.take(event, self._canvas.view)
        if is_left:
            self._has_button = is_press and is_taken
        if is_taken:
            self._canvas.report_cursor(_place(event))
        return is_taken

    def _hold_space(self, *, held: bool) -> None:
        """Within a stroke the slide moves under the hand, and the stroke goes on afterwards."""
        if held != self._is_space_held and self._has_button:
            if held and self._pointer is not None:
                self._gestures.grab(self._pointer)
            else:
                self._gestures.let_go()
        self._is_space_held = held
        self.show_cursor()


def _place(event: QMouseEvent | QWheelEvent) -> Point:
    return Point(event.position().x(), event.position().y())
