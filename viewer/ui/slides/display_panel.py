"""Brightness, contrast, gamma, stain and color profile of the active slide."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.tiles.display import (
    BRIGHTNESS_RANGE,
    CONTRAST_RANGE,
    GAMMA_RANGE,
    DisplaySettings,
    Stain,
)
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import IconButton

if TYPE_CHECKING:
    from collections.abc import Callable

_SLIDER_STEPS = 200
_STAIN_TIP = "Show a single stain, parted from the others by its color"


class DisplayPanel(Panel):
    """Edits a Look; changes what is shown, never the slide."""

    look_edited = Signal(object)
    """The new Look, when the user changed something here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Display", parent)
        self.setObjectName("display")
        self._look = DisplaySettings()
        self.brightness = LookSlider("&Brightness", BRIGHTNESS_RANGE, 0.0, self)
        self.contrast = LookSlider("&Contrast", CONTRAST_RANGE, 1.0, self, logarithmic=True)
        self.gamma = LookSlider("&Gamma", GAMMA_RANGE, 1.0, self, logarithmic=True)
        self.stain = QComboBox(self)
        self.stain.setAccessibleName("Stain")
        self.stain.setToolTip(_STAIN_TIP)
        for stain in Stain:
            self.stain.addItem(stain.value, stain)
        self.stain_problem = QLabel(self)
        self.stain_problem.setWordWrap(True)
        self.stain_problem.setTextFormat(Qt.TextFormat.PlainText)
        self.stain_problem.setProperty("dim", "true")
        self.icc = QCheckBox("Scanner color &profile (ICC)", self)
        self.icc.setToolTip("Correct the colors with the profile that the scanner wrote")
        self.profile_problem = QLabel(self)
        self.profile_problem.setWordWrap(True)
        self.profile_problem.setTextFormat(Qt.TextFormat.PlainText)
        self.profile_problem.setProperty("notice", "warning")
        self.reset_button = QPushButton("&Reset", self)
        self.reset_button.setToolTip("Show the slide as it came")
        self.empty = QLabel("Open a slide to change how it is shown.", self)
        self.empty.setWordWrap(True)
        self.empty.setProperty("dim", "true")
        self._body = QWidget(self)
        self._lay_out()
        self.set_body(self._body, scrolls=True)
        self.setFocusProxy(self.brightness.slider)
        self.brightness.changed.connect(lambda value: self._edit(brightness=value))
        self.contrast.changed.connect(lambda value: self._edit(contrast=value))
        self.gamma.changed.connect(lambda value: self._edit(gamma=value))
        self.stain.activated.connect(lambda _: self._edit(stain=self.stain.currentData()))
        self.icc.clicked.connect(lambda checked: self._edit(icc=checked))
        self.reset_button.clicked.connect(self._reset)
        self.show_look(None, has_profile=False)

    def show_look(
        self,
        look: DisplaySettings | None,
        *,
        has_profile: bool,
        profile_problem: str = "",
        stain_problem: str = "",
    ) -> None:
        """Shows the look of the active slide; None where there is no slide."""
        self.empty.setVisible(look is None)
        self._controls.setEnabled(look is not None)
        self._look = look or DisplaySettings()
        self.brightness.show_value(self._look.brightness)
        self.contrast.show_value(self._look.contrast)
        self.gamma.show_value(self._look.gamma)
        with QSignalBlocker(self.stain):
            self.stain.setCurrentIndex(list(Stain).index(self._look.stain))
        self.stain.setEnabled(not stain_problem)
        self.stain.setToolTip(stain_problem or _STAIN_TIP)
        self.stain_problem.setText(stain_problem)
        self.stain_problem.setVisible(bool(stain_problem))
        self.icc.setChecked(self._look.icc)
        self.icc.setVisible(has_profile)
        self.icc.setEnabled(not profile_problem)
        self.profile_problem.setText(profile_problem)
        self.profile_problem.setVisible(bool(profile_problem))

    def _edit(self, **changes: object) -> None:
        self._look = replace(self._look, **changes)
        self.look_edited.emit(self._look)

    def _reset(self) -> None:
        """All but the color profile, which is no adjustment."""
        self.look_edited.emit(DisplaySettings(icc=self._look.icc))

    def _lay_out(self) -> None:
        self._controls = QWidget(self._body)
        grid = QGridLayout(self._controls)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, slider in enumerate((self.brightness, self.contrast, self.gamma)):
            slider.place_in(grid, row)
        label = QLabel("&Stain", self)
        label.setBuddy(self.stain)
        grid.addWidget(label, 3, 0)
        grid.addWidget(self.stain, 3, 1, 1, 3)
        grid.addWidget(self.stain_problem, 4, 1, 1, 3)
        grid.addWidget(self.icc, 5, 0, 1, 4)
        grid.addWidget(self.profile_problem, 6, 0, 1, 4)
        grid.addWidget(self.reset_button, 7, 0, 1, 4, Qt.AlignmentFlag.AlignRight)
        layout = QVBoxLayout(self._body)
        layout.addWidget(self.empty)
        layout.addWidget(self._controls)
        layout.addStretch()


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

    def show_value(self, value: float) -> None:
        """Shows a value without telling of a change."""
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
