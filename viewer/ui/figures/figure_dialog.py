"""Asks how the view, or the selected region, becomes a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.figures.figure_choice import CM_PER_INCH, FigureChoice, figure_size_px
from viewer.ui.opened_dialog import answer_buttons
from viewer.ui.widgets import take_as_typed

if TYPE_CHECKING:
    from viewer.geometry import Size

DPIS = (96, 150, 300, 600)


class FigureDialog(QDialog):
    """Resolution, width on paper, and what is painted over the slide.

    Parameters
    ----------
    view_size
        Of the view, logical pixels.
    region_size
        Of the selected region; None where nothing is selected.
    """

    copy_wanted = Signal()

    def __init__(
        self, choice: FigureChoice, view_size: Size, region_size: Size | None, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export figure")
        self._sizes = {False: view_size, True: region_size}
        self.view = QRadioButton("View", self)
        self.region = QRadioButton("Selected region", self)
        self.region.setEnabled(region_size is not None)
        (self.region if choice.is_region and region_size is not None else self.view).setChecked(
            True
        )
        group = QButtonGroup(self)
        areas = QVBoxLayout()
        for button in (self.view, self.region):
            group.addButton(button)
            areas.addWidget(button)
            button.toggled.connect(lambda _: self._show())
        self.dpi = QComboBox(self)
        self.dpi.setEditable(True)
        take_as_typed(self.dpi)
        self.dpi.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.dpi.setAccessibleName("Resolution in dpi")
        self.dpi.addItems([str(each) for each in DPIS])
        self.dpi.setCurrentText(f"{choice.dpi:g}")
        self.dpi.editTextChanged.connect(lambda _: self._show())
        self.width_cm = QDoubleSpinBox(self)
        self.width_cm.setRange(1.0, 200.0)
        self.width_cm.setDecimals(1)
        self.width_cm.setSuffix(" cm")
        self.width_cm.setAccessibleName("Width on paper")
        self.width_cm.setValue(choice.width_cm)
        self.width_cm.valueChanged.connect(lambda _: self._show())
        self.scale_bar = self._box("Scale bar", on=choice.has_scale_bar)
        self.legend = self._box("Legend", on=choice.has_legend)
        self.overlays = self._box("Annotations and overlays", on=choice.has_overlays)
        shown = QVBoxLayout()
        for box in (self.scale_bar, self.legend, self.overlays):
            shown.addWidget(box)
        self.says = QLabel(self)
        buttons, self.save = answer_buttons(self, "Save as...")
        self.copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setAutoDefault(False)
        self.copy.setToolTip("Put the figure on the clipboard")
        self.copy.clicked.connect(self._copy)
        layout = QFormLayout(self)
        layout.addRow("Area:", areas)
        layout.addRow("Resolution (dpi):", self.dpi)
        layout.addRow("Width:", self.width_cm)
        layout.addRow("Paint:", shown)
        layout.addRow(self.says)
        layout.addRow(buttons)
        self._show()
        self.save.setFocus()

    @property
    def choice(self) -> FigureChoice | None:
        """Return what is chosen; None where the resolution is none."""
        try:
            dpi = float(self.dpi.currentText().strip().replace(",", ".").removesuffix("dpi"))
        except ValueError:
            return None
        if not (math.isfinite(dpi) and 10 <= dpi <= 2400):
            return None
        return FigureChoice(
            self.region.isChecked(),
            dpi,
            self.width_cm.value(),
            self.scale_bar.isChecked(),
            self.legend.isChecked(),
            self.overlays.isChecked(),
        )

    def _copy(self) -> None:
        self.copy_wanted.emit()
        self.reject()

    def _box(self, text: str, *, on: bool) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setChecked(on)
        return box

    def _show(self) -> None:
        choice = self.choice
        for button in (self.save, self.copy):
            button.setEnabled(choice is not None)
        if choice is None:
            self.says.setText("Give a resolution from 10 to 2400 dpi.")
            return
        size = self._sizes[choice.is_region]
        assert size is not None
        width_px, height_px = figure_size_px(size, choice)
        height_cm = height_px / choice.dpi * CM_PER_INCH
        self.says.setText(
            f"{width_px:,} × {height_px:,} px, {choice.width_cm:.1f} × {height_cm:.1f} cm"
        )
