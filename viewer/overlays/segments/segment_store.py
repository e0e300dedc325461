"""Results by block in a folder or bucket, written by many machines at once.

Blocks are gathered into segments, which are named by their content and never change. A segment
counts once an entry of the manifest names it, and entries are numbered: of two writers that want
the same number one gets it, and the other looks at what was added before it tries the next. A block
that is in the manifest already is left out of later segments, so each is kept exactly once.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from viewer.overlays.result_store import StoreAbout, results_name
from viewer.overlays.segments.errors import SegmentError, StorePlaceError
from viewer.overlays.segments.segment import (
    ManifestEntry,
    read_segment,
    segment_bytes,
    segment_name,
)
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.segments.places import StorePlace

_log = logging.getLogger(__name__)
_SEGMENT_BYTES = 4 << 20
"""A segment is written once it has so many."""
_GATHER_S = 1.0
"""A block waits no longer for others of its segment."""
_MOST_WAITING_BYTES = 64 << 20
"""Of blocks that are not written yet; then whoever brings more waits."""
_ABOUT = "about.json"


def _entry_name(number: int) -> str:
    return f"{number:08}.json"


class SegmentStore:
    """The results of one model on one slide in a store; any thread may call.

    Parameters
    ----------
    place
        Asked as often as it takes, so it should be patient.
    about
        What the results belong to.
    wants
        The blocks that are read; None for all.
    """

    def __init__(
        self, place: StorePlace, about: StoreAbout, wants: Container[BlockKey] | None = None
    ) -> None:
        self._wants = wants
        self.name = results_name(about.identity, about.model, about.mpp_um, about.made_on)
        self._place = place
        self._about = about
        self._kept: dict[BlockKey, str] = {}
        self._entries: list[ManifestEntry] = []
        self._seen: set[str] = set()
        self._last = 0
        self._read: set[str] = set()
        self._damaged: set[str] = set()
        self._manifest = threading.Lock()
        self._changed = threading.Condition()
        self._waiting: dict[BlockKey, bytes] = {}
        self._waiting_bytes = 0
        self._since_s = 0.0
        self._is_writing = self._is_urgent = self._is_closed = False
        self._has_about = False
        self._problem: StorePlaceError | None = None
        self._writer: threading.Thread | None = None
        self.torn = 0
        """Segments and entries that were not whole, and are passed over."""

    # Reading ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield each block that is kept, and of further iterations those that came since.

        Raises
        ------
        ResultStoreError
            The place does not answer.
        """
        with self._manifest:
            self._learn()
            entries = [entry for entry in self._entries if entry.segment not in self._read]
        for entry in entries:
            if not any(map(self._is_wanted, entry.keys)):
                continue
            blocks = self._whole(entry)
            with self._manifest:
                self._read.add(entry.segment)
                if blocks is None:
                    self._give_up(entry.segment)
                    continue
                held = [key for key in blocks if self._kept.get(key) == entry.segment]
            for key in filter(self._is_wanted, held):
                yield key, blocks[key]

    def listed(self) -> dict[BlockKey, str]:
        """Return the blocks that are kept now, with the segment of each, without reading them.

        Raises
        ------
        ResultStoreError
            The place does not answer.
        """
        with self._manifest:
            self._learn()
            return dict(self._kept)

    def _is_wanted(self, key: BlockKey) -> bool:
        return self._wants is None or key in self._wants

    def _whole(self, entry: ManifestEntry) -> dict[BlockKey, bytes] | None:
        """Return the blocks of a segment; None where it is not whole."""
        data = self._place.read(self._segment_path(entry.segment))
        try:
            if data is not None:
                return read_segment(entry, data)
            _log.warning("%s lacks the segment %s", self.name, entry.segment)
        except SegmentError as error:
            _log.warning("%s: %s", self.name, error)
        return None

    def _learn(self) -> None:
        """Read the entries of the manifest that are new, the lock held."""
        folder = f"{self.name}/manifest"
        for name in self._place.names(folder):
            number = name.partition(".")[0]
            if name in self._seen or not number.isdecimal():
                continue
            data = self._place.read(f"{folder}/{name}")
            self._seen.add(name)
            self._last = max(self._last, int(number))
            try:
                entry = ManifestEntry.from_bytes(data or b"")
            except SegmentError as error:
                _log.warning("%s/%s is passed over: %s", folder, name, error)
                self.torn += 1
                continue
            self._entries.append(entry)
            self._count(entry)

    def _count(self, entry: ManifestEntry) -> None:
        """Have the blocks of an entry count where no earlier one has them."""
        if entry.segment not in self._damaged:
            for key in entry.keys:
                self._kept.setdefault(key, entry.segment)

    def _give_up(self, segment: str) -> None:
        """Have the blocks of a segment that is not whole count as missing, the lock held."""
        self.torn += 1
        self._damaged.add(segment)
        self._kept = {}
        for entry in self._entries:
            self._count(entry)

    # Writing ----------------------------------------------------------------------------------

    def put(self, key: BlockKey, result: bytes) -> None:
        """Keep a block soon, in the background; waits where too many are not written yet.

        Raises
        ------
        ResultStoreError
            Blocks cannot be written any more.
        """
        with self._changed:
            while self._waiting_bytes > _MOST_WAITING_BYTES and self._problem is None:
                self._changed.wait()
            if self._problem is not None:
                raise self._problem
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="segments", daemon=True)
                self._writer.start()
            if not self._waiting:
                self._since_s = time.monotonic()
            self._waiting_bytes += len(result) - len(self._waiting.get(key, b""))
            self._waiting[key] = result
            self._changed.notify_all()

    def flush(self) -> None:
        """Return once all that was put is kept. Raises ResultStoreError."""
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            while (self._waiting or self._is_writing) and self._problem is None:
                self._changed.wait()
            self._is_urgent = False
            if self._problem is not None:
                raise self._problem

    def close(self) -> None:
        """End the writer; what is not kept by then is lost, so `flush` comes before."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _write(self) -> None:
        while (blocks := self._next()) is not None:
            try:
                self._commit(blocks)
            except StorePlaceError as error:
                with self._changed:
                    self._problem = error
            with self._changed:
                self._is_writing = False
                self._waiting_bytes -= sum(map(len, blocks.values()))
                self._changed.notify_all()
                if self._problem is not None:
                    return

    def _next(self) -> dict[BlockKey, bytes] | None:
        """Wait for what makes a segment; None at the end."""
        with self._changed:
            while True:
                if self._is_closed:
                    return None
                left_s = self._since_s + _GATHER_S - time.monotonic()
                is_full = self._waiting_bytes >= _SEGMENT_BYTES
                if self._waiting and (is_full or self._is_urgent or left_s <= 0):
                    blocks, self._waiting = self._waiting, {}
                    self._is_writing = True
                    return blocks
                self._changed.wait(max(left_s, 0.01) if self._waiting else None)

    def _commit(self, blocks: dict[BlockKey, bytes]) -> None:
        """Write blocks as a segment and enter it, but for those that others entered before."""
        if not self._has_about:
            self._place.create(f"{self.name}/{_ABOUT}", msgspec.json.encode(self._about))
            self._has_about = True
        while True:
            with self._manifest:
                self._learn()
                fresh = {key: data for key, data in blocks.items() if key not in self._kept}
                number = self._last + 1
            if not fresh:
                return
            data = segment_bytes(fresh)
            self._keep_segment(data)
            entry = ManifestEntry.of(data, sorted(fresh))
            # Where the number is taken, by another writer or by an earlier trial of this one whose
            # answer was lost, what was entered is looked at first.
            name = _entry_name(number)
            if self._place.create(f"{self.name}/manifest/{name}", entry.to_bytes()):
                with self._manifest:
                    if name not in self._seen:
                        self._seen.add(name)
                        self._last = max(self._last, number)
                        self._entries.append(entry)
                        self._count(entry)
                    self._read.add(entry.segment)
                return

    def _keep_segment(self, data: bytes) -> None:
        segment = segment_name(data)
        path = self._segment_path(segment)
        if not self._place.create(path, data) and self._place.read(path) != data:
            self._place.replace(path, data)  # what lay there was not whole
        with self._manifest:
            self._damaged.discard(segment)

    def _segment_path(self, segment: str) -> str:
        return f"{self.name}/segments/{segment}"


def stored_results(place: StorePlace, slide: str) -> list[StoreAbout]:
    """Return what there are results of in the folder of a slide; what is damaged is left out.

    Raises
    ------
    StorePlaceError
        The place does not answer.
    """
    found: list[StoreAbout] = []
    for model in place.folders(slide):
        try:
            data = place.read(f"{slide}/{model}/{_ABOUT}")
            about = msgspec.json.decode(data or b"", type=prepared(StoreAbout))
        except DECODE_ERRORS:
            continue
        if results_name(about.identity, about.model, about.mpp_um, about.made_on) == (
            f"{slide}/{model}"
        ):
            found.append(about)
    return found


def has_results(place: StorePlace, name: str) -> bool:
    """Return whether a store has results of a name. Raises StorePlaceError."""
    return bool(place.names(f"{name}/manifest"))
