"""Says once that the program's folders cannot be written; the user may choose another place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QMessageBox

from viewer.files.set_aside import listeners
from viewer.stand_in import stand_in
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_folder
from viewer.ui.services import DialogHost, MessageHost, PaneHost
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.recording.controller import RecordingController

_MOST_SAID = 3
_BUTTON = "Choose a folder..."


class HomeNoticeHost(MessageHost, DialogHost, PaneHost, Protocol):
    """What the notice about the home asks of the window."""

    annotations: AnnotationsController
    recording: RecordingController


class HomeNotice(QObject):
    """A bar over the panes, while a stand-in keeps what is done, or of what cannot be used."""

    set_aside = Signal(str)
    """Emitted in any thread, with the sentence."""

    def __init__(self, window: HomeNoticeHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("move home", 1, self)
        self._may_lose = self._closes = False
        self.last_words: list[str] = []
        """What could not be used while the window closed, too late for the bar."""
        self.bar = NoticeBar(window.window())
        self.bar.acted.connect(self._ask)
        self._aside: list[str] = []
        self.set_aside.connect(self._on_set_aside)
        listeners.append(self.set_aside.emit)
        if stand_in.reason:
            self.bar.tell(
                f"{stand_in.reason} What you do is kept only until you close Coverslip.",
                "error",
                _BUTTON,
            )
        elif stand_in.brought_back:
            self.bar.tell(stand_in.brought_back)

    def may_close(self) -> bool:
        """Return whether the window may close now; else ask what becomes of what was done."""
        if self._may_lose or stand_in.folder is None:
            return True
        if self._window.annotations.is_saved and not stand_in.holds_work:
            return True
        box = QMessageBox(self._window.window())
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Close Coverslip")
        box.setText("What you did is lost when Coverslip closes. Keep it in another folder?")
        box.setInformativeText(stand_in.reason)
        keep = box.addButton(_BUTTON, QMessageBox.ButtonRole.AcceptRole)
        lose = box.addButton("Close and discard", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(keep)

        def answered() -> None:
            if box.clickedButton() is keep:
                self._ask()
            elif box.clickedButton() is lose:
                self.let_go()
                self._window.window().close()

        box.finished.connect(answered)
        box.open()
        return False

    def let_go(self) -> None:
        """Ask nothing any more at the end, since nobody can answer or somebody has."""
        self._may_lose = True

    def begin_end(self) -> None:
        """Gather what is said from now on in `last_words`: the bar goes with the window."""
        self._closes = True

    def shut_down(self) -> None:
        """Finish what is being moved, and take what was said until now."""
        self._disk.close(finish=True)
        listeners.remove(self.set_aside.emit)
        QCoreApplication.sendPostedEvents(self, QEvent.Type.MetaCall.value)  # said in threads

    @Slot(str)
    def _on_set_aside(self, sentence: str) -> None:
        """Say what is not used, with what was said before and not read yet."""
        if self._closes:
            self.last_words.append(sentence)
            return
        if stand_in.reason:
            self._window.show_error(sentence)
            return
        before = self._aside if self.bar.isVisible() else []
        self._aside = [*(each for each in before if each != sentence), sentence][-_MOST_SAID:]
        self.bar.tell(" ".join(self._aside), "warning")

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
