"""A slider with its number, for how a slide is shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSlider, QWidget

from viewer.ui.widgets import IconButton

if TYPE_CHECKING:
    from collections.abc import Callable

_SLIDER_STEPS = 200


class LookSlider(QObject):
    """A slider, its number and a button that resets it; placed in three cells of a grid."""

    changed = Signal(float)
    """The user chose this value."""

    def __init__(
        self,
        text: str,
        limits: tuple[float, float],
        neutral: float,
        parent: QWidget,
        *,
        logarithmic: bool = False,
    ) -> None:
        super().__init__(parent)
        name = text.replace("&", "")
        self._neutral = neutral
        to_step: Callable[[float], float] = math.log if logarithmic else float
        low, high = (to_step(limit) for limit in limits)
        self._to_position = lambda value: round(
            (to_step(value) - low) / (high - low) * _SLIDER_STEPS
        )
        from_step: Callable[[float], float] = math.exp if logarithmic else float
        self._to_value = lambda position: from_step(low + position / _SLIDER_STEPS * (high - low))
        self._label = QLabel(text, parent)
        self.slider = QSlider(Qt.Orientation.Horizontal, parent)
        self.slider.setRange(0, _SLIDER_STEPS)
        self.slider.setPageStep(_SLIDER_STEPS // 10)
        self.slider.setMinimumWidth(80)
        self.slider.setAccessibleName(name)
        self.slider.setToolTip(f"{name}: {limits[0]:g} to {limits[1]:g}, {neutral:g} as stored")
        self._label.setBuddy(self.slider)
        self.box = QDoubleSpinBox(parent)
        self.box.setRange(*limits)
        self.box.setDecimals(2)
        self.box.setSingleStep(0.05)
        self.box.setKeyboardTracking(False)
        self.box.setAccessibleName(f"{name}, as a number")
        self.box.setToolTip(self.slider.toolTip())
        self.reset = IconButton("mdi6.restore", f"Reset the {name.lower()}", parent)
        self.slider.valueChanged.connect(self._on_slider)
        self.box.valueChanged.connect(self._on_box)
        self.reset.clicked.connect(lambda: self.box.setValue(neutral))

    def place_in(self, grid: QGridLayout, row: int) -> None:
        for column, widget in enumerate((self._label, self.slider, self.box, self.reset)):
            grid.addWidget(widget, row, column)

    def set_visible(self, visible: bool) -> None:
        """Show or hide all four cells."""
        for widget in (self._label, self.slider, self.box, self.reset):
            widget.setVisible(visible)

    def show_value(self, value: float) -> None:
        """Show a value without telling of a change."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.box):
            self.slider.setValue(self._to_position(value))
            self.box.setValue(value)
        self._enable_reset()

    def _enable_reset(self) -> None:
        self.reset.setEnabled(self.box.value() != self._neutral)

    def _on_slider(self, position: int) -> None:
        value = self._to_value(position)
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self._enable_reset()
        self.changed.emit(self.box.value())

    def _on_box(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._to_position(value))
        self._enable_reset()
        self.changed.emit(value)
