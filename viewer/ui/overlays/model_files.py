"""Adds, updates and removes models, and asks for the files of models and results."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.errors import sentence_of
from viewer.progress import progress_to
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_file, ask_folder
from viewer.ui.long_task import StoppedError
from viewer.ui.opened_dialog import confirm
from viewer.ui.reading_bar import ReadingBar
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.ui.overlays.services import ListedResults
    from viewer.ui.reading_bar import Reading

_log = logging.getLogger(__name__)


class ModelFilesHost(MessageHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What files of models and results ask of the window."""


class ModelFiles(QObject):
    """Owned by the part, whose list it changes; `shut_down` ends the trials of models.

    Attributes
    ----------
    trying
        Says which model is tried, and ends it.
    """

    def __init__(
        self,
        window: ModelFilesHost,
        listed: ListedResults,
        background: BackgroundRunner,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._listed = listed
        self._background = background
        self._trials = BackgroundRunner("models tried", 1, self)  # of its own, as one takes long
        self._tried: list[Reading] = []
        self.trying = ReadingBar(window.window(), lambda: window.panes)
        commands = window.commands
        commands.on("overlays.add_model", lambda: self._ask("Folder of a model", self.add))
        commands.on("overlays.add_model_file", self._ask_file)
        commands.on("overlays.import_results", self._ask_results)

    def add(self, path: Path, former: ModelBundle | None = None) -> None:
        """Add a model from a folder, file or zip file, and turn it on in the active pane.

        It works once, confined, before; the user can end that. One of the name of `former` takes
        its place.
        """
        from viewer.inference.models.model_library import add_model, all_models, remove_model

        trial = self.trying.begin(path.name, "Trying the model")
        self._tried.append(trial)

        def work() -> tuple[ModelBundle, list[ModelBundle]]:
            trial.tell(0.0)
            with progress_to(trial.tell):
                added = add_model(path, tries=True)
            if former is not None and former.name == added.name and former.key != added.key:
                remove_model(former.folder.name)
            return added, all_models()

        def done(result: tuple[ModelBundle, list[ModelBundle]]) -> None:
            self._end(trial)
            added, models = result
            self._listed.show_models(models, added)
            is_other = former is not None and former.name != added.name
            beside = f" {former.name} is kept beside it." if former and is_other else ""
            self._window.say(f"The model {added.name} was added.{beside}")

        def failed(error: Exception) -> None:
            self._end(trial)
            if isinstance(error, StoppedError):
                self._window.say(f"Canceled: {path.name} was not added.")
            else:
                self.show_refusal(error)

        self._trials.run(work, done, failed)

    def shut_down(self) -> None:
        """End the trials of models that are not over."""
        for trial in self._tried:
            trial.stop()
        self._trials.close(finish=True)

    def _end(self, trial: Reading) -> None:
        self._tried.remove(trial)
        trial.finish()

    def remove(self, model: ModelBundle) -> None:
        """Remove an added model from this machine; what it found is kept."""
        from viewer.inference.models.model_library import all_models, remove_model

        def work() -> list[ModelBundle]:
            remove_model(model.folder.name)
            return all_models()

        def done(models: list[ModelBundle]) -> None:
            self._listed.show_models(models)
            self._window.say(f"{model.name} {model.version} was removed.")

        self._window.say(f"Removing {model.name} {model.version}...")
        self._background.run(work, done, self.show_refusal)

    def show_refusal(self, error: Exception) -> None:
        """Say why a model or file is not used."""
        self._window.show_error(sentence_of(error, _log, "a model or file could not be added"))

    def ask_update(self, model: ModelBundle) -> None:
        """Ask for the folder of a newer version."""
        self._ask(f"Folder of a newer {model.name}", lambda path: self.add(path, model))

    def ask_removal(self, model: ModelBundle) -> None:
        """Remove a model once the user has agreed."""
        confirm(
            self._window.window(),
            "Remove model",
            f"Remove {model.name} {model.version} from this machine?",
            "What it found is kept, and shown once it is added again.",
            "Remove",
            lambda: self.remove(model),
        )

    def _ask(self, title: str, take: Callable[[Path], object]) -> None:
        ask_folder(self._window.window(), title, take, shows_files=True)

    def _ask_file(self) -> None:
        ask_file(self._window.window(), "File or zip file of a model", self.add)

    def _ask_results(self) -> None:
        from viewer.overlays.files.result_files import RESULT_SUFFIXES

        pane = self._window.panes.active
        ask_file(
            self._window.window(),
            "Results for this slide",
            lambda path: self._listed.take_results(path, pane),
            filters=[f"Results ({' '.join(f'*{end}' for end in RESULT_SUFFIXES)})"],
        )
