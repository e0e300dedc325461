"""What was received of each session so far, on the disk before it is acknowledged.

A session is made of it when its page closes it, when nothing came for a while, and when the server
ends; more may come after that, so what was received is kept until the page has closed the session.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from viewer.access import OWNER_FILE, make_folder
from viewer.errors import CoverslipError, reason_of
from viewer.files.appending import append_whole
from viewer.limits import LOG_BYTES, read_regular
from viewer.recording.importers.event_log import read_event_logs
from viewer.recording.importers.event_log_session import session_id_of, write_event_log
from viewer.recording.session import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.importers.event_log import EventLog, EventLogHeader
    from viewer.recording.receiving.upload import Upload
    from viewer.recording.session import SlideRef

_log = logging.getLogger(__name__)
_MIB = 1 << 20
_OPEN, _KEPT = ".open.jsonl", ".kept.jsonl"
"""Endings of what is no session yet, and of what is one but may go on."""
_KEPT_S = 30 * 24 * 3600.0


class IncomingLimits(msgspec.Struct, frozen=True):
    """How much is kept of sessions that did not end.

    Attributes
    ----------
    silent_s
        A session of which nothing came for this long is made, as far as it came.
    """

    session_bytes: int = 256 * _MIB
    all_bytes: int = 4096 * _MIB
    sessions: int = 2000
    silent_s: float = 60.0


class RefusedUploadError(CoverslipError):
    """What cannot be taken in; `str()` is one sentence.

    Attributes
    ----------
    status
        Of HTTP.
    next_number
        The event that is wanted next, where it is known.
    """

    def __init__(self, status: int, sentence: str, next_number: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.next_number = status, next_number


class Receipt(msgspec.Struct, frozen=True):
    """What is on the disk: all events before `next_number`."""

    session: str
    next_number: int
    closed: bool


class _Incoming(msgspec.Struct):
    """One session: what its file holds. `lock` guards all of it."""

    path: Path
    next_number: int = 0
    elapsed_ns: int = 0
    bytes: int = 0
    came_s: float = msgspec.field(default_factory=time.monotonic)
    is_made: bool = False
    is_closed: bool = False
    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)


class IncomingSessions:
    """Takes uploads of many pages at once; its methods may be called from any thread.

    Parameters
    ----------
    folder
        Where what was received is kept; made here, for its owner only.
    library
        Where sessions are made.
    slide_of
        Gives the slide on this machine that a page shows; None where there is none.
    on_made
        Hears of the folder of each session that was made.
    """

    def __init__(
        self,
        folder: Path,
        library: Path,
        *,
        slide_of: Callable[[EventLogHeader], SlideRef | None] = lambda _: None,
        on_made: Callable[[Path], object] = lambda _: None,
        limits: IncomingLimits = IncomingLimits(),
    ) -> None:
        self._folder, self._library = make_folder(folder), library
        self._slide_of, self._on_made, self._limits = slide_of, on_made, limits
        self._known: dict[str, _Incoming] = {}
        self._lock = threading.Lock()

    def take(self, upload: Upload) -> Receipt:
        """Keep what an upload holds that had not come before.

        Raises
        ------
        RefusedUploadError
            Events before it are missing, or there is no room.
        """
        header = upload.header
        session = session_id_of(header)
        incoming = self._incoming(header, session)
        if incoming is None:
            return Receipt(session, upload.next_number, closed=True)
        with incoming.lock:
            if incoming.is_closed:  # by a request at the same time
                return Receipt(session, incoming.next_number, closed=True)
            new = [(event, line) for event, line in upload.events
                   if event.number >= incoming.next_number]  # fmt: skip
            if new and new[0][0].number > incoming.next_number:
                raise RefusedUploadError(
                    409,
                    f"Events {incoming.next_number} to {new[0][0].number - 1} have not come: send "
                    "them first.",
                    incoming.next_number,
                )
            if new and new[0][0].elapsed_ns < incoming.elapsed_ns:
                raise RefusedUploadError(
                    422, "The events are earlier than those before them: start another session.",
                    incoming.next_number,
                )  # fmt: skip
            self._append(
                incoming, b"\n".join([upload.header_line, *(line for _, line in new), b""])
            )
            if new:
                incoming.next_number = new[-1][0].number + 1
                incoming.elapsed_ns = new[-1][0].elapsed_ns
            incoming.came_s, incoming.is_made = time.monotonic(), False
            if header.closed:
                self._make(incoming)
        return Receipt(session, incoming.next_number, closed=header.closed)

    def make_silent(self) -> None:
        """Make sessions of those of which nothing came for a while."""
        now_s = time.monotonic()
        for incoming in self._all():
            with incoming.lock:
                if not incoming.is_made and now_s - incoming.came_s >= self._limits.silent_s:
                    self._try_to_make(incoming)

    def make_all(self) -> None:
        """Make sessions of all that came, also before this process; drop what is long made."""
        for path in sorted(self._folder.glob(f"*{_OPEN}")):
            name = path.name.removesuffix(_OPEN)
            with self._lock:
                incoming = self._known.get(name) or _Incoming(path)
            with incoming.lock:
                if not incoming.is_made and path.exists():
                    self._try_to_make(incoming)
        for path in self._folder.glob(f"*{_KEPT}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _KEPT_S:
                    path.unlink()

    # -----------------------------------------------------------------------------------------

    def _all(self) -> list[_Incoming]:
        with self._lock:
            return list(self._known.values())

    def _incoming(self, header: EventLogHeader, session: str) -> _Incoming | None:
        """Return what is known of a session; None where it was closed before."""
        name = hashlib.blake2b(header.session.encode(), digest_size=16).hexdigest()
        with self._lock:
            if name in self._known:
                return self._known[name]
            places = [self._folder / f"{name}{ending}" for ending in (_OPEN, _KEPT)]
            found = next((path for path in places if path.exists()), None)
            if found is None and (self._library / session).exists():
                return None
            if found is None:
                self._check_room()
            incoming = _Incoming(found or places[0], is_made=found == places[1])
            if found is not None:
                _read_back(incoming)
            self._known[name] = incoming
            return incoming

    def _check_room(self) -> None:
        paths = list(self._folder.glob("*.jsonl"))
        size = sum(path.stat().st_size for path in paths)
        if len(paths) >= self._limits.sessions or size >= self._limits.all_bytes:
            raise RefusedUploadError(
                507, "Too many sessions have not ended: restart the server once their pages closed."
            )

    def _append(self, incoming: _Incoming, data: bytes) -> None:
        if incoming.bytes + len(data) > self._limits.session_bytes:
            raise RefusedUploadError(
                413, "The session is too long: close it and start another.", incoming.next_number
            )
        try:
            if incoming.path.name.endswith(_KEPT):
                reopened = incoming.path.with_name(incoming.path.name.removesuffix(_KEPT) + _OPEN)
                incoming.path.rename(reopened)
                incoming.path = reopened
            append_whole(incoming.path, [data], cuts_torn=True, mode=OWNER_FILE)
        except OSError as error:
            raise _no_room(error) from error
        incoming.bytes += len(data)

    def _try_to_make(self, incoming: _Incoming) -> None:
        try:
            self._make(incoming)
        except RefusedUploadError as error:
            _log.warning("A received session is kept for later: %s", error)

    def _make(self, incoming: _Incoming) -> None:
        """Make the session; the file goes where the page closed it. Call it with the lock held."""
        log = _log_in(incoming.path)
        if log is not None and log.events:
            header = log.header
            try:
                slide = self._slide_of(header)
                made = write_event_log(log, session_id_of(header), self._library, slide=slide)
            except OSError as error:
                raise _no_room(error) from error
            except SessionError as error:
                raise RefusedUploadError(422, str(error), incoming.next_number) from error
            self._on_made(made)
        incoming.is_made = True
        if log is not None and log.header.closed:
            incoming.is_closed = True
            incoming.path.unlink(missing_ok=True)
            with self._lock:
                self._known.pop(incoming.path.name.partition(".")[0], None)
        elif incoming.path.name.endswith(_OPEN):
            kept = incoming.path.with_name(incoming.path.name.removesuffix(_OPEN) + _KEPT)
            with contextlib.suppress(OSError):
                incoming.path.rename(kept)
                incoming.path = kept


def _log_in(path: Path) -> EventLog | None:
    """Return what a file holds; None where it holds nothing that is whole."""
    try:
        whole = read_regular(path, LOG_BYTES)
        logs = read_event_logs(whole[: whole.rfind(b"\n") + 1].decode(errors="replace").split("\n"))
    except (OSError, SessionError):
        return None
    return logs[0] if logs else None


def _read_back(incoming: _Incoming) -> None:
    log = _log_in(incoming.path)
    incoming.bytes = read_regular(incoming.path, LOG_BYTES).rfind(b"\n") + 1
    if log is not None and log.events:
        incoming.next_number = log.next_number
        incoming.elapsed_ns = log.events[-1].elapsed_ns


def _no_room(error: OSError) -> RefusedUploadError:
    reason = reason_of(error)
    return RefusedUploadError(507, f"The session cannot be written here ({reason}): keep it.")
