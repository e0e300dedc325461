"""The files of one set, one a writer: merged on reading, and this process's own to write."""

from __future__ import annotations

import itertools
import logging
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
from viewer.device import WriterName
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write
from viewer.files.kept_lines import GrowingFiles, append_lines, append_together, line_of
from viewer.memory.long_list import LongList
from viewer.memory.slow_release import let_go_if_stopped
from viewer.progress import tell_progress
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer, SetLine
    from viewer.annotations.storage.store import Stamped

_log = logging.getLogger(__name__)

_MOST_IN_LINE = 2000
"""Annotations of an edit that share a line; a larger edit is written in several."""
_MOST_HISTORY_BYTES = 64 << 20
"""Of this writer's own file beyond what holds, when it is opened; with more, and more than what
holds, earlier versions are forgotten."""
_RECORD_BYTES = 80
"""Of a line that an annotation takes beside its packed bytes."""
_MOST_HISTORY_WHILE_OPEN_BYTES = 512 << 20
"""The same while it is open; of very many annotations twice what holds."""


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
                if self.path.exists():
                    self._read([self.path])
                    self._files.cut_unfinished(self.path)
                    self._compact(max(_MOST_HISTORY_BYTES, self._merged.living_bytes))
            self._read(self._paths())
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            raise AnnotationStoreError(
                f'The annotations "{which.key.name}" in {which.folder} cannot be opened '
                f"({reason_of(error)}): check the drive."
            ) from error

    def close(self) -> None:
        """Let another process write under the name that this one had; nothing is read any more."""
        self._merged.close()
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

    def annotations(self, naming: Sequence[str] = ()) -> tuple[Sequence[Annotation], int]:
        """Return all annotations in the order of drawing, and how many could not be understood.

        Of those that hold one of the words of `naming`, where there are any.
        """
        bodies = self._merged.living([word.encode() for word in naming])
        count = max(1, len(self._merged))
        renames = self.which.renames
        found: LongList[Annotation] = LongList()
        lost = 0
        with let_go_if_stopped(found):
            while part := list(itertools.islice(bodies, _MOST_IN_LINE)):
                sound = [each for each in unpacked_all(part) if each is not None]
                found.extend(each.with_classes_renamed(renames) for each in sound)
                lost += len(part) - len(sound)
                tell_progress(min(1.0, len(found) / count))
        return found, lost

    # What is done ----------------------------------------------------------------------------

    def write(self, steps: Sequence[Stamped]) -> None:
        """Add edits and return when they are on the disk; all or none, even if it is killed.

        Raises
        ------
        OSError
            The disk is full, or gone: nothing is changed.
        """
        count = sum(len(each.step.changes) for each in steps)
        is_one_line = len(steps) == 1 and count <= _MOST_IN_LINE
        self._append(self._edit_lines(steps), append_lines if is_one_line else append_together)

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
        found: dict[tuple[int, str], Version] = {}
        told: set[tuple[int, str, bytes]] = set()

        def note(line: EditLine, writer: str) -> None:
            part = (line.clock, writer, line.changes[0].id if line.changes else b"")
            if not line.label or part in told:
                return  # a copy, of a synced folder
            told.add(part)
            before = found.get((line.clock, writer))
            count = len(line.changes) + (before.changed if before is not None else 0)
            found[line.clock, writer] = Version(
                line.clock, _moment(line.clock), line.author, line.label, count
            )

        self._walk(note)
        return [found[key] for key in sorted(found, reverse=True)]

    def then(self, number: int) -> dict[UUID, Annotation | None]:
        """Return what was otherwise before a version's edit; None for what was absent."""
        before = MergedSet(self._about, None)
        ids: dict[bytes, None] = {}

        def sort(line: EditLine, writer: str) -> None:
            if line.clock < number:
                before.take([line], writer)
            else:
                ids.update((change.id, None) for change in line.changes)

        self._walk(sort)
        found: dict[UUID, Annotation | None] = {}
        for id_ in ids:
            body = before.body_of(id_)
            then = unpacked(body) if body else None
            renamed = then.with_classes_renamed(self.which.renames) if then is not None else None
            found[UUID(bytes=id_)] = renamed
        before.close()
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
            is_changed |= self._merged.take(decoded(self._files.each(path)), path.name)
        return is_changed

    def _edit_lines(self, steps: Sequence[Stamped]) -> Iterator[EditLine]:
        """Yield the lines of edits, each made when it is asked for: together they are large."""
        for stamped in steps:
            clock, changes = clock_now(self._merged.latest), stamped.step.changes
            for first in range(0, len(changes), _MOST_IN_LINE):
                tell_progress(0.0)
                part = changes[first : first + _MOST_IN_LINE]
                records = tuple(self._records(part, clock, first))
                yield EditLine(clock, stamped.author, stamped.step.label, records)

    def _records(self, changes: Sequence[Change], clock: int, first: int) -> Iterator[ChangeRecord]:
        bodies = packed_all([change.after for change in changes if change.after is not None])
        for number, change in enumerate(changes, first):
            id_ = change.id.bytes
            place = self._merged.place_of(id_) or (clock, number)
            yield ChangeRecord(id_, place, None if change.after is None else next(bodies))

    def _append(
        self,
        lines: Iterable[EditLine | PropertyLine],
        append: Callable[[Path, Iterable[bytes]], object] = append_lines,
    ) -> None:
        writer = self._writer
        if writer is None:
            raise PermissionError("the set was opened to be read alone")
        path = self.path

        def bodies() -> Iterator[bytes]:
            for line in lines:
                yield encoded(self._sealed(line))
                # One that the disk refuses after all is written again, later by its clock.
                self._merged.take([line], writer.name)

        if not path.exists() or not path.stat().st_size:
            append_lines(path, [encoded(self._header())])
        append(path, bodies())
        self._merged.header = self._merged.header or self._header()
        self._files.pass_over(path)  # what is known already
        self._compact(max(_MOST_HISTORY_WHILE_OPEN_BYTES, 2 * self._merged.living_bytes))

    def _header(self) -> SetHeader:
        assert self._writer is not None
        which, key = self.which, self.which.key
        return SetHeader(
            VERSION, which.identity, key.reader, key.name, key.stage, which.kind, which.source,
            self._writer.name,
        )  # fmt: skip

    def _sealed(self, line: SetHeader | EditLine | PropertyLine) -> SetLine:
        if self._sealer is None or isinstance(line, SetHeader):
            return line
        return sealed_line(line, self._sealer, self._about)

    def _walk(self, tell: Callable[[EditLine, str], object]) -> None:
        """Tell all edits with their writers, a file after the other; copies tell some again."""
        teller = _Telling(self._about, self._sealer, tell)
        for path in self._paths():
            teller.take(decoded(GrowingFiles().each(path)), path.name)

    def _compact(self, most_history_bytes: int) -> None:
        """Write this writer's own file anew where most of it is history; nobody else's."""
        path = self.path
        size = path.stat().st_size
        if size < most_history_bytes:
            return
        own = self._own()
        living = own.living_bytes * 4 // 3 + own.count * _RECORD_BYTES
        if not own.sealed_count and size - living >= most_history_bytes:
            try:
                with atomic_write(path, kept=True) as file:
                    for line in self._compacted(own):
                        file.write(line_of(encoded(self._sealed(line))))
                self._files.pass_over(path)
            except OSError as error:  # all is there; it only takes more room
                _log.warning("%s cannot be made smaller: %s", path, error)
        if own is not self._merged:
            own.close()

    def _own(self) -> MergedSet:
        """Return what this writer's file alone comes to."""
        if self._files.paths == {self.path}:
            return self._merged
        own = MergedSet(self._about, self._sealer)
        own.take(decoded(GrowingFiles().each(self.path)), self.path.name)
        return own

    def _compacted(self, own: MergedSet) -> Iterator[SetHeader | EditLine | PropertyLine]:
        yield self._header()
        records = own.records()
        while part := tuple(itertools.islice(records, _MOST_IN_LINE)):
            tell_progress(0.0)
            yield EditLine(own.latest, "", "", part)
        for name, (clock, value) in own.properties.items():
            yield PropertyLine(clock, name, value)


class _Telling(MergedSet):
    """Tells the edits that it takes in, and keeps none."""

    def __init__(
        self, about: bytes, sealer: Sealer | None, tell: Callable[[EditLine, str], object]
    ) -> None:
        super().__init__(about, sealer)
        self._tell = tell

    def _take_edit(self, line: EditLine, writer: str) -> bool:
        self._tell(line, writer)
        return True


def _moment(clock: int) -> str:
    return utc_stamp("milliseconds", datetime.fromtimestamp(clock / 1e6, UTC))
