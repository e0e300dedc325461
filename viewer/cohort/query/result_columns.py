# pyright: basic
# (pyarrow brings no types)
"""The objects of each result as columns in a file beside it, made once and read by any query."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from viewer.access import make_folder
from viewer.cohort.query.arrow import (
    labels,
    numbers_by_name,
    repeated,
    schema_of,
    write_table,
)
from viewer.cohort.query.errors import QueryError
from viewer.files.atomic_write import atomic_write
from viewer.inference.tasks.known import kind_of
from viewer.overlays.object_map import ObjectMap, outline_areas
from viewer.overlays.objects import Objects, ObjectsError
from viewer.overlays.result_store import (
    COLUMNS_SUFFIX,
    StoreAbout,
    read_about,
    read_store,
    results_to_read,
)
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.cohort.query.store import Store
    from viewer.overlays.blocks import BlockKey

_log = logging.getLogger(__name__)
_DIGEST = re.compile(r" [0-9a-f]{24,64}( |,|$)")


@dataclass(frozen=True, slots=True)
class KeptResult:
    """One model on one slide: the files of each device that computed some of it.

    Attributes
    ----------
    name
        As the column `result` has it.
    """

    name: str
    about: StoreAbout
    paths: tuple[Path, ...]

    @property
    def model(self) -> tuple[str, str]:
        """Return name and version of the model."""
        name, _, version = _DIGEST.split(self.about.model, maxsplit=1)[0].rpartition(" ")
        return name, version

    @property
    def classes(self) -> list[str]:
        return self.about.classes

    @property
    def columns_path(self) -> Path:
        return self.paths[0].with_suffix(COLUMNS_SUFFIX)

    @property
    def changed_utc(self) -> str | None:
        """Return when the results were last added to or used; None where that is unknown."""
        changed_s = max(path.stat().st_mtime for path in self.paths)
        return utc_stamp("seconds", datetime.fromtimestamp(changed_s, UTC))

    def blocks(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield each block once; of several devices the CPU's."""
        known: set[BlockKey] = set()
        for path in self.paths:
            held = read_store(path)
            for key, data in held[1] if held is not None else ():
                if key not in known:
                    known.add(key)
                    yield key, data

    def tiles(self) -> set[tuple[int, int]]:
        """Return column and row of the blocks that are kept."""
        tiles: set[tuple[int, int]] = set()
        for path in self.paths:
            try:
                with closing(results_to_read(path)) as database:
                    tiles.update(database.execute("SELECT block_column, block_row FROM blocks"))
            except sqlite3.Error as error:
                _log.warning("%s is passed over (%s)", path, error)
        return tiles

    def stamp(self) -> str:
        """Return what tells a later state apart: how many blocks, of how many bytes."""
        parts = ["1", self.about.model, "\0".join(self.classes)]
        for path in self.paths:
            try:
                with closing(results_to_read(path)) as database:
                    row = database.execute("SELECT COUNT(*), SUM(LENGTH(result)) FROM blocks")
                    parts.append(f"{path.stem} {row.fetchone()}")
            except sqlite3.Error:
                parts.append(f"{path.stem} none")
        return "\n".join(parts)


def kept_results(store: Store, steps_version: int) -> list[KeptResult]:
    """Return all results that are current, by slide and model.

    Raises
    ------
    ResultStoreError
        The store of a cohort does not answer.
    """
    if store.shared is not None:
        from viewer.cohort.query.stored_results import results_in

        return results_in(store.shared, store, steps_version)
    groups: dict[tuple[str, str, float], list[tuple[str, StoreAbout, Path]]] = defaultdict(list)
    for path in sorted(store.results.glob("*/*.sqlite")) if store.results.is_dir() else ():
        about = read_about(path)
        if about is None or about.steps_version != steps_version:
            continue
        if not store.shows_ai(about.identity):
            continue
        key = (about.identity, about.model, round(about.mpp_um, 5))
        groups[key].append((about.made_on, about, path))
    found: list[KeptResult] = []
    for members in groups.values():
        members.sort(key=lambda each: each[0])  # the CPU's first, as they are shown
        first = members[0][2]
        paths = tuple(path for _, _, path in members)
        found.append(KeptResult(f"{first.parent.name}/{first.stem}", members[0][1], paths))
    return found


def object_columns(result: KeptResult, fallback: Path) -> Path | None:
    """Return the file of a result's objects, made where it is missing or out of date.

    None of models that find no objects.

    Parameters
    ----------
    fallback
        A folder for the file where it cannot be kept beside the results.
    """
    stamp = result.stamp()
    path = result.columns_path
    if _stamp_of(path) == stamp:
        return path
    table = _objects_table(result, stamp)
    if table is None:
        return None
    try:
        make_folder(path.parent)
        with atomic_write(path, synced=False, kept=True) as file:
            write_table(Path(file.name), table)
    except OSError:
        path = fallback / f"{result.name.replace('/', '-')}{COLUMNS_SUFFIX}"
        write_table(path, table)
    return path


def keep_columns(name: str, results: Path, steps_version: int) -> None:
    """Make the columns of one result ready, by its name, after a run that found much.

    Raises OSError.
    """
    path = results / f"{name}.sqlite"
    about = read_about(path)
    if about is None or about.steps_version != steps_version:
        return
    others = [each for each in path.parent.glob("*.sqlite") if each != path]
    kept = [(each, read_about(each)) for each in others]
    same = [
        each
        for each, other in kept
        if other is not None and (other.model, other.mpp_um) == (about.model, about.mpp_um)
    ]
    object_columns(KeptResult(name, about, (path, *same)), path.parent)


def class_counts(path: Path) -> dict[str, int]:
    """Return how many objects of each class a file of columns holds.

    Raises
    ------
    QueryError
        The file is not as it was made.
    """
    try:
        with pa.memory_map(str(path)) as source:
            held = pa.ipc.open_file(source).read_all().column("class")
            held.validate(full=True)
            counted = held.combine_chunks().cast(pa.string()).value_counts()
            return {each["values"]: each["counts"] for each in counted.to_pylist()}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise QueryError(
            f"{path} is damaged ({error}): remove it, and the next query makes it anew."
        ) from error


def _objects_table(result: KeptResult, stamp: str) -> object:
    about = result.about
    found = ObjectMap(about.grid, about.mpp_um, are_boxes=not kind_of(about.task).outlines)
    try:
        for key, data in result.blocks():
            found.add(key, Objects.from_bytes(data))
    except (ObjectsError, ValueError, msgspec.MsgspecError, RecursionError):
        return None
    objects = found.all_objects()
    count = len(objects)
    names = [*about.classes]
    most = int(objects.classes.max()) if count else -1
    names += [f"class {index}" for index in range(len(names), most + 1)]
    x, y = np.ascontiguousarray(objects.centroids.T)
    mpp_um = np.float32(about.mpp_um)
    columns = [
        repeated(about.identity, count),
        repeated(result.name, count),
        repeated(result.model[0], count),
        pa.array(np.arange(count)),
        labels(objects.classes, names),
        pa.array(x),
        pa.array(y),
        pa.array(x * mpp_um),
        pa.array(y * mpp_um),
        pa.array((outline_areas(objects) * about.mpp_um**2).astype(np.float32)),
        numbers_by_name(objects.measurements, count),
    ]
    return pa.table(columns, schema=schema_of("objects", stamp))


def _stamp_of(path: Path) -> str:
    try:
        with pa.memory_map(str(path)) as source:
            metadata = pa.ipc.open_file(source).schema.metadata or {}
            return metadata.get(b"stamp", b"").decode()
    except (OSError, pa.ArrowInvalid):
        return ""
