"""Results of a model on a slide, kept apart by the device that computed them.

They are kept on this machine, or in a store that many machines share.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.overlays.result_store import ResultStore, read_store, result_path, results_name
from viewer.overlays.segments.places import PatientPlace
from viewer.overlays.segments.segment_store import SegmentStore

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import BlockStore, StoreAbout
    from viewer.overlays.segments.places import StorePlace

_MADE_ON = {"cuda": "cuda, bfloat16", "mps": "mps, float32"}
"""By the kind of a device; on the CPU it is float32, and nothing is said."""
KINDS = ("", *_MADE_ON.values())
"""All that `made_on` returns."""


def made_on(device: str) -> str:
    """Return `StoreAbout.made_on` of what a device computes, such as "cuda:1"."""
    return _MADE_ON.get(device.partition(":")[0], "")


def kept_blocks(about: StoreAbout) -> Iterator[tuple[BlockKey, bytes, str]]:
    """Yield what is kept of some results with what made it, each block once; makes no file."""
    known: set[BlockKey] = set()
    for kind in KINDS:
        for key, data in _own_blocks(about, kind):
            if key not in known:
                known.add(key)
                yield key, data, kind


def _own_blocks(about: StoreAbout, kind: str) -> Iterator[tuple[BlockKey, bytes]]:
    """Yield what this machine keeps of a device."""
    path = result_path(about.identity, about.model, about.mpp_um, kind)
    held = read_store(path) if path.exists() else None
    if held is not None:
        yield from held[1]


_PATIENCE_S = 180.0
"""How long a store of many machines may refuse before a run gives up."""


class KeptResults:
    """Gives what any device computed, and keeps what one computes in a place of its own.

    Parameters
    ----------
    place
        A store that many machines share, instead of the files of this one; what this machine has
        computed before is kept there too.
    wants
        The blocks that are given of such a store; None for all.

    Raises
    ------
    ResultStoreError
        Results can be neither read nor kept.
    """

    def __init__(
        self,
        about: StoreAbout,
        place: StorePlace | None = None,
        wants: Container[BlockKey] | None = None,
    ) -> None:
        self._about = about
        self._wants = wants
        self._is_closed = False
        # Glass comes from the thread that reads, all else from the one that hears the model.
        self._putting = threading.Lock()
        self._place = place and PatientPlace(place, _PATIENCE_S, lambda: self._is_closed)
        self._stores: dict[str, BlockStore] = {}
        self._open("")
        self.counts: Counter[str] = Counter()
        """Blocks that were given, by what made them."""

    @property
    def name(self) -> str:
        """Return what the results of the CPU are called, in the folder of all results or a store.

        That is the folder of the slide, and the file or folder in it.
        """
        about = self._about
        return results_name(about.identity, about.model, about.mpp_um)

    def __iter__(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield each block once; of several devices the CPU's, which is everywhere the same.

        Raises
        ------
        ResultStoreError
            The store cannot be read.
        """
        known: set[BlockKey] = set()
        for kind in KINDS:
            for key, data in self._blocks(kind):
                if key not in known:
                    known.add(key)
                    self.counts[kind] += 1
                    yield key, data
        if self._place is not None:
            for key, data, kind in kept_blocks(self._about):
                if key not in known and (self._wants is None or key in self._wants):
                    self.counts[kind] += 1
                    self.put(key, data, kind)
                    yield key, data

    def put(self, key: BlockKey, data: bytes, kind: str) -> None:
        """Keep a block, with those of the same device; from any thread.

        Raises ResultStoreError.
        """
        with self._putting:
            store = self._stores.get(kind) or self._open(kind)
            store.put(key, data)

    def flush(self) -> None:
        """Return once all that was put is kept. Raises ResultStoreError."""
        for store in self._stores.values():
            store.flush()

    def others(self, kind: str) -> str:
        """Return a sentence on what another device computed, "" where nothing was."""
        counts = [f"{n:,} on {each or 'cpu, float32'}" for each, n in self.counts.items()
                if each != kind]  # fmt: skip
        if not counts:
            return ""
        devices = "; ".join(counts)
        return f"Results of another device are shown ({devices}); new ones are kept apart."

    def close(self) -> None:
        self._is_closed = True
        for store in self._stores.values():
            store.close()

    def _open(self, kind: str) -> BlockStore:
        about = replace(self._about, made_on=kind)
        if self._place is not None:
            store: BlockStore = SegmentStore(self._place, about, self._wants)
        else:
            path = result_path(about.identity, about.model, about.mpp_um, kind)
            store = ResultStore(path, about)
        self._stores[kind] = store
        return store

    def _blocks(self, kind: str) -> Iterator[tuple[BlockKey, bytes]]:
        if kind in self._stores:
            yield from self._stores[kind]
        elif self._place is not None:
            yield from self._open(kind)
        else:
            yield from _own_blocks(self._about, kind)
