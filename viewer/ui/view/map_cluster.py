"""What stands beside the overview map: buttons that move the view, and a corner to drag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAccessible, QPainter, QPen
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from viewer.ui.actions import ActionSet

COMMANDS = (
    "view.zoom_in",
    "view.zoom_out",
    "view.home",
    "view.back",
    "view.forward",
    "view.quarter_right",
    "view.flip_horizontally",
    "view.overview",
)
_BUTTON_PX = 26
_STEP_PX = 20
"""What an arrow key changes of the map's size."""


class MapCluster(QFrame):
    """A column of buttons that run commands of the view; the last folds the map."""

    pressed = Signal()
    """One of the buttons goes down, before its command runs."""

    def __init__(self, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("floating", "true")
        self.setAccessibleName("View")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        self.buttons: dict[str, QToolButton] = {}
        for command in COMMANDS:
            action = actions[command]
            button = QToolButton(self)
            button.setDefaultAction(action)
            button.setIconSize(QSize(16, 16))
            button.setFixedSize(_BUTTON_PX, _BUTTON_PX)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAccessibleName(action.iconText())
            button.pressed.connect(self.pressed)
            layout.addWidget(button)
            self.buttons[command] = button
        self.adjustSize()


class MapGrip(QWidget):
    """The lower left corner of the overview map: a drag, or an arrow key, makes the map larger."""

    accessible_role = QAccessible.Role.Grip
    dragged = Signal(float)
    """By how much its longer side is to grow, logical pixels."""
    let_go = Signal()
    """The size is to be kept."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedSize(14, 14)
        self.setCursor(Qt.CursorShape.SizeBDiagCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Size of the overview map")
        self.setToolTip("Drag to resize the map")
        self._grabbed: QPoint | None = None

    def place(self, overview: QRect) -> None:
        """Stand in the lower left corner of the map."""
        self.move(overview.left() - 3, overview.bottom() + 4 - self.height())

    @guarded()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._grabbed = event.globalPosition().toPoint()

    @guarded()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grabbed is not None:
            now = event.globalPosition().toPoint()
            left, down = self._grabbed.x() - now.x(), now.y() - self._grabbed.y()
            self._grabbed = now
            self.dragged.emit(float(left if abs(left) > abs(down) else down))

    @guarded()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._grabbed is not None:
            self._grabbed = None
            self.let_go.emit()

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        grows = event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Down)
        if grows or event.key() in (Qt.Key.Key_Right, Qt.Key.Key_Up):
            self.dragged.emit(float(_STEP_PX if grows else -_STEP_PX))
            self.let_go.emit()
        else:
            super().keyPressEvent(event)

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for width_px, color in ((3.5, Qt.GlobalColor.white), (1.5, Qt.GlobalColor.black)):
            painter.setPen(QPen(color, width_px))
            for away in (4, 9):
                painter.drawLine(2, self.height() - 2 - away, 2 + away, self.height() - 2)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().accent(), 2.0))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
