"""The file of one reviewer's review of one session, written in a thread and synced line by line."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from filelock import FileLock, Timeout

from viewer.access import make_folder
from viewer.errors import reason_of
from viewer.files.fallback import fallback_path
from viewer.files.journal import Journal
from viewer.files.set_aside import say_unusable
from viewer.limits import LOG_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
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
_decoder = msgspec.json.Decoder(prepared(Entry))


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

    A line is on the disk (fsync) as soon as the disk takes it. The journal holds all lines in
    memory: they are few, since a person makes them. What waits since a crash is taken in.

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
        self._lock = _locked(path)
        try:
            self.entries, whole_bytes = _checked(path)
            whole = read_regular(path, LOG_BYTES)[:whole_bytes] if whole_bytes else b""
            name = fallback_name(path)
            self._journal = Journal(
                path, name, on_trouble, what="The review", former=f"coverslip-{name}", whole=whole
            )
            self.entries += _decoded(self._journal.left, name)
        except (OSError, ReviewError):
            self._lock.release()
            raise
        self._pending: list[bytes] = []
        self._is_home = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="write review", daemon=True)
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Take a line; never blocks on the disk."""
        with self._changed:
            self._pending.append(json_line(entry))
            self._is_home = False
            self._changed.notify_all()

    def flush(self, patience_s: float = _CLOSE_WAIT_S) -> bool:
        """Wait until all lines are on the disk; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_home, patience_s)

    def close(self) -> bool:
        """Write what waits and let go of the file; return whether all of it was written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_WAIT_S)
        if self._thread.is_alive():
            path = self._journal.path
            say_unusable(f"The end of a review is not in {path} yet: its drive does not answer.")
        self._lock.release()
        return self._is_home

    def _serve(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                lines, self._pending = b"".join(self._pending), []
                is_last = self._closing
            if lines:
                self._journal.append(lines)
            self._journal.retry()
            self._journal.sync()
            with self._changed:
                self._is_home = self._journal.is_home and not self._pending
                self._changed.notify_all()
                if not is_last:
                    patience_s = None if self._is_home else _RETRY_S
                    self._changed.wait_for(lambda: self._pending or self._closing, patience_s)
        self._journal.close()


def fallback_name(review: Path) -> str:
    """Return the name in the data folder of the lines that wait for a review."""
    digest = hashlib.blake2b(str(review.absolute()).encode(), digest_size=12).hexdigest()
    return f"review-{digest}.jsonl"


def _decoded(left: bytes, name: str) -> list[Entry]:
    try:
        return [_decoder.decode(line) for line in left.split(b"\n")[:-1]]
    except DECODE_ERRORS as error:
        raise ReviewError(
            f"{fallback_path(name)}, with the end of a review, is damaged: move it away."
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
        raise ReviewError(f"{path} cannot be written: {reason_of(error)}.") from error
    return lock
