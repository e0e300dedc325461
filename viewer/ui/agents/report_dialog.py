"""A draft report of a walk: filled in, corrected by the user, written as Markdown or PDF."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, Qt
from PySide6.QtGui import QPageLayout, QPageSize, QPdfWriter, QTextDocument
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from viewer.agents.errors import AgentError
from viewer.files.atomic_write import atomic_write_bytes
from viewer.measurement_names import with_signs
from viewer.ui.file_dialogs import ask_file, ask_new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from viewer.agents.loop import Outcome
    from viewer.agents.report_draft import Draft
    from viewer.agents.report_template import ChoiceField, NumberField, ReportTemplate, Value
    from viewer.ui.background_runner import BackgroundRunner

_NOTHING = "(nothing)"
_DPI = 150
_MARGIN_MM = 20.0


class ReportDialog(QDialog):
    """The fields of the template above, the report as it will be below.

    Parameters
    ----------
    background
        Reads templates and writes reports.
    say, tell_trouble
        Show a sentence: what was done, what failed.
    """

    def __init__(
        self,
        outcome: Outcome,
        background: BackgroundRunner,
        say: Callable[[str], object],
        tell_trouble: Callable[[str], object],
        parent: QWidget,
    ) -> None:
        from viewer.agents.report_draft import DRAFT, draft_from_walk
        from viewer.agents.report_template import DEFAULT_TEMPLATE

        super().__init__(parent)
        self.setWindowTitle("Draft report")
        self._background = background
        self._say, self._tell_trouble = say, tell_trouble
        self._draft = draft_from_walk(outcome, DEFAULT_TEMPLATE)
        self._values: dict[str, Callable[[], Value]] = {}
        note = QLabel(f"{DRAFT}. Look each field through before you pass it on.", self)
        note.setWordWrap(True)
        self.title = QLabel(self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self._fields = QWidget(self)
        self._form = QFormLayout(self._fields)
        self.preview = QTextBrowser(self)
        self.preview.setOpenLinks(False)
        self.preview.setAccessibleName("The report as it will be")
        self.other = QPushButton("Other template...", self)
        self.other.clicked.connect(self._ask_template)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.other, QDialogButtonBox.ButtonRole.ActionRole)
        self.save = buttons.addButton("Save...", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setDefault(True)
        self.other.setAutoDefault(False)
        self.save.clicked.connect(self._ask_place)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(note)
        layout.addWidget(self.title)
        layout.addWidget(self._fields)
        layout.addWidget(self.preview, 1)
        layout.addWidget(buttons)
        self.resize(640, 680)
        self._show_template(DEFAULT_TEMPLATE)
        next(self._fields_in_order()).setFocus()

    @property
    def draft(self) -> Draft:
        """Return the draft with the fields as they stand now."""
        values = {id_: value() for id_, value in self._values.items()}
        return replace(self._draft, values=values)

    # -----------------------------------------------------------------------------------------

    def _show_template(self, template: ReportTemplate) -> None:
        from viewer.agents.report_draft import draft_from_walk
        from viewer.agents.report_template import ChoiceField, NumberField

        self._draft = draft_from_walk(self._draft.outcome, template)
        self.title.setText(template.title)
        while self._form.rowCount():
            self._form.removeRow(0)
        self._values.clear()
        for field in template.fields:
            value = self._draft.values.get(field.id)
            match field:
                case ChoiceField():
                    editor = self._choice(field, value)
                case NumberField():
                    editor = self._number(field, value)
                case _:
                    editor = self._text(field.id, value)
            unit = with_signs(field.unit) if isinstance(field, NumberField) else ""
            self._form.addRow(f"{field.label}, {unit}:" if unit else f"{field.label}:", editor)
        for former, later in pairwise((*self._fields_in_order(), self.preview)):
            self.setTabOrder(former, later)
        self._show_preview()

    def _fields_in_order(self) -> Iterator[QWidget]:
        for row in range(self._form.rowCount()):
            item = self._form.itemAt(row, QFormLayout.ItemRole.FieldRole)
            if item is not None and (editor := item.widget()) is not None:
                yield editor

    def _choice(self, field: ChoiceField, value: Value) -> QWidget:
        box = QComboBox(self._fields)
        box.addItems([_NOTHING, *field.options])
        if value is not None:
            box.setCurrentText(str(value))
        box.currentIndexChanged.connect(self._show_preview)
        self._values[field.id] = lambda: box.currentText() if box.currentIndex() else None
        return box

    def _number(self, field: NumberField, value: Value) -> QWidget:
        line = QLineEdit("" if value is None else f"{value:g}", self._fields)
        line.setPlaceholderText(
            f"a number in {with_signs(field.unit)}" if field.unit else "a number"
        )
        line.textChanged.connect(self._show_preview)
        self._values[field.id] = lambda: _as_number(line.text())
        return line

    def _text(self, id_: str, value: Value) -> QWidget:
        edit = QPlainTextEdit("" if value is None else str(value), self._fields)
        edit.setTabChangesFocus(True)
        edit.setFixedHeight(72)
        edit.textChanged.connect(self._show_preview)
        self._values[id_] = lambda: edit.toPlainText().strip() or None
        return edit

    def _show_preview(self) -> None:
        from viewer.agents.report_draft import markdown

        if len(self._values) == len(self._draft.template.fields):
            self.preview.setMarkdown(markdown(self.draft))

    def _ask_template(self) -> None:
        from viewer.agents.report_template import load_template

        ask_file(
            self,
            "Template of a report",
            lambda path: self._background.run(
                lambda: load_template(path), self._show_template, self._on_failed
            ),
            filters=["Templates (*.json)"],
        )

    def _ask_place(self) -> None:
        ask_new_file(
            self,
            "Save the draft report",
            lambda path, _: self._save_to(path),
            formats={"PDF (*.pdf)": ".pdf", "Markdown (*.md)": ".md"},
            stem="draft report",
        )

    def _save_to(self, path: Path) -> None:
        draft = self.draft
        self._background.run(
            lambda: _write(path, draft),
            lambda _: self._say(f"The draft report was written to {path.name}."),
            self._on_failed,
            keeps=path.name,
        )

    def _on_failed(self, error: Exception) -> None:
        known = isinstance(error, AgentError)
        self._tell_trouble(str(error) if known else f"The report cannot be written ({error}).")


def _write(path: Path, draft: Draft) -> None:
    """Raise OSError."""
    from viewer.agents.report_draft import markdown

    text = markdown(draft)
    is_pdf = path.suffix.lower() == ".pdf"
    atomic_write_bytes(path, _pdf(text) if is_pdf else text.encode())


def _pdf(text: str) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(_DPI)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
    document = QTextDocument()
    document.setMarkdown(text)
    document.print_(writer)
    return bytes(buffer.data().data())


def _as_number(text: str) -> float | None:
    try:
        return float(text.replace(",", ".")) if text.strip() else None
    except ValueError:
        return None
