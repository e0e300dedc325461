"""Asks for the shape and the area of the fields that are counted."""

from __future__ import annotations

import re

from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QWidget,
)

from viewer.annotations.counting.frame import (
    AREAS_MM2,
    HPF_AREAS_MM2,
    SHAPES,
    CountingError,
    CountingFrame,
    Shape,
)
from viewer.ui.opened_dialog import answer_buttons
from viewer.ui.widgets import take_as_typed

_NUMBER = re.compile(r"\s*([\d.,]+)")


class FrameDialog(QDialog):
    """A circle or square, of a usual area or of one that is typed."""

    def __init__(self, frame: CountingFrame, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Counting frame")
        self.area = QComboBox(self)
        self.area.setEditable(True)
        take_as_typed(self.area)
        self.area.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.area.setAccessibleName("Area in mm²")
        self.area.addItems([_area_text(each) for each in AREAS_MM2])
        self.area.setCurrentText(_area_text(frame.area_mm2))
        self.area.setMinimumContentsLength(26)
        self._shapes = QButtonGroup(self)
        row = QHBoxLayout()
        for index, shape in enumerate(SHAPES):
            button = QRadioButton(shape.capitalize(), self)
            button.setChecked(shape == frame.shape)
            self._shapes.addButton(button, index)
            row.addWidget(button)
        row.addStretch(1)
        self.says = QLabel(self)
        self.says.setWordWrap(True)
        self.says.setMinimumHeight(2 * self.says.fontMetrics().height())
        buttons, self.start = answer_buttons(self, "Count")
        layout = QFormLayout(self)
        layout.addRow("Area:", self.area)
        layout.addRow("Shape:", row)
        layout.addRow(self.says)
        layout.addRow(buttons)
        self.area.editTextChanged.connect(lambda _: self._show())
        self._shapes.idClicked.connect(lambda _: self._show())
        self._show()

    @property
    def frame(self) -> CountingFrame | None:
        """Return what is chosen; None where what is typed is no area."""
        try:
            return self._chosen()
        except CountingError:
            return None

    def _chosen(self) -> CountingFrame:
        shape: Shape = SHAPES[max(self._shapes.checkedId(), 0)]
        found = _NUMBER.match(self.area.currentText())
        try:
            area_mm2 = float(found[1].replace(",", ".")) if found else float("nan")
        except ValueError:
            area_mm2 = float("nan")
        if area_mm2 != area_mm2:
            raise CountingError("Type an area in mm², such as 0.2375.")
        return CountingFrame(area_mm2, shape)

    def _show(self) -> None:
        try:
            self.says.setText(f"Each field is a {self._chosen().text}.")
            self.start.setEnabled(True)
        except CountingError as error:
            self.says.setText(str(error))
            self.start.setEnabled(False)


def _area_text(area_mm2: float) -> str:
    if area_mm2 not in HPF_AREAS_MM2:
        return f"{area_mm2:g} mm²"
    across = CountingFrame(area_mm2, "circle").side_mm
    return f"{area_mm2:g} mm² (HPF, Ø {across:.2f} mm)"
