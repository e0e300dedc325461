"""What the commands of the File, Edit and Help menus do: dialogs, pictures, the clipboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox

from viewer import __version__
from viewer.slides.calibration import remember_mpp_um
from viewer.slides.remote.address import folder_beside, slide_path
from viewer.suffixes import SUFFIXES
from viewer.ui.commands import merged_bindings
from viewer.ui.file_dialogs import ALL_FILES, ask_files, ask_folder
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, OpeningHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Point
    from viewer.ui.actions import ActionSet
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.slides.slide_pane import SlidePane

_ENDINGS = (*sorted(SUFFIXES), ".zarr.zip")
_SLIDE_FILTERS = (f"Slides ({' '.join(f'*{ending}' for ending in _ENDINGS)})", ALL_FILES)


class FileCommandsHost(MessageHost, DialogHost, PaneHost, SettingsHost, OpeningHost, Protocol):
    """What the commands on files ask of the window."""

    annotations: AnnotationsController


class FileCommands:
    """Connects the commands that open dialogs or write something.

    No dialog blocks: each opens over the window and calls back when it is accepted.
    """

    def __init__(
        self, window: FileCommandsHost, actions: ActionSet, writer: BackgroundRunner
    ) -> None:
        self._window = window
        self._actions = actions
        self._writer = writer
        actions.on("file.open", self.ask_for_slides)
        actions.on("file.open_address", self.ask_for_address)
        actions.on("file.open_channels", self.ask_for_channels)
        actions.on("file.open_folder", self.ask_for_folder)
        actions.on("file.close", lambda: self._active.close_slide())
        actions.on("file.settings", self._ask_settings)
        actions.on("file.quit", window.window().close)
        actions.on("edit.copy_picture", self._copy_picture)
        actions.on("edit.copy_coordinates", self._copy_location)
        actions.on("edit.copy_point", self._copy_point)
        actions.on("slide.pixel_size", lambda: self.ask_pixel_size(self._active))
        actions.on("view.go_to", self._ask_where_to_go)
        actions.on("help.keys", self._show_keys)
        actions.on("help.about", self._show_about)

    def ask_for_slides(self, pane: SlidePane | None = None) -> None:
        """Ask for slides and open them, the first in `pane`, by default the active one."""
        self._ask_slides("Open slide", lambda paths: self._window.open_paths(paths, pane))

    def ask_for_channels(self) -> None:
        """Ask for slides of the same field and open them as channels of one slide."""
        title = "Open slides of the same field as channels"
        self._ask_slides(title, self._window.open_as_channels)

    def _ask_slides(self, title: str, take: Callable[[list[Path]], object]) -> None:
        ask_files(
            self._window.window(),
            title,
            take,
            start=self._start_folder(),
            filters=_SLIDE_FILTERS,
            hides_endings=True,
        )

    def ask_for_address(self) -> None:
        """Ask for the address of a slide on a server, and open it in the active pane."""
        from viewer.ui.slides.address_dialog import AddressDialog

        dialog = AddressDialog(self._window.window())
        dialog.accepted.connect(lambda: self._window.open_paths([dialog.path]))
        open_dialog(dialog)

    def ask_for_folder(self) -> None:
        """Ask for a folder, list its slides and open the first."""
        ask_folder(
            self._window.window(),
            "Open folder of slides",
            lambda path: self._window.open_paths([path]),
            start=self._start_folder(),
        )

    def ask_pixel_size(self, pane: SlidePane) -> None:
        """Ask how large a pixel of the pane's slide is, use the answer and remember it."""
        from viewer.ui.slides.pixel_size_dialog import PixelSizeDialog

        source = pane.source
        if source is None:
            return
        dialog = PixelSizeDialog(
            source.path.name, pane.canvas.optics, self._window.window(), pane.mpp_origin
        )

        def take() -> None:
            if pane.source is not source:
                return
            mpp_um = dialog.mpp_um
            pane.set_mpp_um(mpp_um)
            self._writer.run(
                lambda: remember_mpp_um(source.info.identity, (mpp_um, mpp_um)),
                lambda _: None,
                lambda error: self._window.say(f"The pixel size cannot be kept ({error})."),
                keeps="The pixel size",
            )

        dialog.accepted.connect(take)
        open_dialog(dialog)

    @property
    def _active(self) -> SlidePane:
        return self._window.panes.active

    @property
    def _class_keys(self) -> dict[str, str]:
        """Return the names of the classes that have a key, by it."""
        classes = self._window.annotations.classes.palette.classes
        return {each.key: each.name for each in classes if each.key}

    def _start_folder(self) -> Path:
        """Where file dialogs begin: beside the slide shown, else beside the one opened last."""
        if self._active.path is not None:
            return folder_beside(self._active.path)
        recent = self._window.settings.recent_slides
        return folder_beside(slide_path(recent[0])) if recent else Path.home()

    def _copy_picture(self) -> None:
        from viewer.ui.figures.view_picture import view_picture

        QGuiApplication.clipboard().setImage(view_picture(self._active.canvas))
        self._window.say("Copied the picture of the view.")

    def _copy_location(self) -> None:
        from viewer.ui.figures.view_picture import view_location

        location = view_location(self._active.canvas)
        QGuiApplication.clipboard().setText(location)
        self._window.say(f"Copied: {location}")

    def copy_coordinates(self, at: Point) -> None:
        """Copy a level-0 point of the active slide, as "Go to coordinate" takes it and as cells."""
        from viewer.ui.clipboard import copy_table
        from viewer.ui.status_bar import shown_position

        optics = self._active.canvas.optics
        text, um = shown_position(at, optics), optics.um(at)
        cells = [round(each, 1) for each in (*at, *(um or ()))]
        copy_table([cells], text=text, has_header=False)
        self._window.say(f"Copied: {text}")

    def _copy_point(self) -> None:
        """Of the place under the mouse, else of the middle of the view."""
        pane = self._active
        self.copy_coordinates(pane.status.cursor or pane.canvas.view.center)

    def _ask_where_to_go(self) -> None:
        from viewer.ui.slides.go_to_dialog import GoToDialog

        pane = self._active
        source = pane.source
        assert source is not None
        base = source.levels[0]
        dialog = GoToDialog(
            pane.canvas.view.center,
            (base.width_px, base.height_px),
            pane.canvas.optics,
            self._window.window(),
        )
        dialog.accepted.connect(lambda: pane.source is source and pane.canvas.go_to(dialog.point))
        open_dialog(dialog)

    def _ask_settings(self) -> None:
        from viewer.ui.settings_dialog import SettingsDialog

        dialog = SettingsDialog(self._window.settings, self._window.window(), self._class_keys)
        # What else changed meanwhile, such as the recent slides, stays.
        dialog.accepted.connect(lambda: self._window.change_settings(**dialog.changes))
        dialog.model_requested.connect(self._actions["agent.model"].trigger)
        open_dialog(dialog)

    def _show_keys(self) -> None:
        from viewer.ui.key_sheet import KeySheet

        bindings = merged_bindings(self._window.settings.shortcuts)
        open_dialog(KeySheet(bindings, self._class_keys, self._window.window()))

    def _show_about(self) -> None:
        box = QMessageBox(self._window.window())
        box.setWindowTitle("About Coverslip")
        box.setText(f"Coverslip {__version__}")
        box.setInformativeText(
            "A desktop viewer for whole-slide images. Free under the MIT license.\n"
            "For research and teaching; it is no medical device."
        )
        open_dialog(box)
