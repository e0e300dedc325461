"""Files of annotations whose slides were left: each is written to its end beside the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject

from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.storage.autosave import Autosave
    from viewer.progress import Tell

_T = TypeVar("_T")
_THREADS = 4


class ClosingFiles(QObject):
    """Closes files in threads of its own, so that a long one holds up no other slide."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._runner = BackgroundRunner("close annotations", _THREADS, self)
        self._lock = threading.Lock()
        self._closed: dict[str, list[Autosave]] = {}
        """Those that are being closed, by slide."""

    def close(self, identity: str, autosave: Autosave) -> None:
        """Write what is left of one file of a slide and let go of it."""
        self._forget_ended()
        with self._lock:
            self._closed.setdefault(identity, []).append(autosave)
        self._runner.run(autosave.close, lambda _: self._forget_ended())

    def _forget_ended(self) -> None:
        with self._lock:
            for other, held in list(self._closed.items()):
                self._closed[other] = [each for each in held if not each.has_ended]
                if not self._closed[other]:
                    del self._closed[other]

    def wait_for(self, identity: str, tell: Tell = lambda _share: None) -> None:
        """Wait in a thread until the files of a slide can be opened again; `tell` may end it.

        However long that takes, as long as something is written: who opened them in the meantime
        would lack what is still to come.
        """
        with self._lock:
            closed = list(self._closed.get(identity, ()))
        for each in closed:
            each.wait_for_end(tell)

    def wait_for_all(self) -> None:
        """Wait in a thread until all files are let go of."""
        with self._lock:
            identities = list(self._closed)
        for each in identities:
            self.wait_for(each)

    def after(self, identity: str, work: Callable[[], _T]) -> Callable[[], _T]:
        """Return work that begins once the files of a slide are let go of."""

        def waited() -> _T:
            self.wait_for(identity)
            return work()

        return waited

    def shut_down(self) -> None:
        """Wait for the disk."""
        self._runner.close(finish=True)
