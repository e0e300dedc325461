"""The strip of drawing tools beside the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPolygon
from PySide6.QtWidgets import QFrame, QMenu, QToolButton, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.commands.annotating import tool_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QContextMenuEvent, QPaintEvent

    from viewer.ui.actions import ActionSet

WIDTH_PX = 44
_GROUPS: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((tool_id("move"),), (tool_id("select"),)),
    (
        (tool_id("rectangle"), tool_id("ellipse")),
        (tool_id("polygon"), tool_id("polyline"), tool_id("line")),
        (tool_id("brush"), tool_id("eraser")),
        (tool_id("wand"),),
        ("overlays.click",),
    ),
    ((tool_id("points"),), (tool_id("ruler"), tool_id("angle"))),
)
"""Groups of buttons with a line between; a button of several tools has them in a flyout."""


class ToolStrip(QFrame):
    """A button a tool, or a few alike; at the foot is room for the current class."""

    def __init__(self, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("tool_strip")
        self.setFixedWidth(WIDTH_PX)
        self.buttons: list[FlyoutButton] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 6, 4, 6)
        self._layout.setSpacing(2)
        for index, group in enumerate(_GROUPS):
            if index:
                line = QFrame(self)
                line.setFrameShape(QFrame.Shape.HLine)
                line.setObjectName("group_line")
                self._layout.addWidget(line)
            for commands in group:
                button = FlyoutButton([actions[each] for each in commands], self)
                self.buttons.append(button)
                self._layout.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._layout.addStretch(1)

    def add_foot(self, widget: QWidget) -> None:
        """Place a widget at the foot of the strip."""
        self._layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)


class FlyoutButton(QToolButton):
    """Runs the tool that was last chosen of its few; a long or a right press shows them all."""

    def __init__(self, actions: Sequence[QAction], parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = tuple(actions)
        self.setIconSize(QSize(20, 20))
        self.setFixedSize(36, 34)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._use(self._actions[0])
        if len(self._actions) > 1:
            menu = QMenu(self)
            menu.addActions(self._actions)
            menu.setToolTipsVisible(True)
            self.setMenu(menu)
            self.setPopupMode(QToolButton.ToolButtonPopupMode.DelayedPopup)
        for action in self._actions:
            action.toggled.connect(lambda on, action=action: on and self._use(action))

    @property
    def tools(self) -> Sequence[QAction]:
        """Return the actions of the flyout."""
        return self._actions

    @guarded()
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if len(self._actions) > 1:
            self.showMenu()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Mark in the corner that there are more tools."""
        super().paintEvent(event)
        if len(self._actions) == 1:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().buttonText())
        right, bottom = self.width() - 4, self.height() - 4
        painter.drawPolygon(
            QPolygon([QPoint(right, bottom - 5), QPoint(right, bottom), QPoint(right - 5, bottom)])
        )
        painter.end()

    def _use(self, action: QAction) -> None:
        self.setDefaultAction(action)
        others = [each.iconText() for each in self._actions if each is not action]
        if others:
            more = f"Hold or right click: {', '.join(others)}"
            self.setToolTip(f"{action.toolTip()}\n{more}")
        self.setAccessibleName(action.iconText())
