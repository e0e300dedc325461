"""Results in the store of a cohort, a folder or a bucket, as queries read them."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from viewer.cohort.query.result_columns import KeptResult
from viewer.overlays.result_store import COLUMNS_SUFFIX
from viewer.overlays.segments.segment_store import SegmentStore, stored_results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.cohort.query.store import Store
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout
    from viewer.overlays.segments.places import StorePlace

_QUESTIONS = 16
"""How many slides a store is asked about at once."""
_MOST_COLUMNS_BYTES, _LEAST_AGE_S = 4 << 30, 3600.0
"""Of columns made of stores: those used for longest go, but for what a query may be reading."""


@dataclass(frozen=True, slots=True)
class StoredResult(KeptResult):
    """One model on one slide: the segments of each device that computed some of it."""

    segments: tuple[SegmentStore, ...] = field(default=(), compare=False)

    @property
    def changed_utc(self) -> str | None:
        return None  # stores do not tell

    def blocks(self) -> Iterator[tuple[BlockKey, bytes]]:
        known: set[BlockKey] = set()
        for segments in self.segments:
            for key, data in segments:
                if key not in known:
                    known.add(key)
                    yield key, data

    def tiles(self) -> set[tuple[int, int]]:
        return {(key.column, key.row) for each in self.segments for key in each.listed()}

    def stamp(self) -> str:
        names = sorted({name for each in self.segments for name in each.listed().values()})
        digest = hashlib.blake2b("\n".join(names).encode(), digest_size=16).hexdigest()
        return "\n".join(["1", self.about.model, "\0".join(self.classes), digest])


def results_in(place: StorePlace, store: Store, steps_version: int) -> list[KeptResult]:
    """Return all results of a place that are current and that the reader may see.

    Raises
    ------
    ResultStoreError
        The place does not answer.
    """
    with ThreadPoolExecutor(_QUESTIONS, "results") as pool:
        found = pool.map(partial(stored_results, place), place.folders())
        groups: dict[tuple[str, str, float], list[StoreAbout]] = defaultdict(list)
        for about in (each for of_slide in found for each in of_slide):
            if about.steps_version == steps_version and store.shows_ai(about.identity):
                groups[about.identity, about.model, round(about.mpp_um, 5)].append(about)
        return list(pool.map(partial(_result, place, store.results), groups.values()))


def _result(place: StorePlace, columns: Path, abouts: list[StoreAbout]) -> KeptResult:
    abouts.sort(key=lambda about: about.made_on)  # the CPU's first, as they are shown
    segments = tuple(SegmentStore(place, about) for about in abouts)
    for each in segments:
        each.listed()
    name = segments[0].name
    return StoredResult(name, abouts[0], (columns / f"{name}.sqlite",), segments)


def trim_columns(folder: Path) -> None:
    """Remove columns of stores that were not used for longest, where there are too many."""
    files = [(each, each.stat()) for each in folder.rglob(f"*{COLUMNS_SUFFIX}")]
    files.sort(key=lambda each: each[1].st_mtime)
    total = sum(about.st_size for _, about in files)
    for file, about in files:
        if total <= _MOST_COLUMNS_BYTES or time.time() - about.st_mtime < _LEAST_AGE_S:
            return
        file.unlink(missing_ok=True)
        total -= about.st_size
