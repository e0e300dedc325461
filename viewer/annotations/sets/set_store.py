"""The files of one set, one a writer: merged on reading, and this process's own to write."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from viewer.annotations.sets.annotation_set import SUFFIX
from viewer.annotations.sets.merged_set import MergedSet
from viewer.annotations.sets.records import (
    VERSION,
    ChangeRecord,
    EditLine,
    PropertyLine,
    SetHeader,
    clock_now,
    decoded,
    encoded,
    sealed_about,
    sealed_line,
)
from viewer.annotations.storage.packing import packed_all, unpacked, unpacked_all
from viewer.annotations.storage.store import AnnotationStoreError, Version
from viewer.atomic_write import atomic_write
from viewer.device import WriterName
from viewer.kept_lines import GrowingFiles, append_lines, line_of, read_bodies
from viewer.progress import tell_progress, while_wanted
from viewer.slow_release import let_go_if_stopped
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer, SetLine
    from viewer.annotations.storage.store import Stamped

_MOST_IN_LINE = 2000
"""Annotations of an edit that share a line; a larger edit is written in several."""
_MOST_HISTORY_BYTES = 64 << 20
"""Of this writer's own file beyond what holds; with more, earlier versions are forgotten."""


class SetStore:
    """One open set; used by one thread at a time.

    Parameters
    ----------
    which
        The set; its kind and source are written where it is new.
    sealer
        Seals what is written and opens what is sealed; None writes plain lines.
    read_only
        Whether nothing is written: then no writer's name is taken.

    Raises
    ------
    AnnotationStoreError
        The folder or the home cannot be used; one sentence says why.
    """

    def __init__(
        self, which: AnnotationSet, sealer: Sealer | None = None, *, read_only: bool = False
    ) -> None:
        self.which = which
        self._sealer = sealer
        self._about = sealed_about(which.identity, which.key)
        self._folder = which.files_folder
        self._prefix = which.key.file_name
        self._files = GrowingFiles()
        self._merged = MergedSet(self._about, sealer)
        self._writer: WriterName | None = None
        try:
            if not read_only:
                self._writer = WriterName(f"{self._folder.name}~{self._prefix}")
                self._compact()
            self._read(self._paths())
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            raise AnnotationStoreError(
                f'The annotations "{which.key.name}" in {which.folder} cannot be opened '
                f"({error.strerror or error}): check the drive."
            ) from error

    def close(self) -> None:
        """Let another process write under the name that this one had."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.release()

    @property
    def path(self) -> Path:
        """Return the file that this process writes."""
        name = self._writer.name if self._writer is not None else ""
        return self._folder / f"{self._prefix}{name}{SUFFIX}"

    # What is there ---------------------------------------------------------------------------

    @property
    def header(self) -> SetHeader | None:
        """Return whose set it is, as its files say; None where there are none."""
        return self._merged.header

    @property
    def properties(self) -> dict[str, str]:
        """Return what is said of the set as a whole, without what is ""."""
        return {name: value for name, (_, value) in self._merged.properties.items() if value}

    @property
    def sealed_count(self) -> int:
        """Return how many lines stay sealed here."""
        return self._merged.sealed_count

    def __len__(self) -> int:
        return len(self._merged)

    def annotations(self, naming: Sequence[str] = ()) -> tuple[list[Annotation], int]:
        """Return all annotations in the order of drawing, and how many could not be understood.

        Of those that hold one of the words of `naming`, where there are any.
        """
        living = self._merged.living([word.encode() for word in naming])
        found: list[Annotation | None] = []
        with let_go_if_stopped(found):
            for begin in range(0, len(living), _MOST_IN_LINE):
                found += unpacked_all(living[begin : begin + _MOST_IN_LINE])
                tell_progress(begin / len(living))
        renames = self.which.renames
        sound = [each.with_classes_renamed(renames) for each in found if each is not None]
        return sound, len(found) - len(sound)

    # What is done ----------------------------------------------------------------------------

    def write(self, steps: Sequence[Stamped]) -> None:
        """Add edits and return when they are on the disk; all or none.

        Raises
        ------
        OSError
            The disk is full, or gone: nothing is changed.
        """
        lines: list[EditLine] = []
        places: dict[bytes, tuple[int, int]] = {}
        clock = self._merged.latest
        for stamped in steps:
            for changes in _parts(stamped.step.changes):
                tell_progress(0.0)
                clock = clock_now(clock)
                records = tuple(self._records(changes, clock, places))
                lines.append(EditLine(clock, stamped.author, stamped.step.label, records))
        self._append(lines)

    def say(self, name: str, value: str) -> None:
        """Say something of the set as a whole, such as that it is locked. Raises OSError."""
        self._append([PropertyLine(clock_now(self._merged.latest), name, value)])

    # Others at the files ---------------------------------------------------------------------

    @property
    def was_changed(self) -> bool:
        """Return whether others wrote since this was last asked; reads what they wrote."""
        paths = self._paths()
        return self._files.is_changed(paths) and self._read(paths)

    @property
    def was_replaced(self) -> bool:
        """Return False: whatever becomes of a file, what it said is merged, never undone."""
        return False

    def put_back(self) -> Path | None:
        """Do nothing, as there is never a need to."""
        return None

    # Versions --------------------------------------------------------------------------------

    def versions(self) -> list[Version]:
        """Return what can be brought back, the newest first; numbered by their clocks."""
        return [
            Version(line.clock, _moment(line.clock), line.author, line.label, len(line.changes))
            for line, _ in reversed(self._edits())
            if line.label
        ]

    def then(self, number: int) -> dict[UUID, Annotation | None]:
        """What was otherwise before a version's edit: annotations as they were, None if absent."""
        edits = self._edits()
        before = MergedSet(self._about, None)
        for line, writer in edits:
            if line.clock < number:
                before.take([line], writer)
        ids = {change.id for line, _ in edits if line.clock >= number for change in line.changes}
        found: dict[UUID, Annotation | None] = {}
        for id_ in ids:
            held = before.held.get(id_)
            then = unpacked(held.body) if held is not None and held.body else None
            renamed = then.with_classes_renamed(self.which.renames) if then is not None else None
            found[UUID(bytes=id_)] = renamed
        return found

    # -----------------------------------------------------------------------------------------

    def _paths(self) -> list[Path]:
        """Return the files of all writers, and what synced folders made of them."""
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries)
        except FileNotFoundError:
            return []
        return [self._folder / name for name in names if name.startswith(self._prefix)]

    def _read(self, paths: Iterable[Path]) -> bool:
        is_changed = False
        for path in paths:
            lines = decoded(self._files.read(path))
            is_changed |= self._merged.take(while_wanted(lines, len(lines)), path.name)
        return is_changed

    def _records(
        self, changes: Sequence[Change], clock: int, places: dict[bytes, tuple[int, int]]
    ) -> Iterator[ChangeRecord]:
        there = [change.after for change in changes if change.after is not None]
        bodies = packed_all(there)
        for number, change in enumerate(changes):
            id_ = change.id.bytes
            held = self._merged.held.get(id_)
            place = held.place if held is not None else places.setdefault(id_, (clock, number))
            yield ChangeRecord(id_, place, None if change.after is None else next(bodies))

    def _append(self, lines: Sequence[EditLine | PropertyLine]) -> None:
        if self._writer is None:
            raise PermissionError("the set was opened to be read alone")
        path = self.path
        first = [] if path.exists() else [encoded(self._header())]
        append_lines(path, [*first, *(encoded(self._sealed(line)) for line in lines)])
        self._merged.take(lines, self._writer.name)
        self._merged.header = self._merged.header or self._header()
        self._files.read(path)  # what is known already

    def _header(self) -> SetHeader:
        assert self._writer is not None
        which, key = self.which, self.which.key
        return SetHeader(
            VERSION, which.identity, key.reader, key.name, key.stage, which.kind, which.source,
            self._writer.name,
        )  # fmt: skip

    def _sealed(self, line: EditLine | PropertyLine) -> SetLine:
        return line if self._sealer is None else sealed_line(line, self._sealer, self._about)

    def _edits(self) -> list[tuple[EditLine, str]]:
        """Return all edits with their writers, in the order of their clocks."""
        recorder = _Recording(self._about, self._sealer)
        for path in self._paths():
            recorder.take(decoded(read_bodies(path)), path.name)
        unlike = {(line.clock, writer): line for line, writer in recorder.edits}
        return [(unlike[key], key[1]) for key in sorted(unlike)]

    def _compact(self) -> None:
        """Write this writer's own file anew where most of it is history; nobody else's."""
        path = self.path
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return
        if size < _MOST_HISTORY_BYTES:
            return
        own = MergedSet(self._about, self._sealer)
        own.take(decoded(read_bodies(path)), path.name)
        living = sum(len(each.body or b"") for each in own.held.values()) * 4 // 3
        if own.sealed_count or size - living < _MOST_HISTORY_BYTES:
            return
        records = [
            ChangeRecord(id_, each.place, each.body, each.clock) for id_, each in own.held.items()
        ]
        lines: list[EditLine | PropertyLine] = [
            EditLine(own.latest, "", "", tuple(records[begin : begin + _MOST_IN_LINE]))
            for begin in range(0, len(records), _MOST_IN_LINE)
        ]
        lines += [PropertyLine(clock, name, v) for name, (clock, v) in own.properties.items()]
        with atomic_write(path, kept=True) as file:
            file.write(line_of(encoded(self._header())))
            for line in lines:
                file.write(line_of(encoded(self._sealed(line))))


class _Recording(MergedSet):
    """Keeps the edits that it takes in."""

    def __init__(self, about: bytes, sealer: Sealer | None) -> None:
        super().__init__(about, sealer)
        self.edits: list[tuple[EditLine, str]] = []

    def _take_edit(self, line: EditLine, writer: str) -> bool:
        self.edits.append((line, writer))
        return True


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for begin in range(0, len(changes), _MOST_IN_LINE):
        yield changes[begin : begin + _MOST_IN_LINE]


def _moment(clock: int) -> str:
    return utc_stamp("milliseconds", datetime.fromtimestamp(clock / 1e6, UTC))
