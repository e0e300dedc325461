"""The main window: puts panes, panels, commands and the status bar together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QMainWindow

from viewer.audit_log import keep_audit, trail
from viewer.canvas.qt_guard import failures, guarded
from viewer.files.atomic_write import remove_abandoned
from viewer.folders import own_folders
from viewer.policy import read_policy
from viewer.stand_in import stand_in
from viewer.ui.actions import ActionSet
from viewer.ui.active_slide import ActiveSlide
from viewer.ui.agents.controller import AgentsController
from viewer.ui.alignment.controller import AlignmentController
from viewer.ui.annotations.controller import AnnotationsController
from viewer.ui.annotations.toolbox import Toolbox
from viewer.ui.background_runner import BackgroundRunner, Urgency
from viewer.ui.batch.controller import BatchController
from viewer.ui.cells.controller import CellsController
from viewer.ui.commands import merged_bindings
from viewer.ui.counting.controller import CountingController
from viewer.ui.current_reader import CurrentReader
from viewer.ui.figures.controller import FigureController
from viewer.ui.file_commands import FileCommands
from viewer.ui.home_notice import HomeNotice
from viewer.ui.menus import build_menus
from viewer.ui.overlays.controller import OverlaysController
from viewer.ui.overlays.recorded_overlays import RecordedOverlays
from viewer.ui.palette import CommandPalette
from viewer.ui.panel_places import place_panels
from viewer.ui.path_opening import PathOpening
from viewer.ui.projects.controller import ProjectsController
from viewer.ui.recent import RecentMenu, with_recent
from viewer.ui.recording.controller import RecordingController
from viewer.ui.settings_in_force import SettingsInForce
from viewer.ui.shell.frame import WindowFrame
from viewer.ui.situation import situation_of
from viewer.ui.slides.associated_panel import AssociatedPanel
from viewer.ui.slides.channels_controller import ChannelsController
from viewer.ui.slides.display_panel import DisplayPanel
from viewer.ui.slides.folder_slides import FolderSlides
from viewer.ui.slides.properties_panel import PropertiesPanel
from viewer.ui.slides.slides_panel import SlidesPanel
from viewer.ui.slides.split_view import SplitView
from viewer.ui.slides.worklist import WorklistController
from viewer.ui.status_bar import WindowStatusBar
from viewer.ui.teaching.cells_controller import CellsTeachingController
from viewer.ui.teaching.outlines_controller import OutlinesController
from viewer.ui.teaching.pixels_controller import PixelsController
from viewer.ui.tma.controller import TmaController
from viewer.ui.tours.controller import ToursController, sample_slide
from viewer.ui.view.controller import ViewController
from viewer.ui.view_commands import ViewCommands
from viewer.ui.widgets import NoticeBar
from viewer.ui.window_state import restore_window_state, save_window_state
from viewer.ui.writing.controller import WritingController

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent

    from viewer.canvas.tile_picture import TilePicture
    from viewer.settings import Settings
    from viewer.tiles.cache import TileCache
    from viewer.ui.commands.command import Situation
    from viewer.ui.help_window import HelpWindow
    from viewer.ui.slides.slide_pane import SlidePane


class MainWindow(QMainWindow):
    """One window of the application.

    Parameters
    ----------
    settings
        As kept; the window keeps every change of them.
    cache
        The application's tiles.
    """

    def __init__(self, settings: Settings, cache: TileCache[TilePicture]) -> None:
        super().__init__()
        stand_in.ensure()
        keep_audit()
        self._situation: Situation | None = None
        self._state_before = Qt.WindowState.WindowNoState
        self._writer = BackgroundRunner("write file", 1, self)
        self._tidying = BackgroundRunner("remove what was left", 1, self)
        self._settings = SettingsInForce(self, settings, cache, self._writer)
        self.setAcceptDrops(True)
        self.reader = CurrentReader(
            lambda: self.settings.reader, lambda name: self.change_settings(reader=name), self
        )
        self.commands = ActionSet(self, merged_bindings(settings.shortcuts))
        self.menus = build_menus(self.menuBar(), self.commands)
        # Where they are to stand at once: each other parent later styles all of a widget anew.
        self.frame = WindowFrame(self.commands, self)
        self.setCentralWidget(self.frame)
        self.panes = SplitView(cache, self.frame.column)
        self.banner = NoticeBar(self)
        self.settings_bar = NoticeBar(self)
        """What of the settings could not be read; apart, so that no later trouble takes it away."""
        self.home_notice = HomeNotice(self)
        self.status = WindowStatusBar(self)
        self.setStatusBar(self.status)
        self.slides = SlidesPanel(self)
        self.folder = FolderSlides(self.slides)
        self.slides.add_list("Folder", self.folder)
        self.display = DisplayPanel(self)
        self.properties = PropertiesPanel(self)
        self.associated = AssociatedPanel(self)
        self.recent_menu = RecentMenu(self)
        self.recent_menu.slide_chosen.connect(self.open_slide)
        self.recent_menu.forget_requested.connect(lambda: self.change_settings(recent_slides=[]))
        self.menus["File"].insertMenu(self.commands["file.close"], self.recent_menu)
        self.palette_box = CommandPalette(self.commands, self)
        self._active_slide = ActiveSlide(self, ViewCommands(self.commands, self.panes, self.say))
        self.file_commands = FileCommands(self, self.commands, self._writer)
        self.overlays = OverlaysController(self)
        self.toolbox = Toolbox(self)
        self.recording = RecordingController(self)
        self.annotations = AnnotationsController(self)
        self.annotations.opened.connect(
            lambda each: self.toolbox.take_desk(each.pane, each.desk, each.layer)
        )
        self.annotations.closing.connect(lambda each: self.toolbox.release(each.pane))
        self.cells = CellsController(self)
        self.teaching = CellsTeachingController(self)
        self.pixels = PixelsController(self)
        self.outlines = OutlinesController(self)
        self.counting = CountingController(self)
        self.tma = TmaController(self)
        self.alignment = AlignmentController(self)
        self.figures = FigureController(self)
        self.writing = WritingController(self, lambda: self.worklist.paths)
        self.projects = ProjectsController(self)
        RecordedOverlays(self.overlays, self.recording.control, lambda: self.settings, self)
        self.worklist = WorklistController(self, cache)
        self.agents = AgentsController(self)
        self.projects.study.changed.connect(self.agents.end_hidden)
        self.batch = BatchController(self)
        self._panels = place_panels(self)
        self.tours = ToursController(self)
        self.opening = PathOpening(self)
        self.view = ViewController(self)
        self.channels = ChannelsController(self)
        self._help: HelpWindow | None = None
        self.commands.on("help.page", lambda: self.help.show_page_of(self._front_panel))
        self._connect()
        for pane in self.panes.panes:
            self._connect_pane(pane)
        self._failed_places: set[str] = set()
        failures.failed.connect(self._on_handler_failed, Qt.ConnectionType.QueuedConnection)
        self._restore_state()
        self._settings.apply()
        self._show_active()
        self._tidying.run(
            lambda: [remove_abandoned(each) for each in own_folders()],
            lambda _: None,
            urgency=Urgency.REST,
        )
        if problem := read_policy().problem:
            self.show_error(problem)

    # What others ask of the window -----------------------------------------------------------

    def open_paths(self, paths: Sequence[Path], pane: SlidePane | None = None) -> None:
        """Open slides, folders, projects and models; see `PathOpening.open`."""
        self.opening.open(paths, pane or self.panes.active)

    def open_slide(self, path: Path, image: int | None = None) -> None:
        """Open one slide in the active pane, or one image of a file that holds several."""
        self.panes.active.open(path.absolute(), image)

    def open_as_channels(self, paths: Sequence[Path]) -> None:
        """Open slides of the same field in the active pane as channels of one slide."""
        if len(paths) < 2:
            self.say("Choose two slides or more of the same field.")
            return
        first, *others = (path.absolute() for path in paths)
        self.panes.active.open(first, None, tuple(others))

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self._settings.current

    @property
    def help(self) -> HelpWindow:
        """Return the window of the documents; made when it is first asked for."""
        if self._help is None:
            from viewer.ui.help_window import HelpWindow

            self._help = HelpWindow(self)
        return self._help

    def say(self, sentence: str) -> None:
        """Show a sentence in the status bar for a while."""
        self.status.say(sentence)

    def show_error(self, sentence: str) -> None:
        """Show a lasting trouble in a red banner over the panes; "" takes it away."""
        self.banner.hide()
        if sentence:
            self.status.clearMessage()  # such as that a file is being read, which it is no more
            self.banner.tell(sentence, "error")

    def change_settings(self, **changes: object) -> None:
        """Take new values of settings into use and keep them."""
        self._settings.change(**changes)

    def _on_handler_failed(self, place: str, sentence: str) -> None:
        """Say once what failed: a paint fails again with each frame."""
        if place not in self._failed_places:
            self._failed_places.add(place)
            self.say(sentence)

    # Qt's events -----------------------------------------------------------------------------

    @guarded()
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped_paths(event):
            event.acceptProposedAction()

    @guarded()
    def dropEvent(self, event: QDropEvent) -> None:
        paths = _dropped_paths(event)
        if not paths:
            return
        event.acceptProposedAction()
        pane = self.panes.pane_at(self.panes.mapFrom(self, event.position().toPoint()))
        self.panes.activate(pane)
        self.open_paths(paths, pane)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves the microscope mode, or goes back to the slide; others want it first."""
        if event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
        elif self.isFullScreen():
            self._set_full_screen(full=False)
        else:
            self.panes.active.focus()

    @guarded(fallback=False)
    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go on by Tab as the window looks: Qt would go by what was made first."""
        widget = self.frame.next_focus(self.status, forward=forward)
        if widget is None:
            return False
        reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
        widget.setFocus(reason)
        return True

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.commands.recolor()
        elif event.type() == QEvent.Type.WindowStateChange:
            self.commands["view.full_screen"].setChecked(self.isFullScreen())
            if self.view.is_bare and not self.isFullScreen():
                self.view.set_microscope(on=False)  # the desktop ended the full screen

    @guarded()
    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the window's state, free the slides and end all threads."""
        if not self.home_notice.may_close():
            event.ignore()
            return
        steps: list[Callable[[], object]] = [
            self.home_notice.begin_end,
            self.panes.finish,
            lambda: save_window_state(self, self.frame.state()),
            self.annotations.shut_down,
            self.toolbox.shut_down,
            self.teaching.shut_down,
            self.cells.shut_down,
            self.pixels.shut_down,
            self.outlines.shut_down,
            self.counting.shut_down,
            self.tma.shut_down,
            self.alignment.shut_down,
            self.channels.shut_down,
            self.figures.shut_down,
            self.writing.shut_down,
            self.worklist.shut_down,
            self.projects.shut_down,
            self.agents.shut_down,
            self.batch.shut_down,
            self.recording.shut_down,
            self.overlays.shut_down,
            self.panes.shut_down,
            self.folder.shut_down,
            self.slides.shut_down,
            self.associated.shut_down,
            lambda: self._help and self._help.shut_down(),
            self.tours.end,
            self.frame.inspector.shut_down,
            self.opening.shut_down,
            lambda: self._writer.close(finish=True),
            self._tidying.close,
            trail.flush,
            self.home_notice.shut_down,
        ]
        for step in steps:  # one that fails must not keep the others from saving
            guarded()(step)()
        super().closeEvent(event)

    # -----------------------------------------------------------------------------------------

    @property
    def _front_panel(self) -> str:
        """Return the name of the panel whose help is asked for."""
        front = self.frame.inspector.front
        return next((name for name, panel in self._panels.items() if panel is front), "")

    def _connect(self) -> None:
        commands = self.commands
        commands.on("file.next", lambda: self.slides.step(1))
        commands.on("file.previous", lambda: self.slides.step(-1))
        self.associated.name_of = lambda: self.worklist.label_of(self.panes.active)
        self.palette_box.slides_named = self.worklist.slides_named
        self.palette_box.slide_requested.connect(self.open_slide)
        self.settings_bar.acted.connect(commands["file.settings"].trigger)
        commands.on("help.palette", self._search_commands)
        commands.on_toggle("view.full_screen", self._set_full_screen)
        commands.on_toggle("view.overview", lambda shown: self.change_settings(show_overview=shown))
        commands.on_toggle(
            "view.scale_bar", lambda shown: self.change_settings(show_scale_bar=shown)
        )
        commands.on_toggle(
            "view.dark_theme",
            lambda dark: self.change_settings(theme="dark" if dark else "light"),
        )
        self.panes.active_changed.connect(lambda _: self._show_active())
        self.panes.pane_added.connect(self._connect_pane)
        self.panes.panes_changed.connect(self.update_situation)
        self.slides.folder_requested.connect(self.file_commands.ask_for_folder)
        self.slides.listed.connect(self.update_situation)
        self.slides.said.connect(self.say)
        self.folder.failed.connect(self.say)
        self.agents.state_changed.connect(self.update_situation)
        self.overlays.figures_changed.connect(self.update_situation)
        self.toolbox.tool_chosen.connect(lambda _: self.update_situation())
        self.properties.pixel_size_requested.connect(commands["slide.pixel_size"].trigger)
        self.display.look_edited.connect(lambda look: self.panes.active.canvas.set_look(look))
        self.status.magnification.zoom_requested.connect(self._zoom_to)
        self.status.magnification.left.connect(lambda: self.panes.active.focus())

    def _search_commands(self) -> None:
        field = self.frame.top_bar.search
        if field.isVisible():
            self.palette_box.open_below(field)
        else:
            self.palette_box.open_over(self)

    def _connect_pane(self, pane: SlidePane) -> None:
        pane.reader = self.projects.study.reader_of_views
        pane.slide_closing.connect(self.toolbox.finish)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.failed.connect(lambda _path, _why: self._on_not_opened(pane))
        pane.opened.connect(self._on_opened)
        pane.failed.connect(lambda path, _: self.slides.note_failed(path))
        self._active_slide.watch(pane)
        pane.canvas.history_changed.connect(self.update_situation)
        pane.page.open_requested.connect(lambda: self.file_commands.ask_for_slides(pane))
        pane.page.folder_requested.connect(self.file_commands.ask_for_folder)
        start = pane.page.start
        start.project_requested.connect(self.commands["project.open"].trigger)
        start.sample_requested.connect(lambda: pane.open(sample_slide()))
        start.recent_requested.connect(lambda path: pane.open(path))
        start.tour_requested.connect(self.tours.begin)
        pane.pixel_size_requested.connect(self.file_commands.ask_pixel_size)
        self._settings.apply_to(pane)
        self._settings.show_recent_in(pane)
        pane.name_of = self.projects.opened.name_of_path

    # What the panes tell ---------------------------------------------------------------------

    def _show_active(self) -> None:
        """Show the active pane's slide in everything round it."""
        self._active_slide.show()
        self.update_situation()

    def show_names(self) -> None:
        """Call slides as the study lets them be called for who reads now."""
        for pane in self.panes.panes:
            pane.show_name()
            self._settings.show_recent_in(pane)
        self._active_slide.show_names()
        self.overlays.show_names()

    def _on_slide_changed(self, pane: SlidePane) -> None:
        if pane is self.panes.active:
            self._show_active()
        self.update_situation()

    def _on_not_opened(self, pane: SlidePane) -> None:
        """The slide that was shown stays, and is the one that the list of slides has selected."""
        if pane is self.panes.active and pane.source is not None:
            self.slides.choose_open()

    def _on_opened(self, path: Path) -> None:
        self.change_settings(recent_slides=with_recent(self.settings.recent_slides, path))

    def update_situation(self) -> None:
        """Enable the commands that can run now."""
        situation = situation_of(self)
        if situation != self._situation:
            self._situation = situation
            self.commands.set_situation(situation)
        self.commands["panes.link"].setChecked(self.panes.is_linked)

    def _zoom_to(self, downsample: float) -> None:
        canvas = self.panes.active.canvas
        canvas.go_to(canvas.destination.center, downsample, cause="magnification")

    def _set_full_screen(self, full: bool) -> None:
        self.view.set_microscope(on=full)
        if full:
            self._state_before = self.windowState()
            self.showFullScreen()
        else:
            self.setWindowState(self._state_before)

    def _restore_state(self) -> None:
        if (panels := restore_window_state(self)) is not None:
            self.frame.restore(panels)


def _dropped_paths(event: QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
