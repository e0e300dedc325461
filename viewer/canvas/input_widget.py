"""A widget whose input goes through one method, without an override of `event()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from PySide6.QtGui import (
        QFocusEvent,
        QHideEvent,
        QKeyEvent,
        QMouseEvent,
        QTabletEvent,
        QWheelEvent,
    )

_WITHOUT_HANDLER = (
    QEvent.Type.ShortcutOverride,
    QEvent.Type.NativeGesture,
    QEvent.Type.Gesture,
    QEvent.Type.GestureOverride,
    QEvent.Type.DevicePixelRatioChange,
)
"""Kinds for which QWidget has no handler of its own; a filter on the widget sees them."""


class InputWidget(QWidget):
    """Hands mouse, pen, wheel, keys, gestures and focus to `handle_event`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.installEventFilter(self)

    def handle_event(self, event: QEvent) -> bool:
        """Handle an input event; True when it is not to go any further."""
        return False

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        return watched is self and event.type() in _WITHOUT_HANDLER and self.handle_event(event)

    @guarded()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.handle_event(event):
            super().mousePressEvent(event)

    @guarded()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self.handle_event(event):
            super().mouseMoveEvent(event)

    @guarded()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self.handle_event(event):
            super().mouseReleaseEvent(event)

    @guarded()
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not self.handle_event(event):
            super().mouseDoubleClickEvent(event)

    @guarded()
    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self.handle_event(event):
            super().wheelEvent(event)

    @guarded()
    def tabletEvent(self, event: QTabletEvent) -> None:
        if not self.handle_event(event):
            super().tabletEvent(event)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self.handle_event(event):
            super().keyPressEvent(event)

    @guarded()
    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not self.handle_event(event):
            super().keyReleaseEvent(event)

    @guarded()
    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.handle_event(event)
        super().focusOutEvent(event)

    @guarded()
    def leaveEvent(self, event: QEvent) -> None:
        self.handle_event(event)
        super().leaveEvent(event)

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        self.handle_event(event)
        super().hideEvent(event)
