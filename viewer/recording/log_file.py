"""The file of events, which never loses what it was given while the machine has any room for it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from viewer.files.fallback import waiting
from viewer.files.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.session import SessionHeader

LOCK_FILE = "recording.lock"


class LogFile(Journal):
    """The journal of a session's events, in a folder that is made with it and locked.

    Parameters
    ----------
    on_trouble, write
        As those of a `Journal`.
    """

    def __init__(
        self,
        folder: Path,
        header: SessionHeader,
        on_trouble: Callable[[str], object] = lambda _: None,
        *,
        write: Callable[[int, memoryview], int] = os.write,
    ) -> None:
        from filelock import FileLock

        from viewer.recording.session import EVENTS_FILE

        super().__init__(
            folder / EVENTS_FILE,
            _fallback_name(header.id),
            on_trouble,
            what="The recording",
            write=write,
        )
        self._header = header
        self._is_header_unwritten = False
        self._lock = FileLock(folder / LOCK_FILE, mode=0o600)
        try:
            self._make(b"")
        except OSError as error:
            self._note(error)

    def append(self, lines: bytes) -> None:
        """Append as a journal does; a folder that went is told of before it is made anew."""
        if self.is_home and self._fd is not None and not self.path.exists():
            self._keep(lines)
            self._note(FileNotFoundError(errno.ENOENT, "the folder is gone"))
            return
        super().append(lines)

    def change_header(self, header: SessionHeader) -> None:
        """Write session.json anew; where that is refused, the next `retry` does."""
        self._header = header
        try:
            self._write_header()
        except OSError as error:
            self._note(error)

    def close(self) -> None:
        """Close as a journal does, and let go of the folder."""
        super().close()
        self._lock.release()

    def _bring_home(self) -> None:
        if self._is_header_unwritten:
            self._write_header()

    def _write_header(self) -> None:
        from viewer.recording.session import write_header

        self._is_header_unwritten = True
        write_header(self.path.parent, self._header)
        self._is_header_unwritten = False

    def _begin(self) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.release()
        self._lock.acquire(timeout=0)
        self._write_header()


def spilled(session_id: str) -> Path | None:
    """Return the file of events that wait for a session, where there is one of this account."""
    return waiting(_fallback_name(session_id), f"coverslip-{session_id}.spill")


def _fallback_name(session_id: str) -> str:
    return f"session-{session_id}.spill"
