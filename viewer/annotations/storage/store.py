"""The file that keeps a slide's annotations: SQLite, a transaction a write, with its versions."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import numpy as np

from viewer.access import make_file, make_folder
from viewer.annotations.document import Change, Edit
from viewer.annotations.storage.packing import packed_all, unpacked, unpacked_all
from viewer.annotations.storage.whole_database import (
    copy_database,
    file_id,
    place_with_folder,
    remove_database,
    take_place,
    unfinished_database,
)
from viewer.errors import CoverslipError
from viewer.limits import UNPACKED_RATIO, check_regular
from viewer.memory.long_list import LongList, gathered
from viewer.memory.slow_release import let_go_if_stopped
from viewer.planted_tables import PlantedTablesError, with_our_tables
from viewer.progress import tell_progress
from viewer.utc import utc_stamp
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document

_VERSION = 1
_MOST_HISTORY_BYTES = 256 << 20
"""Of what versions take; beyond it the oldest are forgotten."""
_LEAST_UNPACKED_BYTES = 1 << 20
_AT_ONCE = 1000
_TABLES = """
CREATE TABLE IF NOT EXISTS annotation (
    id BLOB PRIMARY KEY, place INTEGER NOT NULL, body BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS annotation_place ON annotation (place);
CREATE TABLE IF NOT EXISTS step (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT NOT NULL, author TEXT NOT NULL,
    label TEXT NOT NULL, changed INTEGER NOT NULL, before BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS property (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# Without the index each new row would look through all others for the highest place.
# A removed annotation keeps its row, without a body, for its place in the order of drawing.
# `before` of a step: what each annotation was that it changed, as compressed MessagePack.

_ARRAY_OF = b"\xdd"
"""MessagePack's sign of an array, before its length in four bytes."""
_encode = msgspec.msgpack.Encoder().encode
_decode_before = msgspec.msgpack.Decoder(list[tuple[bytes, bytes | None]]).decode


class AnnotationStoreError(CoverslipError):
    """A file of annotations that cannot be opened; `str()` is one sentence."""


class Stamped(msgspec.Struct, frozen=True):
    """A step with when it was done (ISO 8601) and by whom."""

    step: Edit
    at_utc: str
    author: str = ""

    @classmethod
    def now(cls, step: Edit, author: str = "") -> Stamped:
        """Done at this moment."""
        return cls(step, utc_stamp("milliseconds"), author)


class Version(msgspec.Struct, frozen=True):
    """The annotations as they were before a step.

    Attributes
    ----------
    changed
        How many annotations the step changed.
    """

    number: int
    at_utc: str
    author: str
    label: str
    changed: int


class AnnotationStore:
    """One open file; used by one thread at a time.

    Raises
    ------
    AnnotationStoreError
        A newer Coverslip made the file, or it cannot be made.
    sqlite3.DatabaseError
        It is damaged.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            if not read_only:
                make_folder(path.parent)
                make_file(path)
            if path.exists():
                check_regular(path)
            self._database = _connected(path, read_only=read_only)
        except PlantedTablesError as error:
            raise AnnotationStoreError(
                f"The annotations in {path} are not used: {error}. Move the file away, or get it "
                "again from a source that you trust."
            ) from error
        except (OSError, sqlite3.OperationalError) as error:
            raise AnnotationStoreError(
                f"The annotations in {path} cannot be opened ({error}): check the drive, and "
                "that there is room on it."
            ) from error
        try:
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise AnnotationStoreError(
                    f"The annotations in {path} were made by a newer Coverslip: update this one."
                )
            if not read_only:
                # At once: whoever reads it meanwhile finds no table, or all of them.
                self._database.executescript(
                    f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT"
                )
            elif not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._database.close()
                self._database = sqlite3.connect(":memory:", check_same_thread=False)
                self._database.executescript(_TABLES)  # another program is about to make them
            total = self._database.execute("SELECT SUM(LENGTH(before)) FROM step").fetchone()
            self._history_bytes = total[0] or 0
        except BaseException:
            self._database.close()
            raise
        self._file = file_id(path)
        self._seen = self._data_version()

    def close(self) -> None:
        self._database.close()

    def annotations(self, naming: Sequence[str] = ()) -> tuple[Sequence[Annotation], int]:
        """Return all annotations in the order of drawing, and how many could not be understood.

        Of those that hold one of the words of `naming`, where there are any.
        """
        found: LongList[Annotation] = LongList()
        lost = 0
        (last,) = self._database.execute("SELECT MAX(place) FROM annotation").fetchone()
        query = "SELECT place, body FROM annotation WHERE body IS NOT NULL"
        if naming:
            query += f" AND ({' OR '.join(['instr(body, ?) > 0'] * len(naming))})"
        rows = self._database.execute(f"{query} ORDER BY place", [word.encode() for word in naming])
        with let_go_if_stopped(found):
            while batch := rows.fetchmany(_AT_ONCE):
                read = unpacked_all([body for _, body in batch])
                found.extend(each for each in read if each is not None)
                lost += read.count(None)
                tell_progress(batch[-1][0] / max(1, last))
        return found, lost

    def write(self, steps: Sequence[Stamped]) -> None:
        """Keep steps, all or none.

        Raises
        ------
        sqlite3.Error
            The disk is full, or gone: nothing is changed.
        """
        added = 0
        with self._transaction() as database:
            for stamped in steps:
                (highest,) = database.execute("SELECT MAX(place) FROM annotation").fetchone()
                database.executemany(
                    "INSERT INTO annotation VALUES (?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                    _rows(stamped.step.changes, (highest or 0) + 1),
                )
                parts = _before(stamped.step)
                size = sum(map(len, parts))
                added += size
                number = database.execute(
                    "INSERT INTO step (at_utc, author, label, changed, before) "
                    "VALUES (?, ?, ?, ?, zeroblob(?))",
                    (
                        stamped.at_utc,
                        stamped.author,
                        stamped.step.full_label,
                        len(stamped.step.changes),
                        size,
                    ),
                ).lastrowid
                assert number is not None
                with database.blobopen("step", "before", number) as blob:
                    for part in parts:
                        blob.write(part)
            self._forget_oldest(database, self._history_bytes + added)
        total = self._database.execute("SELECT SUM(LENGTH(before)) FROM step").fetchone()
        self._history_bytes = total[0] or 0

    @property
    def properties(self) -> dict[str, str]:
        """Return what is said of all annotations together, such as that they are locked."""
        try:
            rows = self._database.execute("SELECT name, value FROM property WHERE value <> ''")
        except sqlite3.OperationalError:  # read alone, of an earlier version
            return {}
        return dict(rows.fetchall())

    def say(self, name: str, value: str) -> None:
        """Say something of all annotations together. Raises sqlite3.Error."""
        self._database.execute("INSERT OR REPLACE INTO property VALUES (?, ?)", (name, value))

    def changed(self) -> list[tuple[UUID, Annotation | None]]:
        """Return everything that was ever put, in the order of drawing.

        None where it was removed.
        """
        rows = self._database.execute("SELECT id, body FROM annotation ORDER BY place")
        return [(UUID(bytes=id_), body and unpacked(body)) for id_, body in rows]

    def versions(self) -> list[Version]:
        """Return what can be brought back, the newest first."""
        rows = self._database.execute(
            "SELECT number, at_utc, author, label, changed FROM step ORDER BY number DESC"
        )
        return [Version(*row) for row in rows]

    def then(self, number: int) -> dict[UUID, Annotation | None]:
        """Return what was otherwise before a version's step; None for what was absent."""
        found: dict[UUID, Annotation | None] = {}
        rows = self._database.execute(
            "SELECT before FROM step WHERE number >= ? ORDER BY number", (number,)
        )
        for (raw,) in rows:
            for id_, body in _decode_before(_unzipped(raw)):
                found.setdefault(UUID(bytes=id_), None if body is None else unpacked(body))
        return found

    # Others at the file ----------------------------------------------------------------------

    @property
    def was_changed(self) -> bool:
        """Return whether another program wrote to the file since this was last asked."""
        seen, self._seen = self._seen, self._data_version()
        return seen != self._seen

    @property
    def was_replaced(self) -> bool:
        """Return whether another file, or none, is where this one was."""
        return file_id(self.path) != self._file

    def put_back(self) -> Path | None:
        """Write all anew to where it was; what took its place is kept beside, and reported.

        A file whose folder was moved or renamed with it is used on where it is now.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be written.
        """
        if moved := place_with_folder(self.path, self._file):
            # Before the other is closed: the last that closes removes the journal.
            database = _connected(moved, read_only=False)
            self._database.close()
            self._database, self.path = database, moved
            self._seen = self._data_version()
            return None
        with unfinished_database(self.path) as place:
            copy_database(self._database, place)
            beside = take_place(place, self.path, "foreign")
        copy = _connected(self.path, read_only=False)
        self._database.close()
        self._database = copy
        self._file, self._seen = file_id(self.path), self._data_version()
        return beside

    def move(self, path: Path) -> None:
        """Close, and keep all of it where there is nothing yet.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be written there: the file is where it was.
        """
        with unfinished_database(path) as place:
            copy_database(self._database, place)
            take_place(place, path, "former")
        self.close()
        remove_database(self.path)

    # -----------------------------------------------------------------------------------------

    def _data_version(self) -> int:
        return self._database.execute("PRAGMA data_version").fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            # After a full disk SQLite may have rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    @staticmethod
    def _forget_oldest(database: sqlite3.Connection, total_bytes: int) -> None:
        while total_bytes > _MOST_HISTORY_BYTES:
            oldest = database.execute(
                "SELECT number, LENGTH(before) FROM step ORDER BY number LIMIT 1"
            ).fetchone()
            if oldest is None:
                return
            database.execute("DELETE FROM step WHERE number = ?", oldest[:1])
            total_bytes -= oldest[1]


def bringing_back(document: Document, then: dict[UUID, Annotation | None], label: str) -> Edit:
    """Return the step that makes a document as it was, from `AnnotationStore.then`."""
    pairs = ((document.get(id_), before) for id_, before in then.items())
    return Edit(label, gathered(Change(now, before) for now, before in pairs if now != before))


def _connected(path: Path, *, read_only: bool) -> sqlite3.Connection:
    database = connect(path, read_only=read_only)
    if not read_only:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    return database


def connect(path: Path, *, read_only: bool = True) -> sqlite3.Connection:
    """Open a file of annotations as it is. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    # Handed from the thread that opens to the one that writes.
    database = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )
    return with_our_tables(database, _TABLES)


def _rows(changes: Sequence[Change], first_place: int) -> Iterator[tuple[bytes, int, bytes | None]]:
    """Yield a row each: id, place in the order of drawing, body; by id, as the file keeps them.

    Ids are random: in their own order each row goes to the end of the tree, not into its middle.
    """
    # By numpy, which lets other threads run meanwhile: among them the one that paints.
    ids = np.empty(len(changes), "S16")
    for number, change in enumerate(giving_way(changes)):
        ids[number] = change.id.bytes
    order = np.argsort(ids)
    for begin in range(0, len(order), _AT_ONCE):
        tell_progress(begin / len(order))
        part: list[int] = order[begin : begin + _AT_ONCE].tolist()
        there = [after for index in part if (after := changes[index].after) is not None]
        bodies = packed_all(there)
        for index in part:
            change = changes[index]
            body = None if change.after is None else next(bodies)
            yield change.id.bytes, first_place + index, body


def _before(step: Edit) -> list[bytes]:
    """Return what each annotation was, a compressed MessagePack array, in the parts it is made of.

    In one go a million of them would hold up all other threads, and take a gigabyte.
    """
    packer = zlib.compressobj(1)
    parts = [packer.compress(_ARRAY_OF + len(step.changes).to_bytes(4, "big"))]
    for begin in range(0, len(step.changes), _AT_ONCE):
        tell_progress(begin / len(step.changes))
        part = step.changes[begin : begin + _AT_ONCE]
        bodies = packed_all([each.before for each in part if each.before is not None])
        pairs = [(each.id.bytes, None if each.before is None else next(bodies)) for each in part]
        parts.append(packer.compress(b"".join(map(_encode, pairs))))
    return [*parts, packer.flush()]


def _unzipped(raw: bytes) -> bytes:
    """Return what a step kept. Raises LimitError where it packs too well, zlib.error if damaged."""
    unpacker = zlib.decompressobj()
    most = max(_LEAST_UNPACKED_BYTES, UNPACKED_RATIO.most * len(raw))
    data = unpacker.decompress(raw, most)
    if unpacker.unconsumed_tail:
        UNPACKED_RATIO.check(UNPACKED_RATIO.most + 1, "An earlier version")
    return data
