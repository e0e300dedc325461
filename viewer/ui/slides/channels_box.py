"""The channels of the active slide: which are shown, in which color, and from where to where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.tiles.display import GAMMA_RANGE
from viewer.ui.item_views import KeyedTree
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.slides.histogram_view import HistogramView
from viewer.ui.slides.look_slider import LookSlider
from viewer.ui.swatches import swatch

if TYPE_CHECKING:
    from viewer.slides.channels import Axes
    from viewer.slides.composites import ChannelDisplay
    from viewer.tiles.histogram import ChannelHistogram

_FILTERED_FROM = 9
"""Channels from which on there is a filter."""
_MOST_ROWS, _ROW_PX = 8, 28
_SWATCH_PX = 14
_WIDEST = 1e15


class ChannelsBox(QWidget):
    """Edits how channels are shown; a row a channel, and the settings of the selected one."""

    edited = Signal(object)
    """The new tuple of ChannelDisplay, a channel each."""
    auto_requested = Signal(object)
    """Channels, counted from 0, that are to be stretched to their values."""
    selected = Signal(int)
    """The channel whose histogram is to be shown."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._axes: Axes | None = None
        self._displays: tuple[ChannelDisplay, ...] = ()
        self.summary = QLabel(self)
        self.summary.setProperty("dim", "true")
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Filter channels by name")
        self.filter.setAccessibleName("Filter channels by name")
        self.filter.setClearButtonEnabled(True)
        self.list = KeyedTree(self)
        self.list.setAccessibleName("Channels")
        self.list.setToolTip("Check what is shown; Alt and a digit shows one channel alone")
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.all_button = QPushButton("All", self)
        self.all_button.setToolTip("Show all channels that the filter leaves (Alt+0)")
        self.only_button = QPushButton("Only this", self)
        self.only_button.setToolTip("Show the selected channel alone")
        self.auto_button = QPushButton("Auto", self)
        self.auto_button.setToolTip(
            "Stretch each channel that is shown to its own values, but for the darkest and "
            "brightest 0.1 %"
        )
        self.title = QLabel(self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setProperty("title", True)
        self.color_button = QPushButton("Color...", self)
        self.histogram = HistogramView(self)
        self.low, self.high = _value_box("Min", self), _value_box("Max", self)
        self.gamma = LookSlider("Gamma", GAMMA_RANGE, 1.0, self, logarithmic=True)
        self.gamma.slider.setAccessibleName("Gamma of the channel")
        self.gamma.box.setAccessibleName("Gamma of the channel, as a number")
        self._lay_out()
        self._connect()

    def show_channels(self, axes: Axes, displays: tuple[ChannelDisplay, ...]) -> None:
        """Show how the channels of a slide are shown."""
        if axes is not self._axes:
            self._axes = axes
            self._fill(axes)
        self._displays = displays
        self._show()

    def show_histogram(self, histogram: ChannelHistogram | None) -> None:
        """Show the values of the selected channel."""
        self.histogram.show_histogram(histogram)

    @property
    def current(self) -> int:
        """Return the selected channel, from 0; -1 where none is."""
        row = self.list.currentItem()
        return -1 if row is None else self.list.indexOfTopLevelItem(row)

    # -----------------------------------------------------------------------------------------

    def _fill(self, axes: Axes) -> None:
        with QSignalBlocker(self.list):
            self.list.clear()
            for channel in axes.channels:
                row = QTreeWidgetItem([channel.name, ""])
                row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.list.addTopLevelItem(row)
            first = self.list.topLevelItem(0)
            if first is not None:
                self.list.setCurrentItem(first)
        count = len(axes.channels)
        self.filter.setVisible(count >= _FILTERED_FROM)
        self.filter.clear()
        self.list.setFixedHeight(min(count, _MOST_ROWS) * _ROW_PX + 4)
        whole = all(np.dtype(channel.dtype).kind in "iu" for channel in axes.channels)
        for box in (self.low, self.high):
            with QSignalBlocker(box):  # what it rounds is of the slide before
                box.setDecimals(0 if whole else 4)
        self.selected.emit(self.current)

    def _show(self) -> None:
        assert self._axes is not None
        with QSignalBlocker(self.list):
            for index, display in enumerate(self._displays):
                row = self.list.topLevelItem(index)
                if row is None:
                    continue
                name = self._axes.channels[index].name
                state = Qt.CheckState.Checked if display.shown else Qt.CheckState.Unchecked
                row.setCheckState(0, state)
                row.setIcon(0, swatch(QColor(*display.color).name(), _SWATCH_PX))
                row.setText(1, f"{display.low:,.6g} – {display.high:,.6g}")
                number = f"Channel {index + 1}: {name}"
                row.setToolTip(0, number + (f" (Alt+{index + 1})" if index < 9 else ""))
        shown = sum(display.shown for display in self._displays)
        self.summary.setText(f"{shown} of {len(self._displays)} channels shown")
        self._show_current()

    def _show_current(self) -> None:
        index = self.current
        is_known = 0 <= index < len(self._displays)
        self._details.setEnabled(is_known)
        if not is_known or self._axes is None:
            return
        display, name = self._displays[index], self._axes.channels[index].name
        self.title.setText(name)
        self.color_button.setIcon(swatch(QColor(*display.color).name(), _SWATCH_PX))
        self.color_button.setAccessibleName(f"Color of {name}")
        self.histogram.show_display(display)
        for box, value in ((self.low, display.low), (self.high, display.high)):
            with QSignalBlocker(box):
                box.setSingleStep(max((display.high - display.low) / 100, 10 ** -box.decimals()))
                box.setValue(value)
        self.gamma.show_value(display.gamma)

    def _edit_current(self, **changes: object) -> None:
        index = self.current
        if 0 <= index < len(self._displays):
            changed = list(self._displays)
            changed[index] = replace(changed[index], **changes)
            self.edited.emit(tuple(changed))

    def _on_checked(self, row: QTreeWidgetItem, column: int) -> None:
        index = self.list.indexOfTopLevelItem(row)
        if column == 0 and 0 <= index < len(self._displays):
            shown = row.checkState(0) is Qt.CheckState.Checked
            changed = list(self._displays)
            changed[index] = replace(changed[index], shown=shown)
            self.edited.emit(tuple(changed))

    def _on_selected(self) -> None:
        self._show_current()
        self.selected.emit(self.current)

    def _on_low(self, value: float) -> None:
        index = self.current
        if 0 <= index < len(self._displays):
            self._edit_current(low=min(value, self._displays[index].high))

    def _on_high(self, value: float) -> None:
        index = self.current
        if 0 <= index < len(self._displays):
            self._edit_current(high=max(value, self._displays[index].low))

    def _show_all(self) -> None:
        """Of what is filtered, if anything is."""
        hidden = [self._row_hidden(index) for index in range(len(self._displays))]
        is_filtered = any(hidden)
        self.edited.emit(
            tuple(
                replace(each, shown=not is_hidden if is_filtered else True)
                for each, is_hidden in zip(self._displays, hidden, strict=True)
            )
        )

    def _show_only(self) -> None:
        current = self.current
        changed = (replace(each, shown=i == current) for i, each in enumerate(self._displays))
        self.edited.emit(tuple(changed))

    def _row_hidden(self, index: int) -> bool:
        row = self.list.topLevelItem(index)
        return row is not None and row.isHidden()

    def _apply_filter(self, text: str) -> None:
        words = text.casefold().split()
        for index in range(self.list.topLevelItemCount()):
            row = self.list.topLevelItem(index)
            if row is not None:
                name = row.text(0).casefold()
                row.setHidden(not all(word in name for word in words))

    def _choose_color(self) -> None:
        index = self.current
        if not 0 <= index < len(self._displays):
            return
        before = self._displays[index].color
        dialog = QColorDialog(QColor(*before), self)
        dialog.setWindowTitle(f"Color of {self.title.text()}")
        dialog.colorSelected.connect(
            lambda color: self._edit_current(color=(color.red(), color.green(), color.blue()))
        )
        open_dialog(dialog)

    def _connect(self) -> None:
        self.list.itemChanged.connect(self._on_checked)
        self.list.currentItemChanged.connect(lambda *_: self._on_selected())
        self.filter.textChanged.connect(self._apply_filter)
        self.all_button.clicked.connect(self._show_all)
        self.only_button.clicked.connect(self._show_only)
        self.auto_button.clicked.connect(
            lambda: self.auto_requested.emit([i for i, d in enumerate(self._displays) if d.shown])
        )
        self.color_button.clicked.connect(self._choose_color)
        self.low.valueChanged.connect(self._on_low)
        self.high.valueChanged.connect(self._on_high)
        self.gamma.changed.connect(lambda value: self._edit_current(gamma=value))
        self.histogram.range_dragged.connect(
            lambda low, high: self._edit_current(low=low, high=high)
        )

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.all_button, self.only_button, self.auto_button):
            buttons.addWidget(button)
        self._details = QWidget(self)
        heading = QHBoxLayout()
        heading.addWidget(self.title, 1)
        heading.addWidget(self.color_button)
        ends = QHBoxLayout()
        for text, box in (("M&in", self.low), ("M&ax", self.high)):
            label = QLabel(text, self)
            label.setBuddy(box)
            ends.addWidget(label)
            ends.addWidget(box, 1)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        self.gamma.place_in(grid, 0)
        details = QVBoxLayout(self._details)
        details.setContentsMargins(0, 6, 0, 0)
        details.addLayout(heading)
        details.addWidget(self.histogram)
        details.addLayout(ends)
        details.addLayout(grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 8)
        layout.addWidget(self.summary)
        layout.addWidget(self.filter)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        layout.addWidget(self._details)


def _value_box(name: str, parent: QWidget) -> QDoubleSpinBox:
    box = QDoubleSpinBox(parent)
    box.setRange(-_WIDEST, _WIDEST)
    box.setKeyboardTracking(False)
    box.setGroupSeparatorShown(True)
    box.setMinimumWidth(60)
    box.setAccessibleName(f"{name}. value of the channel")
    box.setToolTip(
        "The value that is shown as black" if name == "Min" else "The value that is shown brightest"
    )
    return box
