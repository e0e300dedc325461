"""Work that takes long: how far it is, and a button that stops it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QProgressDialog

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_STEPS = 1000
_PATIENCE_MS = 600
"""Work that is done sooner shows no progress."""


class StoppedError(CoverslipError):
    """The user, or the end of the window, stopped it."""


class LongTask(QObject):
    """Shows a box with progress and Cancel that leaves the window free; `finish` takes it away."""

    _reached = Signal(int)

    def __init__(self, title: str, sentence: str, window: QWidget) -> None:
        super().__init__(window)
        self._is_stopped = threading.Event()
        self._step = 0
        self.dialog = QProgressDialog(sentence, "&Cancel", 0, _STEPS, window)
        self.dialog.setWindowTitle(title)
        self.dialog.setWindowModality(Qt.WindowModality.NonModal)
        self.dialog.setMinimumDuration(_PATIENCE_MS)
        self.dialog.setMinimumWidth(360)
        self.dialog.setAutoReset(False)
        self.dialog.setAutoClose(False)
        self.dialog.setValue(0)
        self.dialog.canceled.connect(self.stop)
        self._reached.connect(self.dialog.setValue, Qt.ConnectionType.QueuedConnection)

    def tell(self, share: float) -> None:
        """Called by the working thread with how much is done.

        Raises
        ------
        StoppedError
            It is not wanted any more.
        """
        if self._is_stopped.is_set():
            raise StoppedError
        step = int(share * _STEPS)
        if step > self._step:
            self._step = step
            self._reached.emit(min(step, _STEPS - 1))

    def stop(self) -> None:
        """The work ends at its next step."""
        self._is_stopped.set()

    def finish(self) -> None:
        """It is done, failed or was stopped."""
        self._reached.disconnect()
        self.dialog.close()
        self.dialog.deleteLater()
        self.deleteLater()
