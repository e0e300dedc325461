"""The active pane's slide, in everything round it: title, bars and panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from viewer.slides.composites import first_displays
from viewer.ui.services import PaneHost

if TYPE_CHECKING:
    from viewer.ui.projects.controller import ProjectsController
    from viewer.ui.shell.frame import WindowFrame
    from viewer.ui.slides.associated_panel import AssociatedPanel
    from viewer.ui.slides.display_panel import DisplayPanel
    from viewer.ui.slides.properties_panel import PropertiesPanel
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.slides_panel import SlidesPanel
    from viewer.ui.slides.worklist import WorklistController
    from viewer.ui.status_bar import WindowStatusBar
    from viewer.ui.view_commands import ViewCommands

TITLE = "Coverslip"


class ActiveSlideHost(PaneHost, Protocol):
    """The parts of a window that tell of the active pane's slide."""

    frame: WindowFrame
    status: WindowStatusBar
    slides: SlidesPanel
    display: DisplayPanel
    properties: PropertiesPanel
    associated: AssociatedPanel
    projects: ProjectsController
    worklist: WorklistController

    def setWindowTitle(self, title: str, /) -> None:
        """Show a title, as every widget does."""


class ActiveSlide:
    """Shows what belongs to the pane that is active, and follows it."""

    def __init__(self, window: ActiveSlideHost, commands: ViewCommands) -> None:
        self._window = window
        self._commands = commands

    def watch(self, pane: SlidePane) -> None:
        """Follow what a pane shows while it is active."""
        pane.view_changed.connect(lambda which, _: self._on_view_changed(which))
        pane.status_changed.connect(self._on_status_changed)
        pane.canvas.look_changed.connect(lambda _: self._on_look_changed(pane))

    def show(self) -> None:
        """Show the active pane's slide in all parts."""
        window, pane = self._window, self._window.panes.active
        source = pane.source
        self.show_names()
        window.associated.show_slide(source)
        window.status.show_pane(pane)
        self._show_zoom(pane)
        self._show_look(pane)
        window.slides.show_open(pane.path, source.info.identity if source is not None else "")

    def show_names(self) -> None:
        """Call the slide as the study lets it be called for who reads now."""
        window, pane = self._window, self._window.panes.active
        hidden = window.projects.study.hides(pane)
        name = pane.name_of(pane.named_path) if pane.named_path is not None else ""
        window.setWindowTitle(f"{name} - {TITLE}" if name else TITLE)
        window.frame.top_bar.show_name(
            window.worklist.title_of(pane, name), window.worklist.label_of(pane)
        )
        is_hidden = "names" in hidden
        path = None if is_hidden else pane.path
        window.properties.show_slide(
            pane.source, pane.canvas.optics, path, pane.mpp_origin, hides_names=is_hidden
        )
        window.associated.hide_label("labels" in hidden)

    def _on_view_changed(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active:
            self._window.status.show_pane(pane)
            self._show_zoom(pane)

    def _on_status_changed(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active:
            self._window.status.show_pane(pane)

    def _on_look_changed(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active:
            self._show_look(pane)
            self._window.status.show_pane(pane)

    def _show_zoom(self, pane: SlidePane) -> None:
        canvas = pane.canvas
        downsample = canvas.view.downsample if pane.source is not None else None
        self._window.frame.top_bar.show_magnification(
            None if downsample is None else canvas.optics.magnification(downsample)
        )

    def _show_look(self, pane: SlidePane) -> None:
        source, look = pane.source, pane.canvas.look
        if source is not None and not look.channels:
            look = replace(look, channels=first_displays(source.info.axes))
        has_profile = source is not None and source.info.icc_profile is not None
        stain_problem = pane.stain_problem if source is not None else ""
        self._window.display.show_look(
            look if source is not None else None,
            has_profile=has_profile,
            profile_problem=pane.profile_problem,
            stain_problem=stain_problem,
        )
        self._commands.show_look(look, stain_problem)
