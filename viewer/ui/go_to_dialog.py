"""Go to a coordinate, given in pixels or micrometres."""

from __future__ import annotations

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

_PIXELS = "Pixels"
_MICROMETRES = "Micrometres"


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
            self.unit.addItem(_MICROMETRES)
        self.x_box = _coordinate_box("x", self)
        self.y_box = _coordinate_box("y", self)
        self._show_range()
        self.x_box.setValue(start.x)
        self.y_box.setValue(start.y)
        self.unit.currentTextChanged.connect(self._change_unit)
        form = QFormLayout(self)
        form.addRow("&Unit:", self.unit)
        form.addRow("&x:", self.x_box)
        form.addRow("&y:", self.y_box)
        hint = QLabel("Measured from the slide's top left corner.", self)
        hint.setProperty("dim", "true")
        form.addRow(hint)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText("&Go")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.x_box.setFocus()
        self.x_box.selectAll()

    @property
    def point(self) -> Point:
        """The position asked for, in level-0 pixels."""
        unit_x, unit_y = self._unit()
        return Point(self.x_box.value() / unit_x, self.y_box.value() / unit_y)

    def _unit(self) -> tuple[float, float]:
        """What one level-0 pixel is in the unit shown, in x and y."""
        if self.unit.currentText() == _MICROMETRES and self._mpp_um is not None:
            return self._mpp_um
        return 1.0, 1.0

    def _show_range(self) -> None:
        for box, size_px, unit in zip(
            (self.x_box, self.y_box), self._size_px, self._unit(), strict=True
        ):
            box.setRange(0.0, size_px * unit)

    def _change_unit(self, text: str) -> None:
        in_um = text == _MICROMETRES and self._mpp_um is not None
        mpp_x_um, mpp_y_um = self._mpp_um or (1.0, 1.0)
        x = self.x_box.value() * mpp_x_um if in_um else self.x_box.value() / mpp_x_um
        y = self.y_box.value() * mpp_y_um if in_um else self.y_box.value() / mpp_y_um
        self._show_range()
        self.x_box.setValue(x)
        self.y_box.setValue(y)


def _coordinate_box(name: str, parent: QWidget) -> QDoubleSpinBox:
    box = QDoubleSpinBox(parent)
    box.setAccessibleName(name)
    box.setDecimals(1)
    box.setSingleStep(100.0)
    box.setGroupSeparatorShown(False)
    return box
