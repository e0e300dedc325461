"""Edits what a model is asked for drafts, study by study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from viewer.recording.review.entries import ReviewError
from viewer.ui.widgets import take_as_typed

if TYPE_CHECKING:
    from collections.abc import Mapping


class PromptDialog(QDialog):
    """Read `study` and `text` after it was accepted; a prompt that cannot be used is not.

    Parameters
    ----------
    templates
        The studies' names to their prompts.
    """

    def __init__(self, templates: Mapping[str, str], study: str, parent: QWidget) -> None:
        from viewer.recording.review.prompts import DEFAULT_PROMPT, PLACEHOLDERS

        super().__init__(parent)
        self.setWindowTitle("What the model is asked")
        self._templates = dict(templates)
        self.studies = QComboBox(self)
        self.studies.setEditable(True)
        take_as_typed(self.studies)
        self.studies.setToolTip(
            "Choose a study, or name a new one; drafts are asked for with its prompt"
        )
        self.studies.addItems(list(templates))
        self.studies.setCurrentText(study)
        self.field = QPlainTextEdit(self._templates.get(study, DEFAULT_PROMPT), self)
        self.field.setAccessibleName("Prompt")
        names = QLabel(
            "\n".join(f"${name}: {meaning}" for name, meaning in PLACEHOLDERS.items()), self
        )
        names.setTextFormat(Qt.TextFormat.PlainText)
        names.setProperty("dim", True)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(
            standard.Save | standard.Cancel | standard.RestoreDefaults, self
        )
        form = QFormLayout()
        form.addRow("Study:", self.studies)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.field, 1)
        layout.addWidget(names)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self.resize(620, 560)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        restore = self.buttons.button(standard.RestoreDefaults)
        restore.clicked.connect(lambda: self.field.setPlainText(DEFAULT_PROMPT))
        self.studies.currentIndexChanged.connect(lambda _: self._show_template())
        self.field.textChanged.connect(self._check)
        self.studies.currentTextChanged.connect(lambda _: self._check())
        self._check()

    @property
    def study(self) -> str:
        return self.studies.currentText().strip()

    @property
    def text(self) -> str:
        return self.field.toPlainText()

    def _show_template(self) -> None:
        """Of a study that has one; a new name keeps the text that is there."""
        if self.study in self._templates:
            self.field.setPlainText(self._templates[self.study])

    def _check(self) -> None:
        from viewer.recording.review.prompts import check_study, check_template

        problem = ""
        try:
            check_study(self.study)
            check_template(self.text)
        except ReviewError as error:
            problem = str(error)
        self.problem.setText(problem)
        self.buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(not problem)
