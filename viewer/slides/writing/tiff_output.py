"""Writing a TIFF: data as it comes, then the directories, then the header that points to them."""

from __future__ import annotations

import struct
from enum import Enum
from typing import IO, TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 2, 3, 4, 5, 7, 16
SUB_DIRECTORIES = 330
_HEADER_BYTES = 16
_MOST_CLASSIC_BYTES = (1 << 32) - 1
_SLACK_BYTES = 1 << 20
_TOO_LARGE = "The copy would be larger than the 4 GB that its kind of TIFF holds."


class Layout(Enum):
    """How wide the words of a file are."""

    CLASSIC = "classic"
    BIG = "big"
    NDPI = "ndpi"
    """Classic words, the upper halves of offsets behind each directory."""
    BY_SIZE = "by size"
    """Classic where all offsets fit, else BigTIFF."""


class Tag(msgspec.Struct, frozen=True):
    """One entry of a directory; `data` is in the byte order of the file."""

    code: int
    kind: int
    count: int
    data: bytes


class OutDirectory(msgspec.Struct):
    """What is written as one directory; entries are sorted by their code."""

    tags: list[Tag] = msgspec.field(default_factory=list[Tag])
    subs: list[OutDirectory] = msgspec.field(default_factory=list["OutDirectory"])


def text_tag(code: int, text: str) -> Tag:
    data = text.encode("utf-8") + b"\0"
    return Tag(code, ASCII, len(data), data)


