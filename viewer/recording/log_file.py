"""The file of events, which never loses what it was given while the machine has any room for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from viewer.atomic_write import atomic_write_bytes
from viewer.fallback import fallback_path, waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.session import SessionHeader

LOCK_FILE = "recording.lock"
_MEMORY_BYTES = 8 << 20
_SPILL_BYTES = 256 << 20


class LogFile:
    """Appends whole lines to a session's events; keeps them elsewhere while it cannot.

    What cannot be written goes to a file in the temporary folder, and to memory where that is
    full too; `retry` brings it home. Nothing here raises OSError.

    Parameters
    ----------
    write
        As `os.write`.
    """

    def __init__(
        self,
        folder: Path,
        header: SessionHeader,
        *,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        from filelock import FileLock

        from viewer.recording.session import EVENTS_FILE

        self._path = folder / EVENTS_FILE
        self._header = header
        self._write = write
        self._good_bytes = 0
        self._tail = b""
        self._memory: list[bytes] = []
        self._memory_bytes = 0
        self._spill: int | None = None
        self._spill_bytes = 0
        self._fd: int | None = None
        self._lock = FileLock(folder / LOCK_FILE, mode=0o600)
        self._is_dirty = False
        self.trouble = ""
        """Why lines cannot be written to the folder; empty when they can."""
        try:
            self._make()
        except OSError as error:
            self._note_trouble(error)

    @property
    def is_full(self) -> bool:
        """Return whether there is no room left anywhere: what is appended now is lost."""
        return self._memory_bytes >= _MEMORY_BYTES

    def append(self, data: bytes) -> None:
        """Takes whole lines, the last with its line feed."""
        if self.trouble:
            self._keep(data)
            return
        try:
            self._write_home(data)
        except OSError as error:
            self._note_trouble(error)
            self._keep(data)

    def sync(self) -> None:
        """Sees that what was appended is on the disk, and that the file is still in its folder."""
        if self.trouble:
            return
        try:
            if self._has_left():
                raise FileNotFoundError(2, "the folder is gone")
            if self._is_dirty:
                os.fsync(self._open_fd)
                self._is_dirty = False
        except OSError as error:
            self._note_trouble(error)

    def retry(self) -> None:
        """Writes home what was kept elsewhere, if that is possible by now."""
        if not self.trouble:
            return
        try:
            if self._has_left():
                self._reopen()
            os.ftruncate(self._open_fd, self._good_bytes)
            for data in self._kept():
                self._write_home(data)
            os.fsync(self._open_fd)
        except OSError as error:
            self._note_trouble(error)
            return
        self._forget_kept()
        self.trouble = ""

    def change_header(self, header: SessionHeader) -> None:
        """Write session.json anew."""
        from viewer.recording.session import write_header

        self._header = header
        try:
            write_header(self._path.parent, header)
        except OSError as error:
            self._note_trouble(error)

    def close(self) -> None:
        """Syncs and closes; what is still kept elsewhere stays in the temporary folder."""
        self.retry()
        self.sync()
        for fd in (self._spill, self._fd):
            if fd is not None:
                os.close(fd)
        self._lock.release()

    # -----------------------------------------------------------------------------------------

    @property
    def _open_fd(self) -> int:
        assert self._fd is not None
        return self._fd

    def _make(self, content: bytes = b"") -> None:
        """Makes the folder and its files; the events hold `content`."""
        from viewer.recording.session import write_header

        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.release()
        self._lock.acquire(timeout=0)
        write_header(folder, self._header)
        atomic_write_bytes(self._path, content, mode=0o600)
        self._take_fd(os.open(self._path, os.O_RDWR))

    def _take_fd(self, fd: int) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd

    def _write_home(self, data: bytes) -> None:
        """Writes all or, for those who read, nothing."""
        os.lseek(self._open_fd, self._good_bytes, os.SEEK_SET)
        try:
            _write_all(self._open_fd, data, self._write)
        except OSError:
            os.ftruncate(self._open_fd, self._good_bytes)
            raise
        self._good_bytes += len(data)
        self._tail = data[-64:]
        self._is_dirty = True

    def _has_left(self) -> bool:
        """Whether the open file is no longer the one at the path; writing to it would succeed."""
        if self._fd is None:
            return True
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return True

    def _reopen(self) -> None:
        """Finds the file again where its drive came back, else makes it anew with all it held."""
        try:
            fd = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            held = b"" if self._fd is None else os.pread(self._fd, self._good_bytes, 0)
            if len(held) < self._good_bytes:
                raise
            self._make(held)
            return
        if not self._is_ours(fd):
            os.close(fd)
            raise FileExistsError(17, "another file lies there")
        self._take_fd(fd)

    def _is_ours(self, fd: int) -> bool:
        """Return whether a file holds all that was written home, by its length and last line."""
        if os.fstat(fd).st_size < self._good_bytes:
            return False
        return os.pread(fd, len(self._tail), self._good_bytes - len(self._tail)) == self._tail

    def _note_trouble(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        self.trouble = (
            f"The recording cannot be written to {self._path.parent} ({reason}): make room or "
            "bring the folder back; what you do is kept until then."
        )

    def _keep(self, data: bytes) -> None:
        self._memory.append(data)
        self._memory_bytes += len(data)
        try:
            self._spill_memory()
        except OSError:
            return  # stays in memory

    def _spill_memory(self) -> None:
        if self._spill is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            self._spill = os.open(spill_path(self._header.id), flags, 0o600)
        data = b"".join(self._memory)
        if self._spill_bytes + len(data) > _SPILL_BYTES:
            raise OSError(28, "the spill is full")
        os.lseek(self._spill, self._spill_bytes, os.SEEK_SET)
        try:
            _write_all(self._spill, data, os.write)
        except OSError:
            os.ftruncate(self._spill, self._spill_bytes)
            raise
        self._spill_bytes += len(data)
        self._memory.clear()
        self._memory_bytes = 0

    def _kept(self) -> list[bytes]:
        spilled = os.pread(self._spill, self._spill_bytes, 0) if self._spill is not None else b""
        return [data for data in (spilled, *self._memory) if data]

    def _forget_kept(self) -> None:
        self._memory.clear()
        self._memory_bytes = 0
        if self._spill is not None:
            os.close(self._spill)
            self._spill = None
            self._spill_bytes = 0
            spill_path(self._header.id).unlink(missing_ok=True)


def spill_path(session_id: str) -> Path:
    """Return where the events of a session wait while its folder takes none. Raises OSError."""
    return fallback_path(f"session-{session_id}.spill")


def spilled(session_id: str) -> Path | None:
    """Return the file of events that wait for a session, where there is one of this account."""
    return waiting(f"session-{session_id}.spill", f"coverslip-{session_id}.spill")


def _write_all(fd: int, data: bytes, write: Callable[[int, bytes], int]) -> None:
    while data:
        data = data[write(fd, data) :]
