"""What was opened, exported, sent and imported on this machine, line by line and signed.

Each line is signed over itself and the signature of the line before, and the last number is kept
beside, so that a line that was changed, removed or put in shows, and a cut does as well.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.access import make_folder
from viewer.cell_text import text_cell
from viewer.errors import reason_of
from viewer.files import atomic_write as writing
from viewer.files.appending import append_whole
from viewer.files.atomic_write import atomic_write_bytes, atomic_write_text
from viewer.files.set_aside import say_unusable
from viewer.folders import data_folder
from viewer.limits import open_regular, read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.signing.keys import Signer

Deed = Literal["opened", "exported", "sent", "imported"]
COLUMNS = ("number", "at_utc", "what", "subject", "detail", "count")
_STUDY = "audit"
"""Its key is of no study, so that nothing links the log to a pseudonym."""
_LOG, _HEAD, _LOCK = "audit.jsonl", "last.json", "audit.lock"
_CONTEXT = b"coverslip audit 1\n"
_GATHER_S = 1.0
"""Files that go to one folder in a row are one line."""
_MOST_WAITING = 10_000
_LOCK_WAIT_S = 10.0
_CLOSE_WAIT_S = 5.0
_TAIL_BYTES = 1 << 16
_log = logging.getLogger(__name__)


class AuditEntry(msgspec.Struct, frozen=True, array_like=True):
    """One line of the log.

    Attributes
    ----------
    subject
        The slide, file or folder; of what was sent, the host.
    count
        Files or pictures.
    signature
        Ed25519, base64; "" where there was no key.
    """

    number: int
    at_utc: str
    what: Deed
    subject: str
    detail: str = ""
    count: int = 1
    signature: str = ""


class AuditVerdict(msgspec.Struct, frozen=True):
    """Whether the log is as it was written; `problem` is "" or one sentence."""

    lines: int
    unsigned: int
    problem: str = ""


class AuditTrail:
    """Takes what is done, from any thread, and writes it in a thread of its own.

    What cannot be written is said once, waits, and is tried again with what is done next.
    """

    def __init__(self) -> None:
        self._waiting: deque[AuditEntry] = deque(maxlen=_MOST_WAITING)
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_idle = True
        self._signer: Signer | None = None
        self._home = ""
        self._said = ""
        """What cannot be written, as it was said; "" once all is written again."""

    def note(self, what: Deed, subject: str | Path, detail: str = "", count: int = 1) -> None:
        """Take one deed; returns at once."""
        at_utc = utc_stamp()
        with self._change:
            self._waiting.append(AuditEntry(0, at_utc, what, str(subject), detail, count))
            self._begin()
            self._change.notify_all()

    def note_export(self, path: Path) -> None:
        """Take a file that was written for the user."""
        self.note("exported", path.parent, path.name)

    def flush(self, patience_s: float = _CLOSE_WAIT_S) -> bool:
        """Wait until all is written; return whether it is."""
        with self._change:
            self._flushing = True
            if self._waiting:
                self._begin()
            self._change.notify_all()
            return self._change.wait_for(lambda: self._is_idle, patience_s) and not self._waiting

    _flushing = False

    def _begin(self) -> None:
        """Have a thread write what waits; called with the lock held."""
        self._is_idle = False
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._serve, name="audit", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while True:
            until_s = time.monotonic() + _GATHER_S
            with self._change:
                while not self._flushing and (left_s := until_s - time.monotonic()) > 0:
                    self._change.wait(left_s)
                taken = list(self._waiting)
                self._waiting.clear()
                self._flushing = False
            is_written = not taken or self._write(taken)
            with self._change:
                if not is_written:
                    self._waiting = deque([*taken, *self._waiting], _MOST_WAITING)
                if not self._waiting or not is_written:
                    self._is_idle, self._thread = True, None
                    self._change.notify_all()
                    return

    def _write(self, entries: list[AuditEntry]) -> bool:
        """Write entries; where that fails, say so once and return False."""
        try:
            _append(_joined(entries), self._key())
        except Exception as error:  # nothing that is done may fail for its record
            place = data_folder() / "audit"
            sentence = (
                "What is opened, exported, sent and imported cannot be written down "
                f"({reason_of(error)}): mend or remove {place}."
            )
            if sentence != self._said:
                self._said = sentence
                say_unusable(sentence)
            return False
        self._said = ""
        return True

    def _key(self) -> Signer | None:
        from viewer.signing.keys import KeyRing

        home = str(data_folder())
        if self._signer is None or home != self._home:
            try:
                self._signer, self._home = KeyRing().signer(_STUDY), home
            except Exception as error:  # whatever a keyring raises
                _log.warning("the audit log is not signed: there is no key (%s)", error)
                return None
        return self._signer


trail = AuditTrail()


def sent_detail(study: str, model: str, slide: str) -> str:
    """Return what an entry says of what was sent; `sent_parts` reads it."""
    return "; ".join(filter(None, (f"study {study}", f"model {model}", slide and f"slide {slide}")))


def sent_parts(detail: str) -> dict[str, str]:
    """Return "study", "model" and, where it was known, "slide" of what was sent."""
    pairs = (part.partition(" ") for part in detail.split("; "))
    return {name: value for name, _, value in pairs}


def keep_audit() -> None:
    """Note each export from now on, and write what waits when the program ends."""
    if writing.on_export is None:
        writing.on_export = trail.note_export
        atexit.register(trail.flush)


def read_audit(most: int | None = None) -> list[AuditEntry]:
    """Return the entries, the newest first; lines that cannot be read are passed over."""
    entries = deque(_entries(), maxlen=most)
    return list(reversed(entries))


def check_audit() -> AuditVerdict:
    """Hold the log against the keys of this account. Raises OSError."""
    from viewer.signing.keys import KeyRing, is_signed

    listed = KeyRing().listed(_STUDY)
    before, count, unsigned = "", 0, 0
    for line in _lines():
        try:
            entry = msgspec.json.decode(line, type=prepared(AuditEntry))
        except DECODE_ERRORS:
            return AuditVerdict(count, unsigned, f"Line {count + 1} is damaged.")
        if entry.number != count:
            return AuditVerdict(
                count, unsigned, f"Line {count + 1} is number {entry.number}: lines are missing."
            )
        if entry.signature:
            message = _message(entry, before)
            if not any(is_signed(message, entry.signature, key) for key in listed):
                return AuditVerdict(
                    count, unsigned, f"Line {count + 1} or the one before it was changed."
                )
        else:
            unsigned += 1
        before, count = entry.signature, count + 1
    last = _head()
    if last > count:
        return AuditVerdict(count, unsigned, f"{last - count:,} lines are missing at its end.")
    return AuditVerdict(count, unsigned)


def export_audit(path: Path) -> int:
    """Write all entries as CSV, the oldest first, and return how many. Raises OSError."""
    import csv

    count = 0
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for entry in _entries():
            texts = (text_cell(each) for each in (entry.what, entry.subject, entry.detail))
            writer.writerow((entry.number, entry.at_utc, *texts, entry.count))
            count += 1
    return count


# ---------------------------------------------------------------------------------------------


def _folder() -> Path:
    return make_folder(data_folder() / "audit")


def _joined(entries: list[AuditEntry]) -> list[AuditEntry]:
    """Files of one folder in a row as one entry."""
    joined: list[AuditEntry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        is_same = last is not None and (last.what, last.subject) == (entry.what, entry.subject)
        if last is None or not is_same or entry.what not in ("exported", "imported"):
            joined.append(entry)
        elif last.detail != entry.detail:
            joined[-1] = msgspec.structs.replace(last, count=last.count + entry.count)
    return joined


def _append(entries: list[AuditEntry], signer: Signer | None) -> None:
    from filelock import FileLock

    folder = _folder()
    path = folder / _LOG
    with FileLock(folder / _LOCK, mode=0o600, timeout=_LOCK_WAIT_S):
        number, before = _end(path)
        made: list[bytes] = []
        for entry in entries:
            entry = msgspec.structs.replace(entry, number=number)
            if signer is not None:
                signature = signer.sign(_message(entry, before))
                entry = msgspec.structs.replace(entry, signature=signature)
            made.append(msgspec.json.encode(entry) + b"\n")
            number, before = number + 1, entry.signature
        append_whole(path, made, cuts_torn=True)
        try:
            atomic_write_bytes(folder / _HEAD, msgspec.json.encode(number), mode=0o600)
        except OSError as error:  # they are in the log: who tried again would write them twice
            _log.warning("The length of the audit log is not written (%s)", reason_of(error))


def _end(path: Path) -> tuple[int, str]:
    """Return the next number and the signature of the last whole line."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return 0, ""
    lines = tail[: tail.rfind(b"\n") + 1].splitlines()
    if not lines:
        return 0, ""
    with contextlib.suppress(*DECODE_ERRORS):
        last = msgspec.json.decode(lines[-1], type=prepared(AuditEntry))
        return last.number + 1, last.signature
    return _head(), ""


def _head() -> int:
    try:
        return msgspec.json.decode(read_kept(_folder() / _HEAD), type=int)
    except (OSError, *DECODE_ERRORS):
        return 0


def _message(entry: AuditEntry, before: str) -> bytes:
    plain = msgspec.structs.replace(entry, signature="")
    return _CONTEXT + before.encode() + b"\n" + msgspec.json.encode(plain)


def _lines() -> Iterator[bytes]:
    try:
        with open_regular(_folder() / _LOG) as file:
            for line in file:
                yield line.rstrip(b"\n")
    except FileNotFoundError:
        return


def _entries() -> Iterator[AuditEntry]:
    for line in _lines():
        with contextlib.suppress(*DECODE_ERRORS):
            yield msgspec.json.decode(line, type=prepared(AuditEntry))
