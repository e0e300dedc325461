"""A study in a window: in which stage the reader is, and what that hides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.projects.study_commands import StudyCommands, StudyCommandsHost
from viewer.ui.services import SettingsHost

if TYPE_CHECKING:
    from viewer.annotations.sets.records import Sealer
    from viewer.recording.library import SessionSummary
    from viewer.studies.answers import AnswerFile, AnswerRecord
    from viewer.studies.progress import Progress
    from viewer.studies.project import Project, SlideState
    from viewer.studies.reader_sets import ReaderSlide
    from viewer.studies.stages import Hidden, ReaderView
    from viewer.studies.study_reader import StudyReader
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)


class _SeenAs(NamedTuple):
    """How a project is seen, and by what that was found out."""

    study: StudyReader | None
    progress: Progress
    project: Project
    seen: Project


class StudyHost(StudyCommandsHost, SettingsHost, Protocol):
    """What a study asks of the window."""

    overlays: OverlaysController
    recording: RecordingController

    def show_names(self) -> None:
        """Call slides as the study lets them be called."""


class StudyController(QObject):
    """Owned by the window's part; the one place that says what a reader sees of a study.

    Until it is known in which stage the reader is, all that any stage hides is hidden.
    """

    changed = Signal()
    """The reader, the stage, or what is hidden is another."""

    def __init__(self, window: StudyHost, opened: OpenProject) -> None:
        super().__init__(window.window())
        self._window = window
        self._opened = opened
        self._background = BackgroundRunner("study", 1, self)
        self._known: StudyReader | None = None
        self._seen: object = None
        self._progress: Progress = {}
        self._moved: set[str] = set()
        """Identities of slides on which the reader came further since the project was seen last."""
        self._seen_as: _SeenAs | None = None
        opened.seen_by_reader = self._as_seen
        opened.keep_states = self._keep_states
        opened.hides_names = lambda: "names" in self.hides_of("")
        opened.switched.connect(self._refresh)
        opened.changed.connect(self._refresh)
        window.reader.changed.connect(self._refresh)
        window.annotations.slide_of = self.slide_of
        window.overlays.hidden_by = self.why_no_ai
        window.recording.panels.library.hides = self.hides_session
        window.recording.panels.library.name_of = self.name_of_slide
        self._commands = StudyCommands(window, opened, self, self._background)
        window.panes.active_changed.connect(lambda _: self.changed.emit())
        self.changed.connect(self._show)

    def shut_down(self) -> None:
        """Finish what is being written."""
        self._background.close(finish=True)

    @property
    def study(self) -> StudyReader | None:
        """Return what the present reader may see in the open project.

        None without one, and while it is not known yet.
        """
        from viewer.studies.study_reader import StudyReader

        folder, project, reader = self._opened.folder, self._opened.project, self._reader
        if folder is None:
            return None
        if not project.stages:
            return StudyReader(folder, project, reader)
        known = self._known
        if known is None or (known.folder, known.reader) != (folder, reader):
            return None
        return known if known.project.stages == project.stages else None

    def view(self, identity: str) -> ReaderView | None:
        """Return what the reader sees of a slide of the project, by its name there."""
        study = self.study
        return study.view(identity) if study is not None else None

    def hides_of(self, identity: str) -> frozenset[Hidden]:
        """Return what is hidden of a slide of the project; "" stands for the project as a whole."""
        view = self.view(identity)
        if view is not None:
            return view.hides
        stages = self._opened.project.stages
        return frozenset().union(*(stage.hides for stage in stages))

    def hides(self, pane: SlidePane) -> frozenset[Hidden]:
        """Return what is hidden of the slide of a pane; nothing of one outside of the project."""
        identity = self.identity_of(pane)
        return self.hides_of(identity) if identity else frozenset()

    def identity_of(self, pane: SlidePane) -> str:
        """Return what the project calls the slide of a pane; "" where it is none of its slides."""
        source = pane.source
        slide = self._opened.project.slide(source.info.identity) if source is not None else None
        return slide.identity if slide is not None else ""

    def reader_of_views(self) -> str:
        """Return under whose name last views are kept: a stage that hides earlier ones has its own.

        A view says where the reader looked, so that it would lead them in a second reading.
        """
        name = self._reader
        if "earlier" not in self.hides_of(""):
            return name
        view = self.view("")
        return "\0".join((name, self._opened.project.id, view.stage if view is not None else "?"))

    def why_no_ai(self, pane: SlidePane) -> str:
        """Return why no model and no agent may be used on a slide; "" where they may."""
        if "ai" not in self.hides(pane):
            return ""
        view = self.view(self.identity_of(pane))
        where = f' "{view.stage}"' if view is not None and view.stage else ""
        return f"The study hides models and agents in this stage{where}."

    @property
    def stage_text(self) -> str:
        """Return in which stage the reader is, and what is hidden in it; "" without stages."""
        from viewer.studies.stages import HIDDEN, HIDDEN_TEXTS

        project = self._opened.project
        if not project.stages or not self._opened.is_open:
            return ""
        study = self.study
        if study is None:
            return "The study is being opened."
        if study.is_owner:
            return "You own this study: nothing is hidden from you."
        if project.unsealed_utc:
            return "The owner has opened this study: nothing is hidden any more."
        by_slide = project.is_by_slide
        view = study.view(self.identity_of(self._window.panes.active) if by_slide else "")
        hidden = ", ".join(HIDDEN_TEXTS[each] for each in HIDDEN if each in view.hides)
        where = f'Stage "{view.stage}"' if view.stage else "You have no stage of this study"
        over = ", ended" if view.is_over and view.stage else ""
        return f"{where}{over}. Hidden: {hidden or 'nothing'}."

    @property
    def sealed_sentence(self) -> str:
        """Return what an export leaves out because it is sealed from the reader; "" for nothing."""
        study = self.study
        return study.sealed_sentence if study is not None else ""

    def slide_of(self, pane: SlidePane) -> ReaderSlide | None:
        """Return a pane's slide as the reader has it; None while a study is being opened."""
        from viewer.studies.reader_sets import ReaderSlide

        source = pane.source
        if source is None:
            return None
        beside, reader = self._window.settings.annotations_beside, self._window.reader.name
        own, identity = self.identity_of(pane), source.info.identity
        if not own:
            return ReaderSlide(identity, pane.path, beside, reader)
        study = self.study
        if study is None:
            return None
        return ReaderSlide(identity, pane.path, beside, reader, study, own)

    def answer_file(self, sheet: AnswerFile) -> AnswerFile | None:
        """Return where answers go in the stage that the reader is in, and which are read.

        None while a study is being opened.
        """
        from dataclasses import replace

        study = self.study
        if self._opened.folder is None or not self._opened.project.stages:
            return sheet
        if study is None:
            return None
        view = study.view(sheet.identity)
        reads = None
        if view.stage:
            earlier = () if "earlier" in view.hides else ("", *view.earlier)
            reads = (*earlier, view.stage)
        return replace(sheet, stage=view.stage, reads=reads, sealer=lambda: study.sealer(view))

    def can_answer(self, identity: str) -> bool:
        """Return whether the reader may still answer on a slide."""
        view = self.view(identity)
        return view is None or not view.is_over

    def answers_sealer(self, _reader: str) -> Sealer | None:
        """Return what opens answers for the present reader; for worker threads."""
        study = self.study
        return study.sealer_of_answers() if study is not None else None

    def shows_answer(self, given: AnswerRecord) -> bool:
        """Return whether the present reader may see an answer."""
        study = self.study
        if study is None:
            return not self._opened.project.stages
        return study.shows_answer(given)

    def hides_session(self, summary: SessionSummary) -> bool:
        """Return whether the present reader may not see a recorded session."""
        header = summary.header
        slide = self._opened.project.slide(header.slide.identity) if header is not None else None
        if header is None or slide is None:
            return False
        hides, view = self.hides_of(slide.identity), self.view(slide.identity)
        if header.origin == "agent":
            return "ai" in hides
        if header.reader != self._reader:
            return "others" in hides
        if "earlier" not in hides:
            return False
        study = self.study
        began_utc = max((each.ended_utc for each in study.ends), default="") if study else ""
        is_of_stage = header.study == self._opened.project.study and view is not None
        return not (is_of_stage and header.started_utc >= began_utc)

    def name_of_slide(self, identity: str, name: str) -> str:
        """Return what a slide is called before the present reader; by its number where hidden."""
        if not self._opened.is_open or not self._opened.hides_names():
            return name
        slide = self._opened.project.slide(identity)
        return name if slide is None else self._opened.name_of(slide)

    # -----------------------------------------------------------------------------------------

    @property
    def _reader(self) -> str:
        return self._window.reader.name

    def _refresh(self) -> None:
        """Find out where the reader is, where that can be another than before."""
        folder, project, reader = self._opened.folder, self._opened.project, self._reader
        seen = (
            folder, reader, project.id, project.stages, project.owner_key, project.unsealed_utc,
            project.is_by_slide, project.numbers, project.renames,
        )  # fmt: skip
        if seen == self._seen:
            return
        self._seen = seen
        if folder is None or not project.stages:
            self._known = None
            self.changed.emit()
            return
        self.changed.emit()  # hidden until it is known
        self._opened.show_states()
        self.load()

    def load(self) -> None:
        """Find out anew what the reader may see."""
        from viewer.studies.progress import read_progress
        from viewer.studies.study_reader import study_reader

        folder, project, reader = self._opened.folder, self._opened.project, self._reader
        if folder is None:
            return
        self._background.run(
            lambda: (study_reader(folder, project, reader), read_progress(folder)),
            lambda found: self._on_loaded(*found),
            self.show_failure,
        )

    def take(self, known: StudyReader) -> None:
        """Show what the reader may see from now on."""
        self._on_loaded(known, self._progress)

    def _on_loaded(self, known: StudyReader, progress: Progress) -> None:
        self._known = known
        self._progress = progress
        self.changed.emit()
        self._opened.show_states()

    def _as_seen(self, project: Project) -> Project:
        from viewer.studies.progress import seen_again, seen_by

        known = self._known
        is_of_it = known is not None and (known.folder, known.reader, known.project.stages) == (
            self._opened.folder, self._reader, project.stages,
        )  # fmt: skip
        study, before, moved = known if is_of_it else None, self._seen_as, self._moved
        if before is not None and before.study is study and before.progress is self._progress:
            seen = seen_again(before.seen, before.project, project, study, self._progress, moved)
        else:
            seen = seen_by(project, study, self._progress)
        self._moved, self._seen_as = set(), _SeenAs(study, self._progress, project, seen)
        return seen

    def _keep_states(self, states: dict[str, SlideState]) -> None:
        """Keep how far the reader is in this stage; the owner of a study reads in none."""
        from viewer.studies.progress import write_progress

        folder, study, reader = self._opened.folder, self.study, self._reader
        if folder is None:
            return
        if study is None:
            if "done" in states.values():
                self._window.say("The study is still being opened: try again in a moment.")
            return
        stages = {identity: study.view(identity).stage for identity in states}
        kept: dict[tuple[str, str], SlideState] = {
            (stages[key], key): state for key, state in states.items() if stages[key]
        }
        for (stage, identity), state in kept.items():
            self._progress[reader, stage, identity] = state
            self._moved.add(identity)
        if kept:
            self._background.run(
                lambda: write_progress(folder, reader, kept),
                lambda _: None,
                lambda error: self._window.show_error(
                    f"How far you are is not saved ({error}): see that the project can be written."
                ),
                keeps="How far you are in the study",
            )

    def show_failure(self, error: Exception) -> None:
        """Say why the stages of the study cannot be read or ended."""
        if not isinstance(error, OSError):
            _log.error("a study cannot be used", exc_info=error)
        self._window.show_error(f"The stages of this study cannot be read ({error}).")

    def _show(self) -> None:
        """What is hidden goes from the screen at once."""
        window = self._window
        window.annotations.refresh()
        window.overlays.end_hidden()
        window.recording.panels.refresh()
        window.show_names()
        window.update_situation()
