"""Channels, planes, brightness, contrast, gamma, stain and profile of the active slide."""

from __future__ import annotations

from msgspec.structs import replace
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QPushButton,
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
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.slides.look_slider import LookSlider
from viewer.ui.slides.planes_box import PlanesBox
from viewer.ui.widgets import show_or_hide

_STAIN_TIP = "Show a single stain, parted from the others by its color"


class DisplayPanel(Panel):
    """Edits a Look; changes what is shown, never the slide."""

    look_edited = Signal(object)
    """The new Look, when the user changed something here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Display", parent)
        self.setObjectName("display")
        self._look = DisplaySettings()

    def build(self) -> None:
        from viewer.ui.slides.channels_box import ChannelsBox

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
        self.channels = ChannelsBox(self)
        self.planes = PlanesBox(self)
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

    @shows_state
    def show_look(
        self,
        look: DisplaySettings | None,
        *,
        has_profile: bool,
        profile_problem: str = "",
        stain_problem: str = "",
    ) -> None:
        """Show the look of the active slide; None where there is no slide."""
        self.empty.setVisible(look is None)
        self._controls.setEnabled(look is not None)
        self._look = look or DisplaySettings()
        self.brightness.show_value(self._look.brightness)
        self.contrast.show_value(self._look.contrast)
        self.gamma.show_value(self._look.gamma)
        with QSignalBlocker(self.stain):
            self.stain.setCurrentIndex(list(Stain).index(self._look.stain))
        has_channels = look is not None and bool(look.channels)
        for widget in (self._stain_label, self.stain):
            widget.setVisible(not has_channels)
        for slider in (self.brightness, self.contrast, self.gamma):
            slider.set_visible(not has_channels)  # each channel has its own
        self.setFocusProxy(self.channels.list if has_channels else self.brightness.slider)
        self.stain.setEnabled(not stain_problem)
        self.stain.setToolTip(stain_problem or _STAIN_TIP)
        self.stain_problem.setText(stain_problem)
        self.stain_problem.setVisible(bool(stain_problem) and not has_channels)
        self.icc.setChecked(self._look.icc)
        self.icc.setVisible(has_profile)
        self.icc.setEnabled(not profile_problem)
        show_or_hide(self.profile_problem, profile_problem)

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
        self._stain_label = QLabel("&Stain", self)
        self._stain_label.setBuddy(self.stain)
        grid.addWidget(self._stain_label, 3, 0)
        grid.addWidget(self.stain, 3, 1, 1, 3)
        grid.addWidget(self.stain_problem, 4, 1, 1, 3)
        grid.addWidget(self.icc, 5, 0, 1, 4)
        grid.addWidget(self.profile_problem, 6, 0, 1, 4)
        grid.addWidget(self.reset_button, 7, 0, 1, 4, Qt.AlignmentFlag.AlignRight)
        layout = QVBoxLayout(self._body)
        layout.addWidget(self.empty)
        layout.addWidget(self.planes)
        layout.addWidget(self.channels)
        layout.addWidget(self._controls)
        layout.addStretch()
