"""Asks for a slide's pixel size where the file does not tell it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.opened_dialog import ok_cancel

if TYPE_CHECKING:
    from viewer.geometry import Optics

_UM_AT_1X = 10.0
"""10x is 1 um per pixel, the rule of `Optics.native_magnification`."""
LEAST_UM, MOST_UM = 0.05, 20.0
"""No scanner of slides has smaller or larger pixels."""
UNUSUAL_UM = 5.0
"""Coarser than a scan at 2x: asked again before it is taken."""


class NumberField(QLineEdit):
    """A number that is typed, with or without its unit; empty until then."""

    def __init__(self, name: str, unit: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._unit = unit
        self.setAccessibleName(name)
        self.setPlaceholderText(unit)

    def value(self) -> float | None:
        """Return what is typed; None where that is no number."""
        text = self.text().strip().removesuffix(self._unit).removesuffix("um").strip()
        try:
            number = float(text.replace(",", "."))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def setValue(self, value: float) -> None:
        """Type a number."""
        self.setText(f"{value:g}")


class PixelSizeDialog(QDialog):
    """Micrometers per pixel, or the scan's magnification from which they follow.

    Nothing is proposed: a size that nobody typed would be in every measurement from then on.

    Parameters
    ----------
    source
        Where the present pixel size comes from, such as "from the file"; "" where there is none.
    """

    def __init__(
        self, slide_name: str, optics: Optics, parent: QWidget | None = None, source: str = ""
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Set pixel size")
        self.mpp_um = 0.0
        """The answer, in micrometers per level-0 pixel, once the dialog is accepted."""
        self._confirmed_um = 0.0
        self.by_size = QRadioButton("&Micrometers per pixel:", self)
        self.by_magnification = QRadioButton("&Scanned at magnification:", self)
        choice = QButtonGroup(self)
        choice.addButton(self.by_size)
        choice.addButton(self.by_magnification)
        self.size_um = NumberField("Micrometers per pixel", "µm", self)
        self.magnification = NumberField("Magnification of the scan", "x", self)
        self.by_size.setChecked(True)
        self._enable()
        choice.buttonToggled.connect(lambda *_: self._enable())
        known = optics.mean_mpp_um
        present = f" It is {known:.4g} µm now ({source})." if known and source else ""
        sentence = QLabel(
            f"How large is a pixel of {slide_name}?{present} Coverslip remembers the answer for "
            "this slide, also when the file is moved or renamed.",
            self,
        )
        sentence.setWordWrap(True)
        rule = QLabel("A scan at 20x has about 0.5 µm per pixel, at 40x about 0.25 µm.", self)
        rule.setProperty("dim", "true")
        rule.setWordWrap(True)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow(sentence)
        form.addRow(self.by_size, self.size_um)
        form.addRow(self.by_magnification, self.magnification)
        form.addRow(rule)
        form.addRow(self.problem)
        buttons = ok_cancel(self)
        form.addRow(buttons)
        self.setMinimumWidth(420)
        self.size_um.setFocus()

    @guarded()
    def accept(self) -> None:
        """Take a size in range; say what is wrong with any other, and ask again what is unusual."""
        typed_um = self._typed_um()
        if typed_um is None:
            self.problem.setText("Type a number, such as 0.25.")
        elif not LEAST_UM <= typed_um <= MOST_UM:
            self.problem.setText(
                f"{typed_um:.4g} µm is out of range: pixels of scans have {LEAST_UM:g} to "
                f"{MOST_UM:g} µm."
            )
        elif typed_um > UNUSUAL_UM and typed_um != self._confirmed_um:
            self._confirmed_um = typed_um
            self.problem.setText(
                f"{typed_um:.4g} µm is unusually large for a pixel. Press OK again to use it."
            )
        else:
            self.mpp_um = typed_um
            super().accept()

    def _typed_um(self) -> float | None:
        if self.by_size.isChecked():
            return self.size_um.value()
        magnification = self.magnification.value()
        if magnification is None or magnification == 0:
            return None
        return _UM_AT_1X / magnification

    def _enable(self) -> None:
        self.size_um.setEnabled(self.by_size.isChecked())
        self.magnification.setEnabled(self.by_magnification.isChecked())
