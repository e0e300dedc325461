"""Reading, checking and mending the log of a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

import msgspec

from viewer.errors import reason_of
from viewer.files.appending import append_whole
from viewer.files.atomic_write import sync_open
from viewer.files.set_aside import set_apart
from viewer.limits import EVENT_BYTES, LOG_BYTES, open_regular, read_regular
from viewer.plurals import plural
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.events import AnyEvent
from viewer.recording.log_file import LOCK_FILE, spilled
from viewer.recording.log_line import CHAIN_START, LogLine, chain_of, decode_line
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.recording.session import SessionError

_BLOCK_BYTES = 1 << 20
_CHAIN_CHARS = 12
_BODY_END = -_CHAIN_CHARS - 4
"""Where a line's body ends: before the comma, the quoted chain and the bracket."""

_lines_decoder = msgspec.json.Decoder(prepared(list[LogLine]))


class Verdict(msgspec.Struct, frozen=True):
    """What a check of a log found.

    Attributes
    ----------
    lines
        How many are good, up to the first bad one.
    bad_line
        The first bad line, counted from 1; None where all are good.
    reason
        What is wrong with it.
    torn_bytes
        Of a last line that a crash cut short; not a bad line.
    """

    lines: int
    bad_line: int | None = None
    reason: str = ""
    torn_bytes: int = 0

    @property
    def is_good(self) -> bool:
        return self.bad_line is None


def iter_blocks(folder: Path) -> Iterator[list[LogLine]]:
    """Yield the lines of a session's log in blocks of about a MiB; a torn last line is left out.

    Events of kinds that this version does not know are left out too.

    Raises
    ------
    SessionError
        The log cannot be read, or a line is no JSON: the check names it.
    """
    first = 1
    for block in _raw_blocks(folder):
        try:
            lines = _lines_decoder.decode(b"[" + block.rstrip(b"\n").replace(b"\n", b",") + b"]")
        except DECODE_ERRORS:
            lines = list(_known_lines(folder, block, first))
        first += block.count(b"\n")
        yield lines


def verify(folder: Path) -> Verdict:
    """Check sequence, chain and schema of a log.

    Raises
    ------
    SessionError
        There is no log, or it cannot be read.
    """
    from viewer.recording.session import read_header

    read_header(folder)
    return _verified(_raw_blocks(folder, with_torn=True))


def repair(folder: Path) -> str | None:
    """Mend what a crash left: cuts off a torn last line, brings home what lay in the spill.

    Leaves a session alone that is being recorded.

    Returns
    -------
    str or None
        What was done, which session.json tells too; None where nothing was to be done.

    Raises
    ------
    SessionError
        The session cannot be read or written.
    """
    from filelock import FileLock, Timeout

    from viewer.recording.session import SessionError
    from viewer.recording.signing import sign_mended

    lock = FileLock(folder / LOCK_FILE, mode=0o600)
    try:
        with lock.acquire(timeout=0):
            note = _repair(folder)
            sign_mended(folder, came_home=note is not None and "home" in note)
            return note
    except Timeout:
        return None
    except OSError as error:
        raise SessionError(f"{folder.name} cannot be mended: {reason_of(error)}.") from error


def is_being_recorded(folder: Path) -> bool:
    """Return whether a recorder has the session open, in this process or another."""
    from filelock import FileLock, Timeout

    path = folder / LOCK_FILE
    if not path.exists():
        return False
    lock = FileLock(path, mode=0o600)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # where nothing can be written nobody records


# ---------------------------------------------------------------------------------------------


def _raw_blocks(folder: Path, *, with_torn: bool = False) -> Iterator[bytes]:
    """Blocks of whole lines; with `with_torn` the last may end without a line feed."""
    from viewer.recording.session import EVENTS_FILE, SessionError

    rest = b""
    try:
        with open_regular(folder / EVENTS_FILE) as file:
            while data := file.read(_BLOCK_BYTES):
                data = rest + data
                end = data.rfind(b"\n") + 1
                rest = data[end:]
                if len(rest) > EVENT_BYTES.most:
                    raise SessionError(
                        f"The log of {folder.name} cannot be read: "
                        f"{EVENT_BYTES.sentence(EVENTS_FILE)}."
                    )
                if end:
                    yield data[:end]
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise SessionError(f"The log of {folder.name} cannot be read: {reason}.") from error
    if rest and with_torn:
        yield rest


def _known_lines(folder: Path, block: bytes, first: int) -> Iterator[LogLine]:
    for number, line in enumerate(block.splitlines(), first):
        try:
            yield decode_line(line)
        except msgspec.ValidationError:
            if not _is_foreign(line):
                raise _bad_line(folder, number) from None
        except DECODE_ERRORS:
            raise _bad_line(folder, number) from None


