"""What panes without a slide say while a project is open: which of its slides comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.split_view import SplitView
    from viewer.ui.slides.start_page import StartPage


class ProjectWelcome(QObject):
    """Keeps the start pages of all panes in step with the open project."""

    slide_requested = Signal(object, object)
    """A SlidePane, and the Path of the slide that is wanted in it."""
    add_requested = Signal()
    """Slides are to be added to the project."""

    def __init__(self, opened: OpenProject, panes: SplitView, parent: QObject) -> None:
        super().__init__(parent)
        self._opened = opened
        self._panes = panes
        opened.changed.connect(self.show)
        opened.switched.connect(self.show)
        panes.watch(self._watch)

    def show(self) -> None:
        """Show the project as it is now, before who reads now."""
        for pane in self._panes.panes:
            self._show_on(pane.page.start)

    def _watch(self, pane: SlidePane) -> None:
        pane.page.start.go_on_requested.connect(lambda: self._go_on(pane))
        self._show_on(pane.page.start)

    def _show_on(self, page: StartPage) -> None:
        opened = self._opened
        if not opened.is_open or opened.folder is None:
            page.show_project("", "", "")
            return
        title = opened.project.shown_title or opened.folder.name
        count, done = len(opened.project.slides), opened.tally.states["done"]
        following = self._next()
        if not count:
            page.show_project(
                title, "No slides yet. Drop slides or a folder of slides on the list, or:",
                "Add slides...",
            )  # fmt: skip
        elif following is None:
            page.show_project(title, f"{done} of {count} done. Choose a slide in the list.", "")
        else:
            name = opened.name_of(following)
            sentence = f"{done} of {count} done. Choose a slide in the list, or go on with {name}:"
            page.show_project(title, sentence, "Open next slide")

    def _next(self) -> ProjectSlide | None:
        """Return the first slide that is not done and is there."""
        missing = self._opened.missing
        found = self._opened.worklist.next_unread(
            "", 1, lambda each: each.slide.state == "done" or each.key in missing
        )
        return found.slide if found is not None else None

    def _go_on(self, pane: SlidePane) -> None:
        following = self._next()
        if following is None:
            self.add_requested.emit()
        else:
            path: Path = self._opened.path_of(following)
            self.slide_requested.emit(pane, path)
