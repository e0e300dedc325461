"""The thin bar over the slide with the options of the tool in hand, while one draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QEvent, QObject, QSignalBlocker
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QBoxLayout,
    QCheckBox,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QSpinBox,
    QWidget,
)

from viewer.canvas.annotating.brush_tool import LEAST_PX, MOST_PX
from viewer.canvas.qt_guard import guarded
from viewer.ui.commands.annotating import tool_id
from viewer.ui.services import CommandHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from viewer.ui.annotations.toolbox import Toolbox


_SHAPES = ("rectangle", "ellipse", "polygon", "line", "polyline")
_PAINTING = ("brush", "eraser")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "snapping": (*_SHAPES, "points", "ruler", "angle"),
    "avoid_overlap": ("rectangle", "ellipse", "polygon", "brush", "wand"),
    "brush_on_slide": _PAINTING,
}
_TEXTS = {
    "snapping": "Snap to borders",
    "avoid_overlap": "Avoid overlap",
    "brush_on_slide": "Scale brush with zoom",
}
_INSET_PX = 8
_MAP_PX = 230
"""Width of the overview map and its buttons, as a rule; in narrow panes options are a column."""


class Surroundings(Protocol):
    """What is round the slides."""

    @property
    def is_bare(self) -> bool:
        """Return whether nothing but slides is in sight."""
        ...


class ToolOptionsHost(PaneHost, CommandHost, SettingsHost, Protocol):
    """What the options of tools ask of the window."""

    toolbox: Toolbox

    @property
    def view(self) -> Surroundings:
        """Return what is round the slides."""
        ...


class ToolOptions(QFrame):
    """Lies over the upper left corner of the active slide, which so keeps its place.

    It is hidden while the slide is panned or annotations are selected.
    """

    def __init__(self, window: ToolOptionsHost) -> None:
        super().__init__(window.panes)
        self._window = window
        self.setObjectName("tool_options")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setAccessibleName("Options of the tool")
        self.title = QLabel(self)
        self.title.setProperty("title", True)
        self.brush = QSpinBox(self)
        self.brush.setRange(int(LEAST_PX), int(MOST_PX))
        self.wand = QDoubleSpinBox(self)
        self.wand.setRange(0.3, 10.0)
        self.wand.setDecimals(1)
        self.wand.setSingleStep(0.2)
        for box, name in ((self.brush, "Brush size"), (self.wand, "Wand sensitivity")):
            box.setAccessibleName(name)
            box.setToolTip(f"{name}; Ctrl and wheel on the slide")
            box.setKeyboardTracking(False)
            box.editingFinished.connect(self._give_back)
        self.checks = {name: QCheckBox(text, self) for name, text in _TEXTS.items()}
        self.returns = QCheckBox("Return to Pan after drawing", self)
        self._brush_label, self._wand_label = QLabel("Size", self), QLabel("Sensitivity", self)
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._lay_out()
        self._connect()
        self.hide()

    @guarded(False)
    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:
        """Stay in the corner of the slide that is drawn on."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move) and self.isVisible():
            self._place()
        return False

    def show_tool(self, name: str) -> None:
        """Show the options of a tool, or nothing where it has none."""
        if not any(name in tools for tools in _OPTIONS.values()):
            self.hide()
            return
        self.title.setText(self._window.commands[tool_id(name)].iconText())
        for option, check in self.checks.items():
            check.setVisible(name in _OPTIONS[option])
        is_painting, is_wand = name in _PAINTING, name == "wand"
        for widget in (self.brush, self._brush_label):
            widget.setVisible(is_painting)
        for widget in (self.wand, self._wand_label):
            widget.setVisible(is_wand)
        self.returns.setVisible(name in _SHAPES)
        self.show_values()
        has_slide = self._window.panes.active.source is not None
        self.setVisible(has_slide and not self._window.view.is_bare)
        self._place()

    def show_values(self) -> None:
        """Show the options as they are now."""
        options = self._window.toolbox.options
        boxes = (self.brush, self.wand, self.returns)
        blockers = [QSignalBlocker(each) for each in boxes]
        self.brush.setValue(round(options.brush_px))
        self.brush.setSuffix(" px on slide" if options.brush_on_slide else " px")
        self.wand.setValue(options.wand_sensitivity)
        self.returns.setChecked(self._window.settings.back_to_moving)
        for each in blockers:
            each.unblock()

    # -----------------------------------------------------------------------------------------

    def _place(self) -> None:
        canvas = self._window.panes.active.canvas
        corner = canvas.mapTo(self._window.panes, canvas.rect().topLeft())
        self._row.setDirection(QBoxLayout.Direction.LeftToRight)
        if self._row.sizeHint().width() > canvas.width() - _MAP_PX:
            self._row.setDirection(QBoxLayout.Direction.TopToBottom)
        self.adjustSize()
        self.move(corner.x() + _INSET_PX, corner.y() + _INSET_PX)
        self.raise_()

    def _lay_out(self) -> None:
        layout = self._row
        layout.setContentsMargins(10, 3, 10, 3)
        layout.setSpacing(12)
        widgets: tuple[QWidget, ...] = (
            self.title,
            self._brush_label,
            self.brush,
            self._wand_label,
            self.wand,
            *self.checks.values(),
            self.returns,
        )
        for widget in widgets:
            layout.addWidget(widget)

    def _connect(self) -> None:
        window = self._window
        toolbox = window.toolbox
        self.brush.valueChanged.connect(toolbox.set_brush_px)
        self.wand.valueChanged.connect(toolbox.set_wand_sensitivity)
        self.returns.toggled.connect(lambda on: window.change_settings(back_to_moving=on))
        for name, check in self.checks.items():
            _follow(check, window.commands[f"annotate.{name}"])
        toolbox.tool_chosen.connect(self.show_tool)
        toolbox.options_changed.connect(self.show_values)
        window.panes.active_changed.connect(lambda _: self.show_tool(toolbox.name))
        window.panes.panes_changed.connect(self._watch)
        window.panes.watch(
            lambda pane: pane.slide_changed.connect(lambda _: self.show_tool(toolbox.name))
        )
        self._watch()

    def _watch(self) -> None:
        for pane in self._window.panes.panes:
            pane.canvas.removeEventFilter(self)
            pane.canvas.installEventFilter(self)

    def _give_back(self) -> None:
        """Put the keyboard back on the slide once a number was typed."""
        box = self.sender()
        if isinstance(box, QAbstractSpinBox) and box.hasFocus():
            self._window.panes.active.focus()


def _follow(check: QCheckBox, action: QAction) -> None:
    """Keep a check box and the command of the menu in step."""
    check.setToolTip(action.toolTip())
    check.setChecked(action.isChecked())
    action.toggled.connect(check.setChecked)
    check.clicked.connect(lambda _: action.trigger())
