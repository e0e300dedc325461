"""Asks what is known of a microarray before its cores are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from viewer.annotations.tma.dearraying import DearrayOptions
from viewer.annotations.tma.labels import LabelScheme, TmaError, label_scheme
from viewer.geometry import UM_PER_MM
from viewer.ui.opened_dialog import answer_buttons, ok_cancel

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_LINES = 200


class LabelFields:
    """Labels of rows and columns, and which comes first; put in the rows of a form."""

    def __init__(self, form: QFormLayout, labels: LabelScheme, parent: QWidget) -> None:
        self.rows = QLineEdit(labels.rows, parent)
        self.columns = QLineEdit(labels.columns, parent)
        self.order = QComboBox(parent)
        for text, key in (("Row, then column: A-1", "row"), ("Column, then row: 1-A", "column")):
            self.order.addItem(text, key)
        self.order.setCurrentIndex(self.order.findData(labels.order))
        form.addRow("Row &labels:", self.rows)
        form.addRow("Column la&bels:", self.columns)
        form.addRow("&Names:", self.order)
        self.rows.setPlaceholderText("A-J")
        self.columns.setPlaceholderText("1-16")
        for field, name in ((self.rows, "Row labels"), (self.columns, "Column labels")):
            field.setAccessibleName(name)
            field.setToolTip("The first label, or first and last such as A-J, 16-1 or 1-10")
        self.order.setAccessibleName("Order of the labels")

    def on_change(self, act: Callable[[], object]) -> None:
        """Call `act` when a label changes."""
        for field in (self.rows, self.columns):
            field.textChanged.connect(lambda _: act())
        self.order.currentIndexChanged.connect(lambda _: act())

    @property
    def labels(self) -> LabelScheme:
        """Return what is typed. Raises TmaError."""
        return label_scheme(
            self.rows.text() or "A", self.columns.text() or "1", self.order.currentData()
        )


class FindDialog(QDialog):
    """Size of the cores, size of the grid and labels; by default all of it is found.

    Parameters
    ----------
    replaces
        Cores that there are already.
    has_scale
        Whether the pixel size is known, without which no diameter can be given.
    """

    def __init__(
        self, before: DearrayOptions, parent: QWidget, *, replaces: int, has_scale: bool
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Find TMA cores")
        hint = QLabel(
            "Looks for round pieces of tissue of one size, in rows and columns. What is left at "
            "automatic is found.",
            self,
        )
        hint.setWordWrap(True)
        self.diameter = QDoubleSpinBox(self)
        self.diameter.setRange(0.0, 20.0)
        self.diameter.setDecimals(2)
        self.diameter.setSingleStep(0.1)
        self.diameter.setSuffix(" mm")
        self.diameter.setSpecialValueText("Automatic")
        self.diameter.setEnabled(has_scale)
        self.diameter.setValue((before.diameter_um or 0.0) / UM_PER_MM)
        self.diameter.setAccessibleName("Diameter of a core")
        if not has_scale:
            self.diameter.setToolTip("Needs the pixel size of the slide")
        self.rows, self.columns = QSpinBox(self), QSpinBox(self)
        for box, value, name in (
            (self.rows, before.rows, "Rows"), (self.columns, before.columns, "Columns"),
        ):  # fmt: skip
            box.setRange(0, _MOST_LINES)
            box.setSpecialValueText("Automatic")
            box.setValue(value or 0)
            box.setAccessibleName(name)
        form = QFormLayout(self)
        form.addRow(hint)
        form.addRow("&Diameter:", self.diameter)
        form.addRow("&Rows:", self.rows)
        form.addRow("&Columns:", self.columns)
        self.fields = LabelFields(form, before.labels, self)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        form.addRow(self.problem)
        self._warning = (
            f"The {replaces:,} cores that are there are replaced; Ctrl+Z brings them back."
            if replaces
            else ""
        )
        buttons, self.search = answer_buttons(self, "Find")
        form.addRow(buttons)
        self.fields.on_change(self._show)
        self._show()

    @property
    def options(self) -> DearrayOptions | None:
        """Return what is asked for; None where a label is none."""
        try:
            labels = self.fields.labels
        except TmaError:
            return None
        diameter_um = self.diameter.value() * UM_PER_MM if self.diameter.isEnabled() else 0.0
        return DearrayOptions(
            diameter_um or None, self.rows.value() or None, self.columns.value() or None, labels
        )

    def _show(self) -> None:
        try:
            labels = self.fields.labels
            text = self._warning
            example = f"The first core is {labels.name(0, 0)}."
            self.problem.setText(f"{example} {text}".strip())
        except TmaError as error:
            self.problem.setText(str(error))
        self.search.setEnabled(self.options is not None)


class LabelsDialog(QDialog):
    """Asks how the cores of a grid are called."""

    def __init__(self, labels: LabelScheme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Label cores")
        form = QFormLayout(self)
        self.fields = LabelFields(form, labels, self)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        form.addRow(self.problem)
        self.buttons = ok_cancel(self)
        form.addRow(self.buttons)
        self.fields.on_change(self._show)
        self._show()

    @property
    def labels(self) -> LabelScheme | None:
        """Return what is typed; None where a label is none."""
        try:
            return self.fields.labels
        except TmaError:
            return None

    def _show(self) -> None:
        try:
            self.problem.setText(f"The first core is {self.fields.labels.name(0, 0)}.")
        except TmaError as error:
            self.problem.setText(str(error))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(self.labels is not None)
