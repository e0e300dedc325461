"""The Layers button of a pane, and the list that it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import icon
from viewer.ui.view.color_keys import ClassKey, RampKey
from viewer.ui.widgets import IconButton, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QHideEvent, QShowEvent

    from viewer.ui.view.layer_entries import LayerEntry, Ramp

_LOOK_MS = 200
"""How often an open list looks whether the layers are others than it shows."""
_WIDTH_PX, _MOST_HEIGHT_PX = 320, 460


class LayersPopover(QFrame):
    """Lists layers from the top down: eye, name, opacity, order, color key.

    A layer that goes while the list is open stays in it, so that it can be shown again.

    Parameters
    ----------
    entries
        Gives what lies over the slide now, from the top.
    move
        Moves the layer of a key up (-1) or down (1).
    """

    closed = Signal()

    def __init__(
        self,
        entries: Callable[[], Sequence[LayerEntry]],
        move: Callable[[str, int], object],
        parent: QWidget,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setProperty("popover", "true")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAccessibleName("Layers")
        self._entries = entries
        self._move = move
        self._shown: list[LayerEntry] = []
        self.rows: dict[str, LayerRow] = {}
        self._gone: dict[str, LayerEntry] = {}
        self._body = QWidget(self)
        self._column = QVBoxLayout(self._body)
        self._column.setContentsMargins(10, 8, 10, 8)
        self._column.setSpacing(6)
        self._area = QScrollArea(self)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(self._body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self.refresh)

    def refresh(self) -> None:
        """Show the layers as they are now."""
        now = list(self._entries())
        keys = {entry.key for entry in now}
        for entry in self._shown:
            if entry.key not in keys and entry.key not in self._gone:
                self._gone[entry.key] = entry
        self._gone = {key: entry for key, entry in self._gone.items() if key not in keys}
        if [entry.key for entry in now] + list(self._gone) != list(self.rows):
            self._fill([*now, *self._gone.values()])
        for entry in now:
            self.rows[entry.key].show_entry(entry)
        for entry in self._gone.values():
            self.rows[entry.key].show_gone()
        self._shown = now

    @guarded()
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()
        self._gone.clear()
        self.closed.emit()

    def _fill(self, entries: Sequence[LayerEntry]) -> None:
        at = QApplication.focusWidget()
        focused = next(
            (key for key, row in self.rows.items() if at is not None and row.isAncestorOf(at)), ""
        )
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.rows = {}
        for entry in entries:
            row = LayerRow(entry, self._body)
            row.moved.connect(lambda step, key=entry.key: self._step(key, step))
            self.rows[entry.key] = row
            self._column.addWidget(row)
        self._column.addStretch(1)
        if focused in self.rows:
            self.rows[focused].eye.setFocus(Qt.FocusReason.OtherFocusReason)
        self._fit()

    def _step(self, key: str, step: int) -> None:
        self._move(key, step)
        self.refresh()

    def _fit(self) -> None:
        """As high as the rows, within bounds; the lower right corner stays where it is."""
        corner = self.geometry().bottomRight()
        self._body.adjustSize()
        high = self._column.totalHeightForWidth(_WIDTH_PX - 4)
        high = max(high, self._column.totalSizeHint().height())
        self.setFixedSize(_WIDTH_PX, min(high + 4, _MOST_HEIGHT_PX))
        if self.isVisible():
            self.move(corner.x() - self.width() + 1, corner.y() - self.height() + 1)


class LayerRow(QFrame):
    """One layer of the list."""

    moved = Signal(int)

    def __init__(self, entry: LayerEntry, parent: QWidget) -> None:
        super().__init__(parent)
        self._entry = entry
        self.eye = QToolButton(self)
        self.eye.setCheckable(True)
        self.eye.setIconSize(QSize(16, 16))
        self.eye.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.name = QLabel(self)
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.up = IconButton("mdi6.chevron-up", f"Paint {entry.name} above the next", self)
        self.down = IconButton("mdi6.chevron-down", f"Paint {entry.name} below the next", self)
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(0, 100)
        self.opacity.setPageStep(10)
        self.opacity.setAccessibleName(f"Opacity of {entry.name}")
        for button in (self.up, self.down):
            policy = button.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            button.setSizePolicy(policy)
        self.percent = QLabel(self)
        self.percent.setFixedWidth(self.fontMetrics().horizontalAdvance("100 %"))
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.note = QLabel(self)
        self.note.setProperty("dim", "true")
        self.note.setWordWrap(True)
        self.classes = ClassKey(self)
        self.ramp = RampKey(self)
        self._ramp: Ramp | None = None
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.eye, 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.up, 0, 2)
        grid.addWidget(self.down, 0, 3)
        grid.addWidget(self.opacity, 1, 1)
        grid.addWidget(self.percent, 1, 2, 1, 2)
        grid.addWidget(self.note, 2, 1, 1, 3)
        grid.addWidget(self.classes, 3, 1, 1, 3)
        grid.addWidget(self.ramp, 4, 1, 1, 3)
        self.eye.clicked.connect(lambda shown: self._entry.show(shown))
        self.opacity.valueChanged.connect(self._fade)
        self.up.clicked.connect(lambda: self.moved.emit(-1))
        self.down.clicked.connect(lambda: self.moved.emit(1))
        self.show_entry(entry)

    def show_entry(self, entry: LayerEntry) -> None:
        """Show the layer as it is now."""
        self._entry = entry
        self.name.setText(entry.name)
        self.name.setToolTip(entry.name)
        self._show_eye(shown=entry.is_shown)
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * entry.opacity))
        self.percent.setText(f"{round(100 * entry.opacity)} %")
        for widget in (self.opacity, self.percent):
            widget.setVisible(entry.fade is not None)
            widget.setEnabled(entry.is_shown)
        for button in (self.up, self.down):
            button.setVisible(entry.can_move)
        show_or_hide(self.note, entry.note)
        if entry.classes != self.classes.classes:
            self.classes.show_classes(entry.classes)
        if entry.ramp != self._ramp:
            self._ramp = entry.ramp
            self.ramp.show_ramp(entry.ramp)

    def show_gone(self) -> None:
        """Show that the layer is no longer there; its eye brings it back."""
        self._show_eye(shown=False)
        for widget in (self.opacity, self.percent):
            widget.setEnabled(False)

    def _show_eye(self, *, shown: bool) -> None:
        self.eye.setChecked(shown)
        self.eye.setIcon(icon("mdi6.eye-outline" if shown else "mdi6.eye-off-outline"))
        name = f"{'Hide' if shown else 'Show'} {self._entry.name}"
        self.eye.setToolTip(name)
        self.eye.setAccessibleName(name)

    def _fade(self, percent: int) -> None:
        self.percent.setText(f"{percent} %")
        if self._entry.fade is not None:
            self._entry.fade(percent / 100)


class LayersButton(QToolButton):
    """Opens the list above itself."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText("Layers")
        self.setIcon(icon("mdi6.layers-outline"))
        self.setIconSize(QSize(16, 16))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setProperty("floating", "true")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolTip("What lies on the slide: show, fade and order it")
        self.setAccessibleName("Layers")
        self.popover: LayersPopover | None = None

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.setIcon(icon("mdi6.layers-outline"))
        super().changeEvent(event)

    def take_popover(self, popover: LayersPopover) -> None:
        """Open this list when pressed."""
        self.popover = popover
        self.clicked.connect(self._open)

    def _open(self) -> None:
        popover = self.popover
        assert popover is not None
        popover.refresh()
        corner = self.mapToGlobal(self.rect().topRight())
        popover.move(corner.x() - popover.width() + 1, corner.y() - popover.height() - 4)
        popover.show()
        first = next(iter(popover.rows.values()), None)
        if first is not None:
            first.eye.setFocus(Qt.FocusReason.PopupFocusReason)
