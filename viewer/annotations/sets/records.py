"""What the lines of a set's file hold: who it belongs to, what was done, and what is said of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.annotations.sets.annotation_set import SetKey, SetKind  # noqa: TC001 - read by msgspec
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
"""Raised when the meaning of something written changes."""
_MICROSECONDS = 1_000_000


class SetHeader(msgspec.Struct, frozen=True, array_like=True, tag="set"):
    """Whose set it is; the first line of each file, and never sealed."""

    version: int
    identity: str
    reader: str
    name: str
    stage: str
    kind: SetKind
    source: str
    writer: str


class ChangeRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An annotation as it is after an edit.

    Attributes
    ----------
    place
        In the order of drawing: the clock of the edit that made it, and its place in that.
    body
        The packed annotation; None where it was removed.
    clock
        Of the edit where that is not the line's own, as after the file was compacted.
    """

    id: bytes
    place: tuple[int, int]
    body: bytes | None
    clock: int = 0


class EditLine(msgspec.Struct, frozen=True, array_like=True, tag="edit"):
    """One edit: all of it counts, or nothing.

    Attributes
    ----------
    clock
        Microseconds since 1970, or later than any edit that the writer had seen.
    """

    clock: int
    author: str
    label: str
    changes: tuple[ChangeRecord, ...]


class PropertyLine(msgspec.Struct, frozen=True, array_like=True, tag="property"):
    """Something said of the set as a whole; the last one of a name holds."""

    clock: int
    name: str
    value: str


class SealedLine(msgspec.Struct, frozen=True, array_like=True, tag="sealed"):
    """An edit or property that only holders of a key can read."""

    sealed: str


SetLine = SetHeader | EditLine | PropertyLine | SealedLine

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(prepared(SetLine)).decode


class Sealer(Protocol):
    """Seals lines to those who may read them, and opens those that it has a key for."""

    def seal(self, body: bytes, about: bytes) -> str:
        """Return a sealed body; it opens only together with the same `about`."""
        ...

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        """Return the body; None without a key for it."""
        ...


def encoded(line: SetLine) -> bytes:
    """Return a line's body."""
    return _encode(line)


def decoded(bodies: Iterable[bytes]) -> Iterator[SetLine]:
    """Yield what the bodies hold; what a newer version or a damaged file holds is left out."""
    for body in bodies:
        try:
            line = _decode(body)
        except DECODE_ERRORS:
            continue
        yield line


def sealed_line(line: EditLine | PropertyLine, sealer: Sealer, about: bytes) -> SealedLine:
    """Return a line that only those can read to whom `sealer` seals."""
    return SealedLine(sealer.seal(_encode(line), about))


def unsealed_line(line: SealedLine, sealer: Sealer | None, about: bytes) -> SetLine | None:
    """Return what a sealed line holds; None where it stays sealed here."""
    body = sealer.unseal(line.sealed, about) if sealer is not None else None
    if body is None:
        return None
    return next(decoded([body]), None)


def sealed_about(identity: str, key: SetKey) -> bytes:
    """Return what a sealed line is bound to, so that it is worth nothing in another file."""
    return "\0".join(("set", identity, key.reader, key.name, key.stage)).encode()


def clock_now(latest: int) -> int:
    """Return the time of an edit: now, but after all that was seen, even of a clock set wrong."""
    return max(int(time.time() * _MICROSECONDS), latest + 1)
