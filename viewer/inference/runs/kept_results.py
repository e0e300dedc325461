"""Results of a model on a slide, kept apart by the device that computed them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.overlays.result_store import ResultStore, read_store, result_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout

_MADE_ON = {"cuda": "cuda, bfloat16", "mps": "mps, float32"}
"""By the kind of a device; on the CPU it is float32, and nothing is said."""


def made_on(device: str) -> str:
    """Return `StoreAbout.made_on` of what a device computes, such as "cuda:1"."""
    return _MADE_ON.get(device.partition(":")[0], "")


class KeptResults:
    """Gives what any device computed, and keeps what one computes in a file of its own.

    Raises
    ------
    ResultStoreError
        The file can be neither read nor made.
    """

    def __init__(self, about: StoreAbout) -> None:
        self._about = about
        self._stores: dict[str, ResultStore] = {}
        self._open("")
        self.counts: Counter[str] = Counter()
        """Blocks that were given, by what made them."""

    @property
    def name(self) -> str:
        """Return the name of the file of what the CPU computes, from the folder of all results."""
        path = self._stores[""].path
        return f"{path.parent.name}/{path.stem}"

    def __iter__(self) -> Iterator[tuple[BlockKey, bytes]]:
        """Yield each block once; of several devices the CPU's, which is everywhere the same."""
        known: set[BlockKey] = set()
        for kind in ("", *_MADE_ON.values()):
            for key, data in self._blocks(kind):
                if key not in known:
                    known.add(key)
                    self.counts[kind] += 1
                    yield key, data

    def put(self, key: BlockKey, data: bytes, kind: str) -> None:
        """Keep a block, with those of the same device. Raises ResultStoreError."""
        store = self._stores.get(kind) or self._open(kind)
        store.put(key, data)

    def others(self, kind: str) -> str:
        """Return a sentence on what another device computed, "" where nothing was."""
        counts = [f"{n:,} on {each or 'cpu, float32'}" for each, n in self.counts.items()
                if each != kind]  # fmt: skip
        if not counts:
            return ""
        devices = "; ".join(counts)
        return f"Results of another device are shown ({devices}); new ones are kept apart."

    def close(self) -> None:
        for store in self._stores.values():
            store.close()

    def _open(self, kind: str) -> ResultStore:
        about = replace(self._about, made_on=kind)
        store = ResultStore(result_path(about.identity, about.model, about.mpp_um, kind), about)
        self._stores[kind] = store
        return store

    def _blocks(self, kind: str) -> Iterator[tuple[BlockKey, bytes]]:
        if kind in self._stores:
            yield from self._stores[kind]
            return
        about = self._about
        path = result_path(about.identity, about.model, about.mpp_um, kind)
        held = read_store(path) if path.exists() else None
        if held is not None:
            yield from held[1]
