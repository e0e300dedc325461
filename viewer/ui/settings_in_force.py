"""The settings in force in a window: applied to its parts, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from viewer.errors import reason_of
from viewer.files.set_aside import say_unusable
from viewer.folders import config_folder
from viewer.settings import Settings, save_settings
from viewer.slides.remote.address import slide_path
from viewer.ui.commands import merged_bindings
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, ReaderHost
from viewer.ui.theme import DARK, apply_theme, theme_named

if TYPE_CHECKING:
    from viewer.canvas.tile_picture import TilePicture
    from viewer.tiles.cache import TileCache
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.recent import RecentMenu
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.associated_panel import AssociatedPanel
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.slides_panel import SlidesPanel
    from viewer.ui.slides.worklist import WorklistController
    from viewer.ui.view.controller import ViewController


class SettingsInForceHost(MessageHost, DialogHost, PaneHost, CommandHost, ReaderHost, Protocol):
    """The parts of a window that go by settings."""

    slides: SlidesPanel
    associated: AssociatedPanel
    recording: RecordingController
    recent_menu: RecentMenu
    worklist: WorklistController
    view: ViewController


class SettingsInForce(QObject):
    """Owned by the window.

    Parameters
    ----------
    current
        As kept.
    cache
        The application's tiles, bounded by them.
    writer
        Writes them.
    """

    def __init__(
        self,
        window: SettingsInForceHost,
        current: Settings,
        cache: TileCache[TilePicture],
        writer: BackgroundRunner,
    ) -> None:
        super().__init__(window.window())
        self._window = window
        self.current = current
        self._cache = cache
        self._writer = writer
        QApplication.styleHints().colorSchemeChanged.connect(self._on_desktop_theme)

    def change(self, **changes: object) -> None:
        """Take new values into use and keep them."""
        before, settings = self.current, msgspec.structs.replace(self.current, **changes)
        if settings == before:
            return
        if settings.reader != before.reader:
            self._window.reader.leaving.emit()
        self.current = settings
        folder = config_folder()

        def save() -> None:
            try:
                save_settings(settings, folder, before)
            except OSError as error:
                _say_not_saved(error)  # here: a window that closes hears of nothing later

        self._writer.run(save, lambda _: None, _say_not_saved, keeps="The last settings")
        if settings.theme != before.theme:
            self._apply_theme()
        if msgspec.structs.replace(before, recent_slides=settings.recent_slides) == settings:
            self._show_recent()  # so it is with each slide that is opened
        else:
            self.apply()
        if settings.reader != before.reader:
            self._window.reader.changed.emit()

    def apply(self) -> None:
        """Have all parts go by the settings."""
        settings, window = self.current, self._window
        window.associated.uses_icc = settings.use_icc
        for model in (window.slides.model, window.recording.panels.sessions.model):
            model.thumbnails.set_uses_icc(uses_icc=settings.use_icc)
        self._cache.limit_bytes = settings.cache_limit_bytes()
        window.commands.bind(merged_bindings(settings.shortcuts))
        window.commands["view.overview"].setChecked(settings.show_overview)
        window.commands["view.dark_theme"].setChecked(theme_named(settings.theme) is DARK)
        window.commands["view.scale_bar"].setChecked(settings.show_scale_bar)
        for pane in window.panes.panes:
            self.apply_to(pane)
        self._show_recent()
        window.view.apply_settings()

    def apply_to(self, pane: SlidePane) -> None:
        """Have a pane go by the settings."""
        settings, canvas = self.current, pane.canvas
        canvas.set_worker_count(settings.threads())
        canvas.set_kinetic(settings.kinetic)
        canvas.set_wheel(settings.wheel_speed, inverted=settings.wheel_inverted)
        canvas.set_touchpad(settings.touchpad_speed, inverted=settings.touchpad_inverted)
        canvas.set_overview_visible(settings.show_overview)
        canvas.set_scale_bar_visible(settings.show_scale_bar)
        pane.uses_icc = settings.use_icc

    def _show_recent(self) -> None:
        """List the recent slides in the menu and on the start pages."""
        recent = self.current.recent_slides
        self._window.recent_menu.show_paths([slide_path(name) for name in recent])
        for pane in self._window.panes.panes:
            self.show_recent_in(pane)

    def show_recent_in(self, pane: SlidePane) -> None:
        """List the recent slides on the start page; none where a study hides names."""
        names = [] if self._window.worklist.hides_names else self.current.recent_slides
        pane.page.set_recent([slide_path(name) for name in names])

    def _apply_theme(self) -> None:
        """Color the application; the theme "system" follows the desktop."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, theme_named(self.current.theme))

    def _on_desktop_theme(self) -> None:
        if self.current.theme == "system":
            self._apply_theme()
            self.apply()


def _say_not_saved(error: Exception) -> None:
    file = error.filename if isinstance(error, OSError) else None
    say_unusable(
        f"The settings cannot be kept ({reason_of(error)}): they hold until Coverslip is closed. "
        f"Mend or remove {file or config_folder()}."
    )
