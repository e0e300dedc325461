"""Steps that can be undone: the last ones in memory, bounded in bytes, older ones on disk."""

from __future__ import annotations

import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

import msgspec
import shapely

from viewer.annotations.kept_geometry import geometries_of
from viewer.annotations.storage.packing import packed_all, unpacked_all
from viewer.prepared_types import prepared
from viewer.window_first import give_way, giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change, Edit

MOST_BYTES = 24 << 20
_BYTES_PER_CHANGE, _BYTES_PER_POINT = 1500, 16
_MEASURED = 200
"""Changes of a step whose points are counted; those of more are taken to be small."""
_POINTS = 20

_AT_ONCE = 1000
"""Changes that are packed together: a million at once would hold up all other threads."""

_writer = ThreadPoolExecutor(1, "undo")
_Pairs = list[tuple[bytes | None, bytes | None]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(prepared(_Pairs)).decode


class _Kept(msgspec.Struct, eq=False):
    """A step: as it is, or where in the file it is.

    Attributes
    ----------
    edit
        None while it is on the disk alone.
    label, turn, count
        What is known of it without reading it.
    places
        Begin and length of its parts in the file; none before it is written.
    is_leaving
        Whether it is being written.
    """

    edit: Edit | None
    label: str
    turn: str
    count: int
    size_bytes: int
    places: tuple[tuple[int, int], ...] = ()
    is_leaving: bool = False


class History:
    """A stack of edits, of which the older ones are written to a file without a name.

    Parameters
    ----------
    made
        Makes an edit of its label, its turn and its changes, as they were packed.
    """

    def __init__(
        self,
        made: Callable[[str, str, Iterable[tuple[Annotation | None, Annotation | None]]], Edit],
    ) -> None:
        self._made = made
        self._kept: list[_Kept] = []
        self._bytes = 0
        """Of the steps that are in memory and stay there."""
        self._first = 0
        """Steps below this one are on disk, or on their way."""
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def last(self) -> Edit | None:
        """Return the step on top, which may have to be read; None where there is none."""
        return self._loaded(self._kept[-1]) if self._kept else None

    @property
    def last_label(self) -> str | None:
        """Return what the step on top is called, without reading it; None where there is none."""
        return self._kept[-1].label if self._kept else None

    @property
    def last_count(self) -> int:
        """Return how many changes the step on top has, without reading it."""
        return self._kept[-1].count if self._kept else 0

    @property
    def memory_bytes(self) -> int:
        """Return about how much the steps in memory take."""
        with self._lock:
            return sum(each.size_bytes for each in self._kept if each.edit is not None)

    def is_last(self, edit: Edit) -> bool:
        """Return whether the step on top is this very one."""
        return bool(self._kept) and self._kept[-1].edit is edit

    def push(self, edit: Edit) -> None:
        """Put a step on top."""
        kept = _Kept(edit, edit.label, edit.turn, len(edit.changes), _size_of(edit))
        self._kept.append(kept)
        self._bytes += kept.size_bytes
        while self._bytes > MOST_BYTES and self._first < len(self._kept) - 1:
            oldest = self._kept[self._first]
            self._first += 1
            self._bytes -= oldest.size_bytes
            if oldest.places:
                self._forget(oldest)
            elif not oldest.is_leaving:
                oldest.is_leaving = True
                _writer.submit(self._write, oldest)

    def pop(self) -> Edit:
        """Take the step on top, which may have to be read. Raises IndexError."""
        kept = self._kept.pop()
        edit = self._loaded(kept)
        self._bytes -= kept.size_bytes if self._first <= len(self._kept) else 0
        if not self._kept:
            self.clear()
        elif self._first >= len(self._kept):
            self._first, self._bytes = len(self._kept) - 1, self._kept[-1].size_bytes
        return edit

    def clear(self) -> None:
        """Forget all steps."""
        for kept in self._kept:
            self._forget(kept)
        self._kept.clear()
        self._bytes = self._first = 0
        with self._lock:
            file, self._file = self._file, None
            if file is not None:  # to give back the room of a million takes longer than a frame
                _writer.submit(file.close)

    # -----------------------------------------------------------------------------------------

    def _forget(self, kept: _Kept) -> None:
        """Let a step leave the memory; one of very many changes does so little by little."""
        edit, kept.edit = kept.edit, None
        if edit is not None:
            edit.let_go()

    def _loaded(self, kept: _Kept) -> Edit:
        with self._lock:
            edit = kept.edit
            if edit is not None:
                return edit
            assert self._file is not None
            parts: list[bytes] = []
            for begin, length in kept.places:
                self._file.seek(begin)
                parts.append(self._file.read(length))
        made = self._made(kept.label, kept.turn, chain.from_iterable(map(_unpacked_pairs, parts)))
        with self._lock:
            edit = kept.edit = kept.edit or made
            return edit

    def _write(self, kept: _Kept) -> None:
        """Write a step, in the thread; one that cannot be written stays in memory."""
        edit = kept.edit
        if edit is None or _has_empty_shapes(edit):
            return
        parts = [
            zlib.compress(_encode(_packed_pairs(edit.changes[begin : begin + _AT_ONCE])), 1)
            for begin in range(0, len(edit.changes), _AT_ONCE)
        ]
        places: list[tuple[int, int]] = []
        with self._lock:
            if kept not in self._kept:
                return  # undone or forgotten in the meantime
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile()  # noqa: SIM115 - until `clear`
                begin = self._file.seek(0, 2)
                for part in parts:
                    self._file.write(part)
                    places.append((begin, len(part)))
                    begin += len(part)
            except OSError:
                return
            kept.places = tuple(places)
            is_last = self._kept[-1:] == [kept]
        if not is_last:
            self._forget(kept)


def _packed_pairs(changes: Sequence[Change]) -> _Pairs:
    before = packed_all([each.before for each in changes if each.before is not None])
    after = packed_all([each.after for each in changes if each.after is not None])
    return [
        (
            None if each.before is None else next(before),
            None if each.after is None else next(after),
        )
        for each in changes
    ]


def _unpacked_pairs(part: bytes) -> list[tuple[Annotation | None, Annotation | None]]:
    give_way()
    pairs = _decode(zlib.decompress(part))
    before = iter(unpacked_all([one for one, _ in pairs if one is not None]))
    after = iter(unpacked_all([two for _, two in pairs if two is not None]))
    return [
        (None if one is None else next(before), None if two is None else next(after))
        for one, two in pairs
    ]


def _has_empty_shapes(edit: Edit) -> bool:
    """Return whether a step has shapes that are not read back."""
    both = (
        each
        for change in giving_way(edit.changes)
        for each in (change.before, change.after)
        if each
    )
    while part := list(islice(both, _AT_ONCE)):
        if shapely.is_empty(geometries_of(part)).any():
            return True
    return False


def _size_of(edit: Edit) -> int:
    """Return about how many bytes a step takes."""
    count = len(edit.changes)
    if count > _MEASURED:
        return count * (_BYTES_PER_CHANGE + _POINTS * _BYTES_PER_POINT)
    shapes = [
        each.geometry
        for change in edit.changes
        for each in (change.before, change.after)
        if each is not None
    ]
    points = shapely.count_coordinates(shapes)
    return count * _BYTES_PER_CHANGE + points * _BYTES_PER_POINT
