"""A file of lines that stays open: what it refuses waits in the data folder until it takes it."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from viewer.access import OWNER_FILE
from viewer.errors import reason_of
from viewer.files.appending import BINARY, write_behind
from viewer.files.atomic_write import atomic_write_bytes, sync_open
from viewer.files.fallback import fallback_path, waiting
from viewer.files.set_aside import say_unusable, set_apart
from viewer.limits import LOG_BYTES, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TAIL_BYTES = 64
_MEMORY_BYTES = 8 << 20
_FALLBACK_BYTES = 256 << 20


class Journal:
    """A file of lines that stays open; nothing here raises OSError.

    What cannot be written waits in a file in the data folder, and in memory where that is refused
    too; `retry` brings it home. One program at a time may have a journal open.

    Parameters
    ----------
    path
        Of the file, which is made with the first line.
    fallback
        The name in the data folder of the file whose first line says behind how many bytes the
        others belong.
    former
        The name below the temporary folder where version 0.1 left that file.
    on_trouble
        Called with one sentence when the file cannot be written, and with "" when it can again.
    what
        Begins that sentence, such as "The review".
    whole
        What the file holds, its torn end aside. It is kept in memory, so that a file that is gone
        or was cut is written anew; None where the file is new and grows long.
    write
        As `os.write`.
    """

    def __init__(
        self,
        path: Path,
        fallback: str,
        on_trouble: Callable[[str], object] = lambda _: None,
        *,
        what: str,
        former: str = "",
        whole: bytes | None = None,
        write: Callable[[int, memoryview], int] = os.write,
    ) -> None:
        self.path = path
        self._names = (fallback, former) if former else (fallback,)
        self.trouble = ""
        """Why lines cannot be written to the folder; empty when they can."""
        self.left = _left_behind(self._names, whole or b"", what)
        """Lines that wait since a crash; they come home with the next `retry`."""
        self._on_trouble = on_trouble
        self._what = what
        self._write = write
        self._fd: int | None = None
        self._copy = None if whole is None else bytearray(whole)
        self._good_bytes = len(whole or b"")
        self._tail = (whole or b"")[-_TAIL_BYTES:]
        self._is_dirty = False
        self._memory = bytearray(self.left)
        self._spill: int | None = None
        self._spill_path = path
        self._spill_bytes = 0
        self._reason = ""

    @property
    def is_full(self) -> bool:
        """Return whether there is no room left anywhere: what is appended now is lost."""
        return len(self._memory) >= _MEMORY_BYTES

    @property
    def is_home(self) -> bool:
        """Return whether all that was appended is in the file."""
        return not (self.trouble or self._memory) and self._spill is None

    def append(self, lines: bytes) -> None:
        """Take whole lines, the last with its line feed."""
        if not self.is_home:
            self._keep(lines)
            return
        try:
            self._write_home(lines)
        except OSError as error:
            self._keep(lines)
            self._note(error)

    def sync(self) -> None:
        """See that what was appended is on the disk, and that the file is still in its folder."""
        try:
            if not self.is_home:
                if self._spill is not None:
                    sync_open(self._spill)
            elif self._fd is not None:
                if self._has_left():
                    raise FileNotFoundError(errno.ENOENT, "the folder is gone")
                if self._is_dirty:
                    sync_open(self._fd)
                    self._is_dirty = False
        except OSError as error:
            self._note(error)

    def retry(self) -> None:
        """Write home what was kept elsewhere, if that is possible by now."""
        if self.is_home:
            return
        try:
            kept = b"" if self._spill is None else self._spilled(self._spill)
            self._write_home(kept + self._memory, synced=True)
            self._forget_kept()
            self._bring_home()
        except OSError as error:
            self._note(error)
        else:
            self._tell("")

    def close(self) -> None:
        """Sync and close; what is still kept elsewhere stays there, and the user hears where."""
        self.retry()
        if self._memory:
            with contextlib.suppress(OSError):
                self._spill_memory()
        self.sync()
        if self._memory or self._spill is not None:
            say_unusable(self._parting_words())
        for fd in (self._spill, self._fd):
            if fd is not None:
                os.close(fd)
        self._spill = self._fd = None

    # -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Prepare the folder in which the file is about to be made."""

    def _bring_home(self) -> None:
        """Write what else belongs into the folder and was refused. Raises OSError."""

    def _make(self, content: bytes) -> None:
        self._begin()
        atomic_write_bytes(self.path, content, mode=OWNER_FILE)
        self._take_fd(os.open(self.path, os.O_RDWR | BINARY))

    def _take_fd(self, fd: int) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd

    def _write_home(self, lines: bytes, *, synced: bool = False) -> None:
        if self._has_left():
            self._reopen()
        assert self._fd is not None
        write_behind(self._fd, self._good_bytes, [lines], synced=synced, write=self._write)
        self._good_bytes += len(lines)
        self._tail = (self._tail + lines)[-_TAIL_BYTES:]
        self._is_dirty = not synced
        if self._copy is not None:
            self._copy += lines

    def _has_left(self) -> bool:
        """Return whether the open file is no longer the one at the path.

        Writing to it would succeed.
        """
        if self._fd is None:
            return True
        about = os.fstat(self._fd)
        try:
            is_there = os.path.samestat(self.path.stat(), about)
        except FileNotFoundError:
            return True
        return not is_there or about.st_size != self._good_bytes

    def _reopen(self) -> None:
        """Find the file again where its drive came back, else make it anew with all it held."""
        try:
            fd = os.open(self.path, os.O_RDWR | BINARY)
        except FileNotFoundError:
            self._make(self._held())
            return
        is_cut = os.fstat(fd).st_size < self._good_bytes
        begin = self._good_bytes - len(self._tail)
        if not is_cut and os.pread(fd, len(self._tail), begin) == self._tail:
            self._take_fd(fd)
            os.ftruncate(fd, self._good_bytes)  # of what a crash or a full disk tore
            return
        os.close(fd)
        if not is_cut or self._copy is None:
            raise FileExistsError(errno.EEXIST, "another file lies there")
        self._make(self._held())

    def _held(self) -> bytes:
        """Return all that was written home; raises OSError where that cannot be read any more."""
        if self._copy is not None:
            return bytes(self._copy)
        held = b"" if self._fd is None else os.pread(self._fd, self._good_bytes, 0)
        if len(held) < self._good_bytes:
            raise FileNotFoundError(errno.ENOENT, "the file is gone")
        return held

    def _parting_words(self) -> str:
        """Return where what could not be written waits once nobody tries again."""
        refused = f"{self._what} cannot be written to {self.path.parent} ({self._reason})"
        if self._memory:
            return f"{refused}, nor anywhere else: its end is lost."
        return (
            f"{refused}: its end waits in {self._spill_path} and is taken in once the folder can "
            "be written."
        )

    def _note(self, error: OSError) -> None:
        self._reason = reason_of(error)
        self._tell(
            f"{self._what} cannot be written to {self.path.parent} ({reason_of(error)}): "
            "make room or bring the folder back; what you do is kept until then."
        )

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._on_trouble(trouble)

    def _keep(self, lines: bytes) -> None:
        self._memory += lines
        with contextlib.suppress(OSError):  # they stay in memory
            self._spill_memory()

    def _spill_memory(self) -> None:
        lines = bytes(self._memory)
        if self._spill_bytes + len(lines) > _FALLBACK_BYTES:
            raise OSError(errno.ENOSPC, "the fallback is full")
        if self._spill is None:
            path = fallback_path(self._names[0])
            lines = b"%d\n" % self._good_bytes + lines
            atomic_write_bytes(path, lines, mode=OWNER_FILE)
            self._spill = os.open(path, os.O_RDWR | BINARY)
            self._spill_path = path
        else:
            write_behind(self._spill, self._spill_bytes, [lines], synced=False)
        self._spill_bytes += len(lines)
        self._memory.clear()

    def _spilled(self, fd: int) -> bytes:
        return os.pread(fd, self._spill_bytes, 0).partition(b"\n")[2]

    def _forget_kept(self) -> None:
        self._memory.clear()
        if self._spill is not None:
            os.close(self._spill)
        self._spill, self._spill_bytes = None, 0
        path = waiting(*self._names)
        if path is not None:
            path.unlink(missing_ok=True)


def _left_behind(names: tuple[str, ...], whole: bytes, what: str) -> bytes:
    """Return the lines that wait to be written behind a file; those that came home are left out.

    Lines that do not follow on the file, which was cut or is another one by now, are set aside.
    """
    path, end = waiting(*names), f"The end of {what[0].lower()}{what[1:]}"
    if path is None:
        return b""
    try:
        first, _, lines = read_regular(path, LOG_BYTES).partition(b"\n")
        begin = int(first)
    except (OSError, ValueError) as error:
        set_apart(path, reason_of(error), end)
        return b""
    lines = lines[: lines.rfind(b"\n") + 1]
    home = whole[begin:]
    if 0 <= begin <= len(whole) and lines.startswith(home):
        return lines[len(home) :]
    if begin < 0 or not home.startswith(lines):
        set_apart(path, "it does not follow on the file", end)
    return b""
