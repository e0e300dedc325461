"""The file of one reviewer's review of one session, written in a thread and synced line by line."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from filelock import FileLock, Timeout

from viewer.access import make_folder
from viewer.recording.review import fallback
from viewer.recording.review.entries import (
    REVIEW_SCHEMA_VERSION,
    Entry,
    Opened,
    ReviewError,
)
from viewer.recording.review.json_lines import json_line, read_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REVIEWS_FOLDER = "reviews"
LONGEST_NAME = 64
_RETRY_S = 1.0
_CLOSE_WAIT_S = 5.0
_decoder = msgspec.json.Decoder(Entry)


def review_path(session: Path, reviewer: str) -> Path:
    """Return where a reviewer's review of a session lies.

    Raises
    ------
    ReviewError
        The name cannot be one.
    """
    name = reviewer.strip()
    if not name or len(name) > LONGEST_NAME:
        raise ReviewError(
            f"A reviewer's name has 1 to {LONGEST_NAME} characters: choose another, better a "
            "pseudonym."
        )
    return session / REVIEWS_FOLDER / f"{quote(name, safe=' ')}.jsonl"


def read_entries(path: Path) -> list[Entry]:
    """Return the lines of a review; none where it is not there.

    Raises
    ------
    ReviewError
        It cannot be read, is damaged, or is of a newer version.
    """
    return _checked(path)[0]


def _checked(path: Path) -> tuple[list[Entry], int]:
    entries, whole_bytes = read_json_lines(path, _decoder)
    for entry in entries:
        if isinstance(entry, Opened) and entry.schema_version > REVIEW_SCHEMA_VERSION:
            raise ReviewError(
                f"{path} was written by a newer Coverslip ({entry.app_version}): update."
            )
    return entries, whole_bytes


class ReviewLog:
    """Appends to a review; keeps what cannot be written, and tries again each second.

    A line is on the disk (fsync) as soon as the disk takes it. All lines are kept in memory too:
    they are few, since a person makes them, and a file that vanished is written anew whole.
    What cannot be written waits in the data folder too, and is taken in when the review is
    opened again after a crash.

    Parameters
    ----------
    path
        As `review_path` gives it; the session's folder must be there.
    on_trouble
        Called in the writing thread with one sentence when the file cannot be written, and with
        "" when it can again.

    Raises
    ------
    ReviewError
        The file is damaged, cannot be made, or is open in another window.
    """

    def __init__(
        self, path: Path, on_trouble: Callable[[str], object] = lambda _sentence: None
    ) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._lock = _locked(path)
        try:
            self.entries, self._good_bytes = _checked(path)
            whole = path.read_bytes()[: self._good_bytes] if self._good_bytes else b""
            self._lines = bytearray(whole)
            rescued = fallback.kept(path, self._good_bytes)
            self.entries += _decoded(rescued, path)
        except (OSError, ReviewError):
            self._lock.release()
            raise
        self._pending: list[bytes] = [rescued] if rescued else []
        self._has_rescue = bool(rescued)
        self._trouble = ""
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="write review", daemon=True)
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Takes a line; never blocks on the disk."""
        with self._changed:
            self._pending.append(json_line(entry))
            self._changed.notify_all()

    def flush(self, patience_s: float = _CLOSE_WAIT_S) -> bool:
        """Waits until all lines are on the disk; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, patience_s)

    def close(self) -> bool:
        """Writes what waits and lets go of the file; whether all of it was written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_WAIT_S)
        self._lock.release()
        return not self._pending

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                waiting = list(self._pending)
                is_last = self._closing
            failed = bool(waiting) and not self._write(b"".join(waiting))
            with self._changed:
                if not failed:
                    del self._pending[: len(waiting)]
                    self._changed.notify_all()
                if is_last and (failed or not self._pending):
                    return
                if failed:
                    self._changed.wait_for(lambda: self._closing, _RETRY_S)

    def _write(self, data: bytes) -> bool:
        try:
            self._append_whole(data)
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell(
                f"The review cannot be written to {self._path.parent} ({reason}): make room or "
                "bring the folder back; what you do is kept until then."
            )
            self._has_rescue = fallback.keep(self._path, self._good_bytes, data)
            return False
        if self._has_rescue:
            fallback.forget(self._path)
            self._has_rescue = False
        self._lines += data
        self._good_bytes = len(self._lines)
        self._tell("")
        return True

    def _append_whole(self, data: bytes) -> None:
        """Writes all or, for those who read, nothing; also takes off a torn line."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(fd).st_size < self._good_bytes:
                data, start = bytes(self._lines) + data, 0
            else:
                start = self._good_bytes
            os.ftruncate(fd, start)
            os.lseek(fd, start, os.SEEK_SET)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, start)
                raise
        finally:
            os.close(fd)

    def _tell(self, sentence: str) -> None:
        if sentence != self._trouble:
            self._trouble = sentence
            self._on_trouble(sentence)


def _decoded(rescued: bytes, path: Path) -> list[Entry]:
    try:
        return [_decoder.decode(line) for line in rescued.split(b"\n")[:-1]]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ReviewError(
            f"{fallback.rescue_path(path)}, with the end of a review, is damaged: move it away."
        ) from error


def _locked(path: Path) -> FileLock:
    try:
        make_folder(path.parent)
        lock = FileLock(path.with_suffix(".lock"), mode=0o600)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ReviewError(
            "This review is open in another window: go on there, or close it first."
        ) from error
    except OSError as error:
        raise ReviewError(f"{path} cannot be written: {error.strerror}.") from error
    return lock
