"""Go to a coordinate, given in pixels or micrometers."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QWidget,
)

from viewer.geometry import Optics, Point
from viewer.ui.opened_dialog import ok_cancel

_PIXELS = "Pixels"
_MICROMETERS = "Micrometers"
_DECIMALS, _DECIMALS_UM = 1, 3


class GoToDialog(QDialog):
    """Asks for a position from the slide's top left corner; `point` is in level-0 pixels."""

    def __init__(
        self, start: Point, size_px: tuple[int, int], optics: Optics, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Go to coordinate")
        self._size_px = size_px
        self._mpp_um = optics.mpp_um
        self.unit = QComboBox(self)
        self.unit.setAccessibleName("Unit")
        self.unit.addItem(_PIXELS)
        if self._mpp_um is not None:
            self.unit.addItem(_MICROMETERS)
        self.x_box = _coordinate_box("x", self)
        self.y_box = _coordinate_box("y", self)
        self._point = start
        self._show_point()
        self.x_box.valueChanged.connect(lambda value: self._type(x=value / self._unit()[0]))
        self.y_box.valueChanged.connect(lambda value: self._type(y=value / self._unit()[1]))
        self.unit.currentTextChanged.connect(lambda _: self._show_point())
        form = QFormLayout(self)
        form.addRow("&Unit:", self.unit)
        form.addRow("&x:", self.x_box)
        form.addRow("&y:", self.y_box)
        hint = QLabel("Measured from the slide's top left corner.", self)
        hint.setProperty("dim", "true")
        form.addRow(hint)
        buttons = ok_cancel(self)
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText("&Go")
        form.addRow(buttons)
        self.x_box.setFocus()
        self.x_box.selectAll()

    @property
    def point(self) -> Point:
        """Return the position asked for, in level-0 pixels.

        As it was given or typed, not as the boxes round it after a change of unit.
        """
        return self._point

    def _unit(self) -> tuple[float, float]:
        """Return what one level-0 pixel is in the unit shown, in x and y."""
        if self.unit.currentText() == _MICROMETERS and self._mpp_um is not None:
            return self._mpp_um
        return 1.0, 1.0

    def _type(self, *, x: float | None = None, y: float | None = None) -> None:
        before = self._point
        self._point = Point(before.x if x is None else x, before.y if y is None else y)

    def _show_point(self) -> None:
        """Show the position in the unit that is chosen."""
        boxes = (self.x_box, self.y_box)
        for box, at, size_px, unit in zip(
            boxes, self._point, self._size_px, self._unit(), strict=True
        ):
            with QSignalBlocker(box):
                box.setDecimals(_DECIMALS if unit == 1.0 else _DECIMALS_UM)
                box.setRange(0.0, size_px * unit)
                box.setValue(at * unit)


def _coordinate_box(name: str, parent: QWidget) -> QDoubleSpinBox:
    box = QDoubleSpinBox(parent)
    box.setAccessibleName(name)
    box.setSingleStep(100.0)
    box.setGroupSeparatorShown(False)
    return box
