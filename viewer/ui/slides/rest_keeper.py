"""Writes the last of what was noted, once nothing new has been noted for a moment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class RestKeeper(QObject):
    """Owned by a pane; `shut_down` writes what is left.

    Parameters
    ----------
    subject
        What is kept, for the name of the thread and for the log, such as "Last view".
    rest_ms
        How long nothing new comes before it is written.
    """

    def __init__(self, subject: str, rest_ms: int, parent: QObject) -> None:
        super().__init__(parent)
        self._subject = subject
        self._pending: Callable[[], object] | None = None
        self._disk = BackgroundRunner(subject, 1, self)
        self._rest = QTimer(self, interval=rest_ms, singleShot=True)
        self._rest.timeout.connect(self.flush)

    def keep(self, save: Callable[[], object]) -> None:
        """Take what writes the newest state; what was waiting before is not written any more."""
        self._pending = save
        self._rest.start()

    def flush(self) -> None:
        """Write what waits, in a thread."""
        self._rest.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._disk.run(
                pending,
                lambda _: None,
                lambda error: _log.warning("%s of a slide is not kept (%s)", self._subject, error),
                keeps=f"{self._subject} of a slide",
            )

    def shut_down(self) -> None:
        self.flush()
        self._disk.close(finish=True)
