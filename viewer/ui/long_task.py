"""Work that takes long: how far it is, and a button that stops it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from viewer.errors import CoverslipError
from viewer.ui.progress_dialog import STEP, ProgressDialog

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class StoppedError(CoverslipError):
    """The user, or the end of the window, stopped it."""


class StoppableWork(QObject):
    """Work of a thread, which tells here how far it is until it is stopped.

    Parameters
    ----------
    step
        How much more must be done until it is told again, as a share of all.
    """

    _reached = Signal(float)
    """The share that is done, at most 1; connect it queued, since the working thread emits it."""

    def __init__(self, parent: QObject, step: float) -> None:
        super().__init__(parent)
        self._is_stopped = threading.Event()
        self._step = step
        self._told = 0.0

    def tell(self, share: float) -> None:
        """Called by the working thread with how much is done.

        Raises
        ------
        StoppedError
            It is not wanted any more.
        """
        if self._is_stopped.is_set():
            raise StoppedError
        if share >= self._told + self._step:
            self._told = share
            self._reached.emit(min(share, 1.0))

    @property
    def is_stopped(self) -> bool:
        """Return whether nobody wants the work any more."""
        return self._is_stopped.is_set()

    def stop(self) -> None:
        """The work ends at its next step."""
        self._is_stopped.set()


class LongTask(StoppableWork):
    """Shows a box with progress and Cancel that leaves the window free; `finish` takes it away."""

    _said = Signal(str)

    def __init__(self, title: str, sentence: str, window: QWidget) -> None:
        super().__init__(window, STEP)
        self.dialog = ProgressDialog(title, sentence, window)
        self.dialog.canceled.connect(self.stop)
        self._reached.connect(self.dialog.show_share, Qt.ConnectionType.QueuedConnection)
        self._said.connect(self.dialog.setLabelText, Qt.ConnectionType.QueuedConnection)

    def say(self, sentence: str) -> None:
        """Called by the working thread with what is done now."""
        self._said.emit(sentence)

    def finish(self) -> None:
        """Take the box away: the work is done, failed or was stopped."""
        self.stop()
        self._reached.disconnect()
        self._said.disconnect()
        self.dialog.finish()
        self.deleteLater()
