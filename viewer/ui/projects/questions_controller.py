"""Questions in a window: forms, answers that are kept as they are given, what is recorded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer

from viewer.errors import reason_of, sentence_of
from viewer.files.atomic_write import unwritable
from viewer.folders import data_folder
from viewer.plurals import plural
from viewer.recording.events import DiagnosisEntered, QuestionAnswered, QuestionAsked
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_file, ask_new_file
from viewer.ui.projects.questions_panel import QuestionsPanel
from viewer.ui.recording.control import RecordingState
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, ReaderHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.studies.answers import AnswerFile, AnswerRecord
    from viewer.studies.forms import Answer, Form
    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.projects.study_controller import StudyController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_RETRY_MS = 2000
_MOST_REFUSED = 200
"""Slides whose refused answers are kept in memory."""

_Answers = dict[str, dict[str, "Answer"]]


class QuestionsHost(MessageHost, DialogHost, PaneHost, CommandHost, ReaderHost, Protocol):
    """What questions ask of the window."""

    recording: RecordingController


class QuestionsController(QObject):
    """Owned by the window's part; `shut_down` writes what is left.

    Without a project, forms come from a file and answers go to the data folder.
    """

    def __init__(self, window: QuestionsHost, opened: OpenProject, study: StudyController) -> None:
        super().__init__(window.window())
        self._window = window
        self._opened = opened
        self._study = study
        self._disk = BackgroundRunner("answers", 1, self)
        self._loaded: tuple[Form, ...] = ()
        self._sheet: AnswerFile | None = None
        self._pane: SlidePane | None = None
        self._answers: _Answers = {}
        self._has_read = False
        self._unkept: list[tuple[AnswerFile, AnswerRecord]] = []
        """What is not on the disk yet, in the order of answering."""
        self._refused: OrderedDict[AnswerFile, dict[tuple[str, str], str]] = OrderedDict()
        """What was typed and is no answer, by slide and reader, the latest last."""
        self._is_writing = False
        self._asked: set[tuple[str, str]] = set()
        self._retry = QTimer(self, interval=_RETRY_MS, singleShot=True)
        self._retry.timeout.connect(self._write)
        self.panel = QuestionsPanel(window.commands, window.window())
        self._connect()

    def shut_down(self) -> None:
        """Take what is being typed and wait until it is on the disk."""
        self.panel.finish()
        self._retry.stop()
        left = list(self._unkept)
        if left:
            self._disk.run(lambda: _write(left), lambda _: None, keeps="The last answers")
        self._disk.close(finish=True)

    @property
    def forms(self) -> tuple[Form, ...]:
        """Return the forms of the project, then those of files."""
        held = {form.id: form for form in (*self._loaded, *self._opened.project.forms)}
        return tuple(held.values())

    def load(self, path: Path) -> None:
        """Read forms from a file, into the project where one is open."""
        from viewer.studies.forms import read_forms

        self._disk.run(lambda: read_forms(path), self._on_loaded, self._on_bad_form)

    def export(self, path: Path) -> None:
        """Write the answers of all readers to a CSV file."""
        from viewer.studies.answers import all_answers, write_answers
        from viewer.studies.project import Project

        self.panel.finish()
        folder, project = self._folder(), self._opened.project
        study = self._study
        left_out = study.sealed_sentence
        if not self._opened.is_open:
            project = Project(forms=self.forms)
        self._disk.run(
            lambda: write_answers(
                path, project, all_answers(folder, study.answers_sealer, study.shows_answer)
            ),
            lambda count: self._window.say(
                f"Wrote {plural(count, 'answer')} to {path.name}. {left_out}".rstrip()
            ),
            lambda error: self._window.show_error(unwritable(path, error)),
            keeps=path.name,
        )

    def when_written(self, then: Callable[[], object]) -> None:
        """Call `then` once all answers are on the disk, or cannot be written now."""
        if not self._unkept or self._retry.isActive():
            then()
        else:
            self._disk.run(lambda: None, lambda _: self.when_written(then))

    def check_complete(self, slide: ProjectSlide, then: Callable[[str], object]) -> None:
        """Call `then` with why a slide cannot be done yet, one sentence; "" where all is answered.

        Of the slide on screen, the first question that is open comes into sight.
        """
        from viewer.studies.answers import read_answers
        from viewer.studies.forms import unanswered_sentence

        forms, name = self.forms, self._opened.name_of(slide)
        if not forms:
            then("")
            return
        self.panel.finish()
        sheet = self._sheet
        if sheet is not None and sheet.identity == slide.identity and self._has_read:
            then(self._open_question())
            return
        other = self._sheet_of(slide.identity, slide.shown_name)
        if other is None:
            then("The study is being opened: try again.")
            return
        refused = self._refused.get(other)
        if refused:
            then(f"{name}: not done yet. {self._refusal(refused)}")
            return
        self._disk.run(
            lambda: unanswered_sentence(forms, read_answers(other))[0],
            lambda sentence: then(f"{name}: {_lowered(sentence)}" if sentence else ""),
            lambda error: then(f"The answers for {name} cannot be read ({error})."),
        )

    def _open_question(self) -> str:
        """Show the first question of the slide on screen that keeps it from being done."""
        from viewer.studies.forms import unanswered_sentence

        refused = self.panel.refused
        if refused:
            sentence, place = f"Not done yet. {self._refusal(refused)}", next(iter(refused))
        else:
            sentence, *ids = unanswered_sentence(self.forms, self._answers)
            place = (ids[0], ids[1])
        if sentence:
            self.panel.show()
            self.panel.raise_()
            self.panel.show_question(*place)
        elif self._retry.isActive():
            sentence = f"Not done yet. {self.panel.progress.text()}"
        return sentence

    # Forms and slides come and go ------------------------------------------------------------

    def _refresh(self) -> None:
        """Show the forms for the slide in the active pane, with what was answered so far."""
        from viewer.studies.answers import read_answers

        self.panel.show_forms(self.forms)
        if self.forms and (self._opened.is_open or self.panel.isVisible()):
            self._window.reader.ask_once()
        pane = self._window.panes.active
        sheet = self._sheet_for(pane)
        if sheet == self._sheet and pane is self._pane:
            return
        self.panel.finish()
        self._keep_refused()
        self._sheet, self._pane = sheet, pane
        self._answers, self._has_read = {}, False
        self._show()
        if sheet is not None:
            self._disk.run(
                lambda: read_answers(sheet),
                lambda answers: self._on_read(sheet, answers),
                lambda error: self._on_unreadable(sheet, error),
            )

    def _sheet_for(self, pane: SlidePane) -> AnswerFile | None:
        if pane.source is None or pane.path is None:
            return None
        identity = pane.source.info.identity
        slide = self._opened.project.slide(identity)
        # The project's own name for it, so that answers to one slide stay together.
        identity = slide.identity if slide is not None else identity
        return self._sheet_of(identity, pane.path.name)

    def _sheet_of(self, identity: str, name: str) -> AnswerFile | None:
        """Return where answers to a slide go; None while a study is being opened."""
        from viewer.studies.answers import NO_READER, AnswerFile

        reader = self._window.reader.name or NO_READER
        sheet = AnswerFile(self._folder(), reader, identity, name)
        return self._study.answer_file(sheet)

    def _keep_refused(self) -> None:
        """Say what is not saved of the slide that leaves, and keep it for when it comes back."""
        refused, sheet = self.panel.refused, self._sheet
        if sheet is None:
            return
        self._refused.pop(sheet, None)
        if not refused:
            return
        self._refused[sheet] = refused
        while len(self._refused) > _MOST_REFUSED:
            self._refused.popitem(last=False)
        slide = self._opened.project.slide(sheet.identity)
        name = self._opened.name_of(slide) if slide is not None else sheet.slide
        self._window.say(f"{self._refusal(refused)} It waits there with {name}.")

    def _refusal(self, refused: dict[tuple[str, str], str]) -> str:
        (form_id, question_id), text = next(iter(refused.items()))
        form = next((each for each in self.forms if each.id == form_id), None)
        question = form.question(question_id) if form is not None else None
        name = question.text if question is not None else question_id
        return f'Not saved: "{text}" is no answer to "{name}".'

    def _folder(self) -> Path:
        return self._opened.folder or data_folder()

    def _on_read(self, sheet: AnswerFile, answers: _Answers) -> None:
        if sheet == self._sheet:
            self._answers, self._has_read = answers, True
            self._show()
            self._ask()

    def _on_unreadable(self, sheet: AnswerFile, error: Exception) -> None:
        _log.error("answers cannot be read", exc_info=error)
        if sheet == self._sheet:
            self._window.show_error(f"The answers for this slide cannot be read ({error}).")

    def _show(self) -> None:
        sheet = self._sheet
        slide = self._opened.project.slide(sheet.identity) if sheet is not None else None
        name = self._opened.name_of(slide) if slide is not None else sheet.slide if sheet else ""
        who = f"{name}, answered as {sheet.reader}" if sheet is not None else ""
        refused = self._refused.get(sheet, {}) if sheet is not None else {}
        is_open = sheet is not None and self._study.can_answer(sheet.identity)
        can_answer = self._has_read and is_open
        self.panel.show_answers(who, self._answers, refused, can_answer=can_answer)

    # Answers ---------------------------------------------------------------------------------

    def _take(self, form_id: str, question_id: str, answer: Answer) -> None:
        sheet = self._sheet
        if sheet is None or not self._has_read:
            return
        self._answers.setdefault(form_id, {})[question_id] = answer
        self._unkept.append((sheet, sheet.given(form_id, question_id, answer)))
        if not self._retry.isActive():
            self.panel.tell_progress(self._answers)
            self._write()
        self._record(sheet, form_id, question_id, answer)

    def _write(self) -> None:
        """All that waits, in one go; what comes meanwhile waits for the next."""
        if self._is_writing or not self._unkept:
            return
        self._is_writing = True
        waiting = list(self._unkept)
        self._disk.run(
            lambda: _write(waiting), lambda _: self._on_kept(len(waiting)), self._on_not_kept
        )

    def _on_kept(self, count: int) -> None:
        self._is_writing = False
        del self._unkept[:count]
        self.panel.tell_progress(self._answers)
        self._write()

    def _on_not_kept(self, error: Exception) -> None:
        self._is_writing = False
        reason = reason_of(error)
        self.panel.tell_progress(
            self._answers,
            f"The answers cannot be written ({reason}): make room; they are kept until then.",
        )
        self._retry.start()

    # Recording -------------------------------------------------------------------------------

    def _ask(self) -> None:
        """A form in view puts its questions, once a slide and recording."""
        from viewer.slides.identity import same_slide

        sheet, pane = self._sheet, self._pane
        form = self.panel.form if self.panel.isVisible() else None
        if form is None or sheet is None or pane is None:
            return
        recording = self._window.recording.control.recording_of(pane)
        if not self._has_read or recording is None:
            return
        if not same_slide(recording.identity, sheet.identity):
            return
        key = (sheet.identity, form.id)
        if key not in self._asked:
            self._asked.add(key)
            for question in form.questions:
                asked = QuestionAsked(f"{form.id}.{question.id}", question.text)
                recording.record(asked)

    def _record(self, sheet: AnswerFile, form_id: str, question_id: str, answer: Answer) -> None:
        """The recorder leaves texts out where the reader did not allow them."""
        from viewer.slides.identity import same_slide
        from viewer.studies.answers import shown_answer

        pane = self._pane
        form = next((each for each in self.forms if each.id == form_id), None)
        question = form.question(question_id) if form is not None else None
        if pane is None or question is None:
            return
        recording = self._window.recording.control.recording_of(pane)
        if recording is None or not same_slide(recording.identity, sheet.identity):
            return  # the slide has left, and its recording with it
        text = shown_answer(answer)
        recording.record(QuestionAnswered(f"{form_id}.{question_id}", text))
        if question.is_diagnosis:
            recording.record(DiagnosisEntered(len(text), text))

    def _on_recording(self, state: RecordingState) -> None:
        if state is RecordingState.OFF:
            self._asked.clear()
        else:
            self._ask()

    # Dialogs and signals ---------------------------------------------------------------------

    def _ask_form(self) -> None:
        ask_file(
            self._window.window(),
            "Load form",
            self.load,
            start=self._folder(),
            filters=["Forms (*.json)"],
        )

    def _ask_where(self) -> None:
        ask_new_file(
            self._window.window(),
            "Export answers",
            lambda path, _: self.export(path),
            formats={"Tables (*.csv)": ".csv"},
            start=self._folder(),
            stem="answers",
        )

    def _on_loaded(self, forms: tuple[Form, ...]) -> None:
        from viewer.studies.project import adding_forms

        if self._opened.is_open:
            self._opened.change(adding_forms(forms))
        else:
            self._loaded = forms
        self._refresh()
        self._window.say(f"The form {forms[0].shown_title} was loaded.")

    def _on_bad_form(self, error: Exception) -> None:
        self._window.show_error(sentence_of(error, _log, "a form cannot be read"))

    def _on_slide_changed(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active:
            self._refresh()

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)

    def _connect(self) -> None:
        window, panel = self._window, self.panel
        panel.answered.connect(self._take)
        panel.form_chosen.connect(self._ask)
        panel.load_requested.connect(self._ask_form)
        panel.export_requested.connect(self._ask_where)
        panel.visibilityChanged.connect(lambda visible: visible and self._refresh())
        self._opened.switched.connect(self._refresh)
        window.reader.leaving.connect(panel.finish)
        window.reader.changed.connect(self._refresh)
        self._study.changed.connect(self._refresh)
        self._opened.changed.connect(self._refresh)
        control = window.recording.control
        control.state_changed.connect(self._on_recording)
        control.sessions_changed.connect(self._ask)
        window.panes.active_changed.connect(lambda _: self._refresh())
        window.panes.watch(self._watch)


def _write(waiting: list[tuple[AnswerFile, AnswerRecord]]) -> None:
    """A file a sheet, each in the order in which it was answered."""
    from viewer.studies.answers import keep_answers

    by_sheet: dict[AnswerFile, list[AnswerRecord]] = {}
    for sheet, given in waiting:
        by_sheet.setdefault(sheet, []).append(given)
    for sheet, given in by_sheet.items():
        keep_answers(sheet, given)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