class TiffOutput:
    """A TIFF that is being written; a header of zeros stands at its start until `finish`.

    Parameters
    ----------
    file
        Open for writing, at the place where data goes on: a new file, or one whose header and
        first data are there already.
    order
        "<" or ">".
    """

    def __init__(self, file: IO[bytes], order: str, layout: Layout) -> None:
        self._file = file
        self._order = order
        self._layout = layout
        self._words = (
            None
            if layout is Layout.BY_SIZE
            else _Words(layout is Layout.BIG, layout is Layout.NDPI)
        )
        self._pointer_at = 0
        self._count = 0
        self._at = file.tell()
        if self._at < _HEADER_BYTES:
            file.write(bytes(_HEADER_BYTES - self._at))
            self._at = _HEADER_BYTES

    @property
    def size_bytes(self) -> int:
        return self._at

    def append(self, data: bytes | memoryview) -> int:
        """Write data and return where it lies."""
        offset = self._at
        self._file.write(data)
        self._at += len(data)
        return offset

    def numbers(self, code: int, kind: int, values: ArrayLike) -> Tag:
        """Return a tag of numbers: SHORT, LONG, LONG8 or the like."""
        dtype = {1: "u1", SHORT: "u2", LONG: "u4", LONG8: "u8", 11: "f4", 12: "f8"}[kind]
        array = np.atleast_1d(np.asarray(values)).astype(self._order + dtype)
        return Tag(code, kind, len(array), array.tobytes())

    def rational(self, code: int, numerator: int, denominator: int) -> Tag:
        return Tag(code, RATIONAL, 1, struct.pack(f"{self._order}II", numerator, denominator))

    def offsets(self, code: int, values: ArrayLike) -> Tag:
        """Return a tag of places in the file, narrow where the file's layout has them so."""
        array = np.atleast_1d(np.asarray(values, np.int64))
        is_wide = array.size > 0 and int(array.max()) > _MOST_CLASSIC_BYTES
        if is_wide and (self._layout is Layout.CLASSIC):
            raise WritingError(_TOO_LARGE)
        return self.numbers(code, LONG8 if is_wide else LONG, array)

    def add(self, directory: OutDirectory) -> None:
        """Write a directory of the chain, behind its data. Raises WritingError and OSError."""
        words = self._words
        if words is None:
            words = self._words = _Words(self._at > _MOST_CLASSIC_BYTES - _SLACK_BYTES, False)
        if self._pointer_at == 0:
            version = struct.pack(f"{self._order}HHH", 43, 8, 0)
            head = version if words.is_big else struct.pack(f"{self._order}H", 42)
            self._patch(0, (b"II" if self._order == "<" else b"MM") + head)
            self._pointer_at = 2 + len(head)
        start = self._write(directory, words)
        pointer = struct.pack(self._order + words.pointer, start)
        self._patch(self._pointer_at, pointer)
        self._pointer_at = start + words.pointer_in(self._count)

    def finish(self, directories: Sequence[OutDirectory]) -> None:
        """Write all directories, the layout chosen by their size too.

        Raises WritingError and OSError.
        """
        if self._words is None:
            size = self._at + sum(map(_stored_bytes, directories))
            self._words = _Words(size > _MOST_CLASSIC_BYTES - _SLACK_BYTES, False)
        for directory in directories:
            self.add(directory)

    def _patch(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        self._file.write(data)
        self._file.seek(self._at)

    def _write(self, directory: OutDirectory, words: _Words) -> int:
        """Write what lies outside of a directory, then it; return where it lies."""
        entries = self._entries(directory, words)
        self._align()
        self._count = len(entries)
        start = self.append(words.directory(self._order, entries))
        if not words.is_big and not words.is_ndpi and self._at > _MOST_CLASSIC_BYTES:
            raise WritingError(_TOO_LARGE)
        return start

    def _entries(self, directory: OutDirectory, words: _Words) -> list[_Entry]:
        tags = list(directory.tags)
        if directory.subs:
            starts = [self._write(sub, words) for sub in directory.subs]
            kind = LONG8 if words.is_big else LONG
            tags.append(self.numbers(SUB_DIRECTORIES, kind, starts))
        entries: list[_Entry] = []
        for tag in sorted(tags, key=lambda tag: tag.code):
            inline = tag.data
            if words.is_ndpi and tag.kind == LONG8 and tag.count == 1:
                low, high = divmod(int(np.frombuffer(inline, f"{self._order}u8")[0]), 1 << 32)[::-1]
                entries.append(_Entry(tag.code, LONG, 1, struct.pack("<I", low), high))
                continue
            if len(inline) > words.inline_bytes:
                self._align()
                place = self.append(inline)
                low, high = place & _MOST_CLASSIC_BYTES, place >> 32
                word = struct.pack(
                    self._order + ("Q" if words.is_big else "I"), place if words.is_big else low
                )
                entries.append(_Entry(tag.code, tag.kind, tag.count, word, high))
            else:
                padded = inline.ljust(words.inline_bytes, b"\0")
                entries.append(_Entry(tag.code, tag.kind, tag.count, padded, 0))
        return entries

    def _align(self) -> None:
        self.append(bytes(-self._at % 8))


class _Entry(msgspec.Struct, frozen=True):
    code: int
    kind: int
    count: int
    word: bytes
    high: int


class _Words(msgspec.Struct, frozen=True):
    """The sizes of a directory's words."""

    is_big: bool
    is_ndpi: bool

    @property
    def inline_bytes(self) -> int:
        return 8 if self.is_big else 4

    def directory_bytes(self, count: int) -> int:
        if self.is_big:
            size = 8 + 20 * count + 8
        elif self.is_ndpi:
            size = 2 + 12 * count + 8 + 4 * count
        else:
            size = 2 + 12 * count + 4
        return size + -size % 8

    @property
    def pointer(self) -> str:
        """Return the word that tells where the next directory is, as `struct` has it."""
        return "Q" if self.is_big or self.is_ndpi else "I"

    def pointer_in(self, count: int) -> int:
        """Return where in a directory of `count` entries that word lies."""
        return 8 + 20 * count if self.is_big else 2 + 12 * count

    def directory(self, order: str, entries: list[_Entry]) -> bytes:
        """Return the bytes of a directory that no other follows yet."""
        head = struct.pack(order + ("Q" if self.is_big else "H"), len(entries))
        count = "Q" if self.is_big else "I"
        body = b"".join(
            struct.pack(f"{order}HH{count}", each.code, each.kind, each.count) + each.word
            for each in entries
        )
        tail = struct.pack(order + self.pointer, 0)
        if self.is_ndpi:
            tail += b"".join(struct.pack("<I", each.high) for each in entries)
        whole = head + body + tail
        return whole.ljust(self.directory_bytes(len(entries)), b"\0")


def _stored_bytes(directory: OutDirectory) -> int:
    own = sum(len(tag.data) + 32 for tag in directory.tags) + 64
    return own + sum(map(_stored_bytes, directory.subs))
