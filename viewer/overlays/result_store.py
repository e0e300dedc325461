"""The file that keeps a model's results on a slide, safe against a crash in the middle."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.access import make_file, make_folder
from viewer.errors import CoverslipError
from viewer.folders import cache_folder
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.planted_tables import with_our_tables
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (told TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (
    block_column INTEGER NOT NULL,
    block_row INTEGER NOT NULL,
    result BLOB NOT NULL,
    PRIMARY KEY (block_column, block_row)
)
"""


_LONGEST_RUN_S, _FILLED_S = 86_400.0, 60.0
_WAIT_S = 30.0
"""For another process that writes to the same file."""
COLUMNS_SUFFIX = ".objects.arrow"
"""Of a file beside that of the results: its objects as columns, for queries."""
CORRECTED = ", tissue corrected "
"""In `StoreAbout.model`, before what tells corrections of the tissue apart."""


class ResultStoreError(CoverslipError):
    """Results that cannot be kept or read; `str()` is one sentence."""


def results_folder() -> Path:
    """Return where results are kept; made when absent."""
    folder = cache_folder() / "overlays"
    make_folder(folder)
    return folder


def result_path(identity: str, model: str, mpp_um: float, made_on: str = "") -> Path:
    """Return the file for a slide, a model (name, version and weights) and the slide's scale.

    Parameters
    ----------
    made_on
        As `StoreAbout.made_on`: results of other devices are kept apart.

    Raises
    ------
    ResultStoreError
        There is no folder for it, and it cannot be made.
    """
    try:
        folder = results_folder()
    except OSError as error:
        raise _not_kept(error) from error
    return folder / f"{results_name(identity, model, mpp_um, made_on)}.sqlite"


def results_name(identity: str, model: str, mpp_um: float, made_on: str = "") -> str:
    """Return what results are called in any store: a folder for the slide, and the rest in it."""
    from viewer.slides.slide_key import file_name_of

    about = f"2\n{model}\n{mpp_um:.5f}" + (f"\n{made_on}" if made_on else "")
    rest = hashlib.blake2b(about.encode(), digest_size=12).hexdigest()
    return f"{file_name_of(identity)}/{rest}"


def is_kept(name: str) -> bool:
    """Return whether results are still there, by their name (`KeptResults.name`)."""
    folder, _, rest = name.partition("/")
    return (cache_folder() / "overlays" / folder / f"{rest}.sqlite").is_file()


class StoreAbout(msgspec.Struct, frozen=True):
    """What the results of a file belong to.

    Attributes
    ----------
    slide, identity
        Where the slide was, and `SlideInfo.identity`.
    model
        `ModelBundle.key`.
    mpp_um
        Micrometers per level-0 pixel.
    steps_version
        Of the program's steps that made them; 0 in version 0.1.
    made_on
        Device and precision where they are not those of the CPU (float32), such as
        "cuda, bfloat16": their numbers differ a little.
    task, classes
        What the model does, and the names of its classes; empty where an earlier version wrote the
        file.
    """

    slide: str
    identity: str
    model: str
    mpp_um: float
    grid: BlockGrid
    steps_version: int = 0
    made_on: str = ""
    task: str = ""
    classes: list[str] = []


