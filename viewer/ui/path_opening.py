"""Opens whatever the user drops, chooses or names: slides, folders, projects, models, results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.slides.remote.address import is_address
from viewer.suffixes import QUPATH_PROJECT
from viewer.ui.annotations.files import dropped_suffixes
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.dropped_files import DroppedFiles, DroppedFilesHost
from viewer.ui.services import OpeningHost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.ui.projects.controller import ProjectsController
    from viewer.ui.slides.folder_slides import FolderSlides
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.slides_panel import SlidesPanel


class PathOpeningHost(DroppedFilesHost, OpeningHost, Protocol):
    """What opening paths asks of the window."""

    folder: FolderSlides
    projects: ProjectsController
    slides: SlidesPanel


class PathOpening(QObject):
    """Owned by the window; `shut_down` ends its threads."""

    def __init__(self, window: PathOpeningHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._sorter = BackgroundRunner("look at paths", 2, self)
        self._dropped = DroppedFiles(window)
        self._folder_pane: tuple[SlidePane, int] | None = None
        """Where and at which turn the first slide of the folder that is being listed opens; None
        for nowhere."""
        self._asked = self._listed = 0
        """How often something was asked for, and which of that filled the list of slides."""
        window.slides.open_requested.connect(self._open_listed)
        window.folder.listed.connect(self._on_folder_listed)

    def open(self, paths: Sequence[Path], pane: SlidePane) -> None:
        """Open slides, folders, projects and models.

        A folder with a model in it is added to the models and turned on. Another folder, or the
        slides if there are several, are listed; the first slide opens in `pane`. What is asked
        for later wins, in whatever order the drives answer.
        """
        self._asked += 1
        asked, turn = self._asked, pane.take_turn()
        self._sorter.run(
            lambda: [(path, _kind(path)) for path in paths],
            lambda sorted_paths: self._open_sorted(sorted_paths, pane, asked, turn),
        )

    def shut_down(self) -> None:
        """End the threads."""
        self._sorter.close()

    def _open_sorted(
        self, paths: list[tuple[Path, str]], pane: SlidePane, asked: int, turn: int
    ) -> None:
        window = self._window
        folders = [path.absolute() for path, kind in paths if kind == "folder"]
        slides = [path.absolute() for path, kind in paths if kind == "slide"]
        for path in [path for path, kind in paths if kind == "model"]:
            window.overlays.take_model(path)
        projects = [path for path, kind in paths if kind == "project"]
        if (projects or folders or len(slides) > 1) and asked > self._listed:
            self._listed = asked
            for path in projects:
                window.projects.open(path)
            if folders:
                self._folder_pane = (pane, turn) if not slides else None
                window.folder.show_folder(folders[0])
            elif len(slides) > 1:
                window.folder.show_slides(slides)
                window.slides.show_list(window.folder)
            if folders or len(slides) > 1:
                window.slides.show()
        if slides and pane in window.panes.panes:
            pane.open(slides[0], turn=turn)
        files = [each for each in paths if each[1] in ("annotations", "results")]
        self._dropped.take(files, slides, pane)

    def _open_listed(self, path: Path, beside: bool) -> None:
        """Open a slide of the list in the active pane, or beside it."""
        panes = self._window.panes
        if beside and not panes.has_room:
            self._window.say("There are four panes already: close one to open another beside.")
            return
        if beside:
            panes.add_pane()
        self._window.open_slide(path)

    def _on_folder_listed(self, first: Path) -> None:
        """Show the slides of a folder, and the first of them."""
        window = self._window
        window.slides.show_list(window.folder)
        meant, self._folder_pane = self._folder_pane, None
        if meant is None:
            return
        pane, turn = meant
        if pane in window.panes.panes:
            pane.open(first, turn=turn)
        else:
            window.panes.active.open(first)


def _kind(path: Path) -> str:
    from viewer.annotations.formats.sniffing import holds_annotations
    from viewer.inference.layouts.known import is_model
    from viewer.overlays.files.result_files import RESULT_SUFFIXES
    from viewer.slides.files.slide_folders import is_slide_folder, is_zarr_zip
    from viewer.studies.project_file import is_project

    suffix = path.suffix.lower()
    if is_address(path):
        return "slide"
    if is_model(path):
        return "model"
    if is_project(path) or suffix == QUPATH_PROJECT:
        return "project"
    if is_zarr_zip(path) or is_slide_folder(path):
        return "slide"
    if not path.is_dir():
        if suffix in dropped_suffixes() and holds_annotations(path):
            return "annotations"
        return "model" if suffix == ".zip" else "results" if suffix in RESULT_SUFFIXES else "slide"
    return "folder"
