"""The panel of questions: a form, filled in for the slide on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.command_button import CommandButton
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import set_look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.studies.forms import Answer, Form
    from viewer.ui.actions import ActionSet
    from viewer.ui.projects.question_fields import QuestionField

_NO_FORM = (
    "No form yet.\n\nA form is a list of questions that every reader answers for every slide. It "
    "is a JSON file: press Load form..., or open a project that has one. Loaded into a project, it "
    "is asked of all of its readers. Shift+F1 shows how to write one."
)
_NO_SLIDE = "Open a slide to answer the questions for it."


class QuestionsPanel(Panel):
    """Shows one form at a time; answers go out as they are given."""

    answered = Signal(str, str, object)
    """Form id, question id, Answer."""
    form_chosen = Signal()
    """Another form is on screen, or the panel came into view."""
    load_requested = Signal()
    export_requested = Signal()

    def __init__(self, commands: ActionSet, parent: QWidget) -> None:
        super().__init__("Questions", parent)
        self.setObjectName("questions")
        self.fields: dict[str, QuestionField] = {}
        self._forms: dict[str, Form] = {}
        self._answers: Mapping[str, Mapping[str, Answer]] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._made_for: Form | None = None
        self._is_shown = False
        self._commands = commands

    def build(self) -> None:
        self.forms = QComboBox(self)
        self.forms.setAccessibleName("Form")
        self.forms.currentIndexChanged.connect(lambda _: self._show_form())
        self.who = QLabel(self)
        self.progress = QLabel(self)
        for label in (self.who, self.progress):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setProperty("dim", "true")
            label.setWordWrap(True)
        self._area = QScrollArea(self)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.load = QPushButton("Load form...", self)
        self.load.setToolTip("Read questions from a JSON file; into the project where one is open")
        self.export = QPushButton("Export answers...", self)
        self.export.setToolTip("Write the answers of all readers to a CSV file")
        self.load.clicked.connect(self.load_requested)
        self.export.clicked.connect(self.export_requested)
        self.done = CommandButton(self._commands["project.finish"], self, primary=True)
        # Two lines always, so that the fields stay where they are when the first is answered.
        self.progress.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        buttons = QHBoxLayout()
        buttons.addWidget(self.load)
        buttons.addWidget(self.export)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        for widget in (self.forms, self.who):
            layout.addWidget(widget)
        layout.addWidget(self._area, 1)
        layout.addWidget(self.progress)
        layout.addWidget(self.done)
        layout.addLayout(buttons)
        self.set_body(body)
        self.setFocusProxy(self._area)
        self.visibilityChanged.connect(lambda visible: visible and self.form_chosen.emit())
        self.show_forms([])

    @property
    def form(self) -> Form | None:
        """Return the form on screen."""
        return self._forms.get(self.forms.currentData() or "")

    @shows_state
    def show_forms(self, forms: Sequence[Form]) -> None:
        """Offer these forms; the one on screen stays there where it is among them."""
        chosen = self.forms.currentData()
        if list(self._forms.values()) == list(forms) and self._is_shown:
            return
        self._is_shown = True
        self._forms = {form.id: form for form in forms}
        with QSignalBlocker(self.forms):
            self.forms.clear()
            for form in forms:
                self.forms.addItem(form.shown_title, form.id)
            self.forms.setCurrentIndex(max(0, self.forms.findData(chosen)) if forms else -1)
        self.forms.setVisible(len(forms) > 1)
        self._show_form()

    @property
    def refused(self) -> dict[tuple[str, str], str]:
        """Return what was typed and is no answer, by the ids of form and question."""
        self._note_refused()
        return dict(self._refused)

    @shows_state
    def show_answers(
        self,
        who: str,
        answers: Mapping[str, Mapping[str, Answer]],
        refused: Mapping[tuple[str, str], str],
        *,
        can_answer: bool,
    ) -> None:
        """Show what was answered for a slide, and what was refused; `who` is slide and reader."""
        self._answers, self._refused = answers, dict(refused)
        self.who.setText(who if can_answer else _NO_SLIDE)
        self._area.setEnabled(can_answer or self.form is None)
        self._fill()
        self.tell_progress(answers)

    def show_question(self, form_id: str, question_id: str) -> None:
        """Bring a question into sight that has to be answered before the slide is done."""
        self.forms.setCurrentIndex(max(0, self.forms.findData(form_id)))
        field = self.fields.get(question_id)
        if field is not None:
            field.demand()
            self._area.ensureWidgetVisible(field)

    @shows_state
    def tell_progress(self, answers: Mapping[str, Mapping[str, Answer]], trouble: str = "") -> None:
        """Tell how many questions are answered, or why answers are not kept."""
        from viewer.studies.forms import is_answered, unanswered

        form = self.form
        self._answers = answers
        if form is None or trouble:
            self.progress.setText(trouble)
            return
        given = answers.get(form.id, {})
        count = sum(is_answered(given.get(question.id)) for question in form.questions)
        left = unanswered(form, given)
        progress = f"{count} of {len(form.questions)} answered"
        self.progress.setText(
            f"{progress}, {len(left)} required (*) left" if left else f"{progress}."
        )

    def finish(self) -> None:
        """Give what is still being typed."""
        for field in self.fields.values():
            field.finish()

    def _show_form(self) -> None:
        form = self.form
        self.finish()
        self._note_refused()
        if form != self._made_for or form is None:
            self._make_fields(form)
        self._fill()
        self.tell_progress(self._answers)
        self.form_chosen.emit()

    def _note_refused(self) -> None:
        if self._made_for is not None:
            for id_, field in self.fields.items():
                self._refused[self._made_for.id, id_] = field.refused
        self._refused = {place: text for place, text in self._refused.items() if text}

    def _fill(self) -> None:
        """Show in the fields what was answered, and what was typed and refused."""
        form_id = self._made_for.id if self._made_for is not None else ""
        given = self._answers.get(form_id, {})
        for id_, field in self.fields.items():
            field.show_answer(given.get(id_))
            if text := self._refused.get((form_id, id_)):
                field.show_refused(text)

    def _make_fields(self, form: Form | None) -> None:
        from viewer.ui.projects.question_fields import field_for

        self._made_for = form
        self.fields = {}
        page = QWidget(self._area)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(2, 0, 8, 0)
        if form is None:
            self._area.setEnabled(True)
            notice = QLabel(_NO_FORM, page)
            notice.setWordWrap(True)
            notice.setTextFormat(Qt.TextFormat.PlainText)
            notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
            notice.setMargin(12)
            notice.setProperty("dim", "true")
            layout.addStretch(1)
            layout.addWidget(notice)
        else:
            title = QLabel(form.shown_title, page)
            title.setTextFormat(Qt.TextFormat.PlainText)
            title.setWordWrap(True)
            font = title.font()
            font.setPixelSize(round(self.fontInfo().pixelSize() * 1.15))
            title.setFont(font)
            layout.addWidget(title)
            for question in form.questions:
                self._add_field(form.id, field_for(question, page), layout)
        layout.addStretch(1)
        self._area.setWidget(page)
        self.export.setEnabled(form is not None)
        self.done.setVisible(form is not None)
        set_look(self.load, "primary", form is None)
        self.who.setVisible(form is not None)
        self.progress.setVisible(form is not None)

    def _add_field(self, form_id: str, field: QuestionField, layout: QVBoxLayout) -> None:
        self.fields[field.question.id] = field
        layout.addWidget(field)
        field.answered.connect(
            lambda answer, id_=field.question.id: self.answered.emit(form_id, id_, answer)
        )
