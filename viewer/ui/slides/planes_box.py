"""The focal plane and the time point of the active slide."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from viewer.slides.channels import Axes, ImagePlane
from viewer.ui.widgets import IconButton, show_or_hide


class PlanesBox(QWidget):
    """A slider for focus, one for time; hidden where the slide has one of each."""

    chosen = Signal(object)
    """The ImagePlane that the user asks for."""
    play_toggled = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._plane = ImagePlane()
        self.focus = AxisRow("&Focus", "Focal plane", self)
        self.focus.slider.setToolTip("Focal plane; also Shift and the wheel on the slide")
        self.projection = QCheckBox("&Maximum projection", self)
        self.projection.setToolTip(
            "Show the largest value of all focal planes instead of one plane"
        )
        self.time = AxisRow("&Time", "Time point", self)
        self.play = IconButton("mdi6.play-outline", "Play", self)
        self.play.setCheckable(True)
        row = QHBoxLayout()
        row.addWidget(self.time, 1)
        row.addWidget(self.play)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 8)
        layout.addWidget(self.focus)
        layout.addWidget(self.projection)
        layout.addLayout(row)
        self.focus.chosen.connect(lambda z: self.chosen.emit(ImagePlane(z, self._plane.t)))
        self.time.chosen.connect(
            lambda t: self.chosen.emit(ImagePlane(self._plane.z, t, self._plane.is_projection))
        )
        self.projection.clicked.connect(
            lambda on: self.chosen.emit(ImagePlane(self._plane.z, self._plane.t, on))
        )
        self.play.clicked.connect(self.play_toggled)

    def show_plane(self, axes: Axes, plane: ImagePlane, *, is_playing: bool) -> None:
        """Show which plane is looked at."""
        self._plane = plane
        self.focus.setVisible(axes.z_count > 1)
        self.projection.setVisible(axes.z_count > 1 and not axes.is_rgb)
        self.time.setVisible(axes.t_count > 1)
        self.play.setVisible(axes.t_count > 1)
        spacing, interval = axes.z_spacing_um, axes.t_interval_s
        depth = "" if spacing is None else f"{plane.z * spacing:.4g} µm"
        passed = "" if interval is None else f"{plane.t * interval:.4g} s"
        self.focus.show_place(plane.z, axes.z_count, depth)
        self.time.show_place(plane.t, axes.t_count, passed)
        self.focus.setEnabled(not plane.is_projection)
        self.projection.setChecked(plane.is_projection)
        self.play.setChecked(is_playing)


class AxisRow(QWidget):
    """A slider and a number, counted from 1, and what the place means."""

    chosen = Signal(int)
    """A place, counted from 0."""

    def __init__(self, text: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        label = QLabel(text, self)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setMinimumWidth(80)
        self.slider.setPageStep(5)
        self.slider.setAccessibleName(name)
        self.box = QSpinBox(self)
        self.box.setAccessibleName(f"{name}, as a number")
        self.box.setKeyboardTracking(False)
        self.about = QLabel(self)
        self.about.setProperty("dim", "true")
        label.setBuddy(self.slider)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.slider, 0, 1)
        grid.addWidget(self.box, 0, 2)
        grid.addWidget(self.about, 1, 1, 1, 2)
        self.slider.valueChanged.connect(lambda value: self.chosen.emit(value - 1))
        self.box.valueChanged.connect(lambda value: self.chosen.emit(value - 1))

    def show_place(self, index: int, count: int, about: str) -> None:
        """Show a place without telling of a change."""
        for widget in (self.slider, self.box):
            with QSignalBlocker(widget):
                widget.setRange(1, count)
                widget.setValue(index + 1)
        self.box.setSuffix(f" of {count}")
        show_or_hide(self.about, about)