def _bad_line(folder: Path, number: int) -> SessionError:
    from viewer.recording.session import SessionError

    return SessionError(
        f"Line {number} of the log of {folder.name} is damaged: `coverslip sessions verify` tells "
        "more; restore the session from a copy."
    )


_TAGS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent))


def _is_foreign(line: bytes) -> bool:
    """Return whether a line is whole, with an event of a kind that a newer version writes."""
    try:
        parts = msgspec.json.decode(line, type=tuple[int, int, int, list[object], str])
    except DECODE_ERRORS:
        return False
    event = parts[3]
    return bool(event) and isinstance(event[0], str) and event[0] not in _TAGS


def _verified(blocks: Iterator[bytes]) -> Verdict:
    count, chain, elapsed_ns = 0, CHAIN_START, -1
    for block in blocks:
        for line in block.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                return Verdict(count, torn_bytes=len(line))
            reason, chain, elapsed_ns = _checked(line[:-1], count, chain, elapsed_ns)
            if reason:
                return Verdict(count, count + 1, reason)
            count += 1
    return Verdict(count)


def _checked(line: bytes, number: int, chain: str, elapsed_ns: int) -> tuple[str, str, int]:
    """Return what is wrong with a line ("" if nothing), its chain and its time."""
    try:
        at = decode_line(line)
        numbers = (at.number, at.elapsed_ns, at.chain)
    except DECODE_ERRORS as error:
        if not _is_foreign(line):
            return f"it is not of the schema ({error})", chain, elapsed_ns
        parts = msgspec.json.decode(line, type=tuple[int, int, int, list[object], str])
        numbers = (parts[0], parts[1], parts[4])
    if numbers[0] != number:
        return f"its number is {numbers[0]} where {number} belongs", chain, elapsed_ns
    if chain_of(chain, line[:_BODY_END]) != numbers[2]:
        return "its chain does not fit the line before: one of the two was changed", chain, 0
    if numbers[1] < elapsed_ns:
        return "it is earlier than the line before", chain, elapsed_ns
    return "", numbers[2], numbers[1]


def _repair(folder: Path) -> str | None:
    from viewer.recording.session import (
        EVENTS_FILE,
        Repair,
        SessionError,
        read_header,
        write_header,
    )

    header = read_header(folder)
    path = folder / EVENTS_FILE
    notes: list[str] = []
    try:
        verdict = _verified(_raw_blocks(folder, with_torn=True))
    except SessionError:
        if path.exists():
            raise
        path.touch(0o600)
        verdict = Verdict(0)
    if verdict.torn_bytes:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - verdict.torn_bytes)
            sync_open(file.fileno())
        notes.append(f"cut off a torn last line of {verdict.torn_bytes} bytes")
    if verdict.is_good:
        added = _bring_home(path, spilled(header.id), verdict.lines)
        if added:
            notes.append(f"brought {plural(added, 'event')} home from the temporary folder")
    if not notes:
        return None
    note = " and ".join(notes)
    mended = Repair(at_utc=utc_stamp(), note=note)
    write_header(folder, msgspec.structs.replace(header, repairs=(*header.repairs, mended)))
    return note


def _bring_home(path: Path, spill: Path | None, count: int) -> int:
    """Append the spilled lines that follow on the log's last one; return how many there were.

    Others, of a log that was cut since, are set aside.
    """
    if spill is None:
        return 0
    try:
        lines = read_regular(spill, LOG_BYTES).splitlines(keepends=True)
    except OSError:
        return 0
    if lines and lines[0].strip().isdigit():  # of a journal; versions before 0.2 wrote none
        del lines[0]
    if lines and not lines[-1].endswith(b"\n"):
        del lines[-1]
    chain, elapsed_ns, good, is_left = _last_chain(path), 0, list[bytes](), False
    for line in lines:
        if 0 <= _number_of(line) < count:
            continue  # it had come home when the crash came
        reason, chain, elapsed_ns = _checked(line[:-1], count + len(good), chain, elapsed_ns)
        if reason:
            is_left = True
            break
        good.append(line)
    if good:
        append_whole(path, good)
    if is_left:
        set_apart(spill, "it does not follow on the log", f"The end of {path.parent.name}")
    else:
        spill.unlink(missing_ok=True)
    return len(good)


def _last_chain(path: Path) -> str:
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 3 - _CHAIN_CHARS))
        tail = file.read()
    return tail[:_CHAIN_CHARS].decode() if size else CHAIN_START


def _number_of(line: bytes) -> int:
    """Of a line that may be anything; -1 where it has none."""
    digits = line[1:].partition(b",")[0]
    return int(digits) if digits.isdigit() else -1
