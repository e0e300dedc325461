"""Says what was saved when a recording ends, and offers to replay it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.recording.scrub_bar import shown_time
from viewer.ui.shell.floating_notice import FloatingNotice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

_log = logging.getLogger(__name__)
_REPLAY = "Replay"


class SavedNotice(QObject):
    """Owned by the recording of a window; `shut_down` ends its thread.

    Parameters
    ----------
    over
        The slides, over which the notice lies.
    """

    replay_requested = Signal(object)
    """Folder of the session that was saved last."""

    def __init__(self, over: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self.bar = FloatingNotice(over)
        self._folder: Path | None = None
        self._reading: Task | None = None
        """The sessions that are being read back, to be told of."""
        self._readers = BackgroundRunner("read saved sessions", 1, self)
        self.bar.acted.connect(self._replay)

    def shut_down(self) -> None:
        """End the thread."""
        self._readers.close()

    def tell(self, folders: Sequence[Path]) -> None:
        """Say how long the sessions are and what they hold; the last one can be replayed."""
        if folders:
            folders = tuple(folders)
            self._reading = self._readers.run(
                lambda: _saved_sentence(folders),
                lambda sentence: self._show(folders[-1], *sentence),
                lambda error: self._show_failed(folders[-1], error),
            )

    def withdraw(self) -> None:
        """Hide the notice, also one that is not shown yet: something else is looked at now."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        self.bar.hide()

    def _show(self, folder: Path, sentence: str, is_whole: bool) -> None:
        self._folder = folder
        self.bar.tell(sentence, "info" if is_whole else "warning", _REPLAY)

    def _show_failed(self, folder: Path, error: Exception) -> None:
        _log.error("a session that ended cannot be read", exc_info=error)
        self.bar.tell(f"The session {folder.name} cannot be read back ({error}).", "error")

    def _replay(self) -> None:
        self.bar.hide()
        if self._folder is not None:
            self.replay_requested.emit(self._folder)


def _saved_sentence(folders: Sequence[Path]) -> tuple[str, bool]:
    """Return what to say of sessions that ended, and whether all of them are on the disk.

    Raises
    ------
    SessionError
        One cannot be read back.
    """
    from viewer.recording.analysis import analyze
    from viewer.recording.library import summary_of

    summaries = [summary_of(folder) for folder in folders]
    actions = sum(len(analyze(folder).actions) for folder in folders)
    length = shown_time(sum(each.duration_s for each in summaries))
    count = plural(actions, "action")
    which = "" if len(folders) == 1 else f" {len(folders)} sessions"
    if all(each.ended_well for each in summaries):
        return f"Saved{which}, {length}, {count}.", True
    return (
        f"Saved{which} up to {length}, {count}. The end is not on the disk yet: it waits in the "
        "temporary folder and is added at the next start.",
        False,
    )
