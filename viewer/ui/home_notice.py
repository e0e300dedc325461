"""Says once that the program's folders cannot be written; the user may choose another place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.stand_in import stand_in
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_folder
from viewer.ui.services import DialogHost, MessageHost, PaneHost
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.recording.controller import RecordingController

_BUTTON = "Choose a folder..."


class HomeNoticeHost(MessageHost, DialogHost, PaneHost, Protocol):
    """What the notice about the home asks of the window."""

    annotations: AnnotationsController
    recording: RecordingController


class HomeNotice(QObject):
    """A bar over the panes, while a stand-in keeps what is done."""

    def __init__(self, window: HomeNoticeHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("move home", 1, self)
        self.bar = NoticeBar(window.window())
        self.bar.acted.connect(self._ask)
        if stand_in.reason:
            self.bar.tell(
                f"{stand_in.reason} What you do is kept only until you close Coverslip.",
                "error",
                _BUTTON,
            )
        elif stand_in.brought_back:
            self.bar.tell(stand_in.brought_back)

    def shut_down(self) -> None:
        """Finish what is being moved."""
        self._disk.close(finish=True)

    def _ask(self) -> None:
        ask_folder(self._window.window(), "Keep what you do in", self.move_to, start=Path.home())

    def move_to(self, folder: Path) -> None:
        """Close all files, move them, and open the slides again."""
        window = self._window
        window.recording.control.stop()
        shown = [
            (pane, pane.path, pane.source.info.image if pane.source.info.images else None)
            for pane in window.panes.panes
            if pane.source is not None and pane.path is not None
        ]
        for pane, _, _ in shown:
            pane.close_slide()

        def reopen() -> None:
            for pane, path, image in shown:
                if pane in window.panes.panes:
                    pane.open(path, image)

        def moved(home: Path) -> None:
            self.bar.hide()
            window.say(
                f"What you do is kept in {home} from now on. Start Coverslip with COVERSLIP_HOME "
                "set to that folder to find it again."
            )
            window.recording.control.find_folder()
            reopen()

        def failed(error: Exception) -> None:
            self.bar.tell(
                f"{folder} cannot be used either ({error}): choose another.", "error", _BUTTON
            )
            reopen()

        def move() -> None:
            self._disk.run(lambda: stand_in.move_to(folder), moved, failed)

        # One after the other: each closes its files in a thread of its own.
        window.annotations.when_closed(lambda: window.recording.control.when_closed(move))
