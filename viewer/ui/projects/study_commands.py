"""What is done with a study: its stages are ended, and its owner makes and opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtWidgets import QInputDialog, QLineEdit

from viewer.plurals import plural
from viewer.ui.file_dialogs import ask_file
from viewer.ui.opened_dialog import confirm, open_dialog
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, ReaderHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.studies.stages import Stage
    from viewer.studies.study_reader import StudyReader
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.projects.questions_panel import QuestionsPanel
    from viewer.ui.projects.stages_dialog import StagesDialog
    from viewer.ui.slides.slide_pane import SlidePane


class Questions(Protocol):
    """Questions of a study, and what is answered."""

    panel: QuestionsPanel

    def when_written(self, then: Callable[[], object]) -> None:
        """Call `then` once all answers are on the disk, or cannot be written now."""


class Asking(Protocol):
    """What asks the questions of a study."""

    @property
    def questions(self) -> Questions:
        """Return the questions, and what is answered."""
        ...


class StudyCommandsHost(MessageHost, DialogHost, PaneHost, CommandHost, ReaderHost, Protocol):
    """What the commands of a study ask of the window."""

    annotations: AnnotationsController

    @property
    def projects(self) -> Asking:
        """Return what asks the questions of a study."""
        ...


class KnownStudy(Protocol):
    """What the present reader sees of the open study."""

    @property
    def study(self) -> StudyReader | None:
        """Return what the reader may see; None without one, and while it is not known yet."""
        ...

    def identity_of(self, pane: SlidePane) -> str:
        """Return what the project calls the slide of a pane; "" where it is none of its slides."""
        ...

    def load(self) -> None:
        """Find out anew what the reader may see."""

    def take(self, known: StudyReader) -> None:
        """Show what the reader may see from now on."""

    def show_failure(self, error: Exception) -> None:
        """Say why the stages of the study cannot be read or ended."""


class StudyCommands:
    """Asks before it does what cannot be taken back."""

    def __init__(
        self,
        window: StudyCommandsHost,
        opened: OpenProject,
        known: KnownStudy,
        background: BackgroundRunner,
    ) -> None:
        self._window = window
        self._opened = opened
        self._known = known
        self._background = background
        window.commands.on("project.end_stage", self._ask_end)
        window.commands.on("project.blind", self._ask_blind)
        window.commands.on("project.unseal", self._ask_key)

    # Ending a stage --------------------------------------------------------------------------

    def _ask_end(self) -> None:
        study, pane = self._known.study, self._window.panes.active
        by_slide = self._opened.project.is_by_slide
        identity = self._known.identity_of(pane) if by_slide else ""
        if study is None or not study.project.stages:
            self._window.say("This project has no stages.")
            return
        if by_slide and not identity:
            self._window.say("Open a slide of the project: its stages are ended slide by slide.")
            return
        view = study.view(identity)
        if study.is_owner:
            self._window.say("You own this study: its readers end their stages.")
            return
        if not view.stage:
            self._window.say("You have no stage of this study.")
            return
        if view.is_over:
            self._window.say("You have ended all stages of this study.")
            return
        where = "on this slide" if by_slide else "on all slides"
        confirm(
            self._window.window(),
            "End stage",
            f'End the stage "{view.stage}" {where}?',
            f"{self._left(identity)}What you drew and answered in it cannot be changed afterwards.",
            "&End stage",
            lambda: self._end(study, identity),
        )

    def _left(self, identity: str) -> str:
        """Return the sentence that says what is not done yet; "" where all is."""
        slides = self._opened.project.slides
        if identity:
            is_left = any(each.identity == identity and each.state != "done" for each in slides)
            return "This slide is not marked as done. " if is_left else ""
        left = len(slides) - self._opened.tally.states["done"]
        if not left:
            return ""
        are = "is" if left == 1 else "are"
        return f"{left:,} of {plural(len(slides), 'slide')} {are} not marked as done. "

    def _end(self, study: StudyReader, identity: str) -> None:
        from viewer.studies.blinding import end_stage

        window = self._window
        window.projects.questions.panel.finish()

        def ended(after: StudyReader) -> None:
            if (after.folder, after.reader) == (self._opened.folder, self._window.reader.name):
                self._known.take(after)
                view = after.view(identity)
                window.say(
                    "You have ended all stages of this study."
                    if view.is_over
                    else f'The stage "{view.stage}" begins.'
                )

        # What was answered and drawn last is written before the key of the stage is forgotten.
        window.annotations.when_written(
            lambda: window.projects.questions.when_written(
                lambda: self._background.run(
                    lambda: end_stage(study, identity), ended, self._known.show_failure
                )
            )
        )

    # The owner -------------------------------------------------------------------------------

    def _ask_blind(self) -> None:
        from viewer.ui.projects.stages_dialog import StagesDialog

        folder, project = self._opened.folder, self._opened.project
        if folder is None:
            return
        dialog = StagesDialog(project, self._window.window())
        dialog.given.connect(
            lambda stages, by_slide, recovery: self._blind(
                folder, stages, by_slide, recovery, dialog
            )
        )
        open_dialog(dialog)

    def _blind(
        self,
        folder: Path,
        stages: list[Stage],
        by_slide: bool,
        recovery: tuple[Path, str] | None,
        dialog: StagesDialog,
    ) -> None:
        from viewer.studies.blinding import blind_project

        owner = self._window.reader.name

        def done(_: object) -> None:
            dialog.accept()
            self._opened.look_again()
            self._window.say("The study has stages now; what is drawn and answered is sealed.")

        self._background.run(
            lambda: blind_project(folder, stages, owner, recovery, is_by_slide=by_slide),
            done,
            lambda error: dialog.tell(str(error)),
        )

    def _ask_key(self) -> None:
        """The owner at another machine: by the recovery file and its passphrase."""
        if not self._opened.project.owner_key:
            self._window.say("Nothing is sealed in this project.")
            return
        ask_file(self._window.window(), "Recovery file of the study's owner", self._ask_passphrase)

    def _ask_passphrase(self, path: Path) -> None:
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("Open what is sealed")
        dialog.setLabelText(f"Passphrase of {path.name}:")
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
        dialog.textValueSelected.connect(lambda text: self._open_with(path, text))
        open_dialog(dialog)

    def _open_with(self, path: Path, passphrase: str) -> None:
        from viewer.studies.study_keys import take_owner_key

        project, reader = self._opened.project, self._window.reader.name

        def done(_: object) -> None:
            self._known.load()
            self._window.say("What is sealed in this study is open to you now.")

        self._background.run(
            lambda: take_owner_key(project, reader, path, passphrase),
            done,
            lambda error: self._window.show_error(str(error)),
        )