class BlockStore(Protocol):
    """Results by block, wherever they are kept: each block is there whole or not at all.

    All raise ResultStoreError.
    """

    def put(self, key: BlockKey, result: bytes) -> None:
        """Keep a block; `flush` says when it is there for good."""
        ...

    def __iter__(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield all blocks, each once."""
        ...

    def flush(self) -> None:
        """Return once all that was put is kept."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class ResultStore:
    """Results by block in one SQLite file (WAL): a block is there whole or not at all.

    Used by one thread at a time.

    Raises
    ------
    ResultStoreError
        The file can be neither read nor made.
    """

    def __init__(self, path: Path, about: StoreAbout | None = None) -> None:
        self.path = path
        self._about = about
        try:
            make_folder(path.parent)
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                self._begin_anew(error)
        except (OSError, sqlite3.Error) as error:
            raise _not_kept(error) from error

    def put(self, key: BlockKey, result: bytes) -> None:
        """Keep a block; durable against the end of the process when it returns.

        Raises
        ------
        ResultStoreError
            It cannot be written, such as on a full disk.
        """
        row = (key.column, key.row, result)
        try:
            try:
                self._insert(row)
            except sqlite3.DatabaseError as error:
                self._begin_anew(error)
                self._insert(row)
        except (OSError, sqlite3.Error) as error:
            raise _not_kept(error) from error

    def __iter__(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield all blocks, as far as they can be read."""
        try:
            rows = self._database.execute("SELECT block_column, block_row, result FROM blocks")
            while (row := rows.fetchone()) is not None:
                yield BlockKey(row[0], row[1]), row[2]
        except sqlite3.Error as error:
            _log.warning("the rest of the results cannot be read (%s)", error)

    def flush(self) -> None:
        """Return at once: what was put is kept."""

    def close(self) -> None:
        self._database.close()

    def _insert(self, row: tuple[int, int, bytes]) -> None:
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", row)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        """After damage; what is wrong otherwise, such as a full disk, is raised again."""
        if isinstance(error, sqlite3.OperationalError):
            raise error
        _log.warning("results are damaged and will be made again (%s)", error)
        self._database.close()
        _remove(self.path)
        self._open()

    def _open(self) -> None:
        make_file(self.path)
        # Another run of the same slide and model may be writing.
        self._database = sqlite3.connect(self.path, check_same_thread=False, timeout=_WAIT_S)
        try:
            with_our_tables(self._database, _SCHEMA)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
            if self._about is not None:
                about = msgspec.json.encode(self._about).decode()
                with self._database:
                    self._database.execute("DELETE FROM about")
                    self._database.execute("INSERT INTO about VALUES (?)", (about,))
            self.path.touch()
        except sqlite3.Error:
            self._database.close()
            raise


def results_to_read(path: Path) -> sqlite3.Connection:
    """Open a file of results to be read alone. Raises sqlite3.Error."""
    return with_our_tables(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True), _SCHEMA)


def read_store(path: Path) -> tuple[StoreAbout, list[tuple[BlockKey, bytes]]] | None:
    """Return what a file of results holds, without changing it; None where it cannot be read."""
    try:
        with closing(results_to_read(path)) as database:
            (about,) = database.execute("SELECT told FROM about").fetchone()
            rows = database.execute("SELECT block_column, block_row, result FROM blocks")
            blocks = [(BlockKey(column, row), data) for column, row, data in rows]
        return msgspec.json.decode(about, type=prepared(StoreAbout)), blocks
    except (sqlite3.Error, msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        _log.info("%s is passed over (%s)", path, error)
        return None


def read_about(path: Path) -> StoreAbout | None:
    """Return what a file of results belongs to; None where it is unknown."""
    try:
        with closing(results_to_read(path)) as database:
            (about,) = database.execute("SELECT told FROM about").fetchone()
        return msgspec.json.decode(about, type=prepared(StoreAbout))
    except (sqlite3.Error, msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.with_suffix(COLUMNS_SUFFIX).unlink(missing_ok=True)


def _not_kept(error: Exception) -> ResultStoreError:
    return ResultStoreError(
        f"Results cannot be kept ({error}): they hold until you close the slide."
    )


def clear_results(folder: Path | None = None, keep_bytes: int = 0) -> int:
    """Remove the results not used for longest until `keep_bytes` are left; return bytes freed.

    Folders that are left empty go, too. Where some are to be kept, what another run is writing
    stays.
    """
    place = folder or results_folder()
    held: list[tuple[float, int, Path]] = []
    for path in place.glob("*/*.sqlite"):
        try:
            held.append((path.stat().st_mtime, _size_of(path), path))
        except OSError:
            continue  # another process has just removed it
    left = sum(size for _, size, _ in held)
    freed = 0
    for used_s, size, path in sorted(held):
        if left <= keep_bytes:
            break
        if keep_bytes and _is_being_written(path, used_s):
            continue
        _remove(path)
        left, freed = left - size, freed + size
    _remove_empty(place, 0.0 if keep_bytes == 0 else _FILLED_S)
    return freed


def _size_of(path: Path) -> int:
    """Return the size of results with all that lies beside them. Raises OSError."""
    beside = (path.with_name(f"{path.name}-wal"), path.with_suffix(COLUMNS_SUFFIX))
    return path.stat().st_size + sum(each.stat().st_size for each in beside if each.exists())


def _is_being_written(path: Path, used_s: float) -> bool:
    """Return whether a run has results open: a journal of an older one was left by a crash."""
    has_journal = path.with_name(f"{path.name}-wal").exists()
    return has_journal and time.time() - used_s < _LONGEST_RUN_S


def _remove_empty(place: Path, age_s: float) -> None:
    """Remove the folders of slides that hold nothing and have not been changed for a while."""
    for folder in place.iterdir():
        try:
            if folder.is_dir() and time.time() - folder.stat().st_mtime > age_s:
                folder.rmdir()
        except OSError:
            continue  # it holds something
