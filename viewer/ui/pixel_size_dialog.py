"""Asks for a slide's pixel size where the file does not tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QRadioButton,
    QWidget,
)

if TYPE_CHECKING:
    from viewer.geometry import Optics

_UM_AT_1X = 10.0
"""10x is 1 um per pixel, the rule of `Optics.native_magnification`."""


class PixelSizeDialog(QDialog):
    """Micrometres per pixel, or the scan's magnification from which they follow."""

    def __init__(self, slide_name: str, optics: Optics, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Set pixel size")
        known = optics.mean_mpp_um
        self.by_size = QRadioButton("&Micrometres per pixel:", self)
        self.by_magnification = QRadioButton("&Scanned at magnification:", self)
        choice = QButtonGroup(self)
        choice.addButton(self.by_size)
        choice.addButton(self.by_magnification)
        self.size_um = QDoubleSpinBox(self)
        self.size_um.setAccessibleName("Micrometres per pixel")
        self.size_um.setDecimals(4)
        self.size_um.setRange(0.001, 1000.0)
        self.size_um.setSingleStep(0.01)
        self.size_um.setValue(known or 0.5)
        self.size_um.setSuffix(" µm")
        self.magnification = QDoubleSpinBox(self)
        self.magnification.setAccessibleName("Magnification of the scan")
        self.magnification.setDecimals(2)
        self.magnification.setRange(0.01, 1000.0)
        self.magnification.setValue(optics.native_magnification or 20.0)
        self.magnification.setSuffix("x")
        self.by_size.setChecked(True)
        self._enable()
        choice.buttonToggled.connect(lambda *_: self._enable())
        sentence = QLabel(
            f"How large is a pixel of {slide_name}? Coverslip remembers the answer for this slide, "
            "also when the file is moved or renamed.",
            self,
        )
        sentence.setWordWrap(True)
        rule = QLabel("A scan at 20x has about 0.5 µm per pixel, at 40x about 0.25 µm.", self)
        rule.setProperty("dim", "true")
        form = QFormLayout(self)
        form.addRow(sentence)
        form.addRow(self.by_size, self.size_um)
        form.addRow(self.by_magnification, self.magnification)
        form.addRow(rule)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.setMinimumWidth(420)
        self.size_um.setFocus()
        self.size_um.selectAll()

    @property
    def mpp_um(self) -> float:
        """The answer, in micrometres per level-0 pixel."""
        if self.by_size.isChecked():
            return self.size_um.value()
        return _UM_AT_1X / self.magnification.value()

    def _enable(self) -> None:
        self.size_um.setEnabled(self.by_size.isChecked())
        self.magnification.setEnabled(self.by_magnification.isChecked())
