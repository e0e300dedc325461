"""The blocks of a slide that were computed before, here or by others, and where new ones go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from viewer.inference.runs.attached_results import AttachedResults
from viewer.inference.runs.base_results import results_of_base
from viewer.inference.runs.kept_results import KeptResults
from viewer.overlays.result_store import ResultStoreError
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout
    from viewer.overlays.segments.places import StorePlace

_STORES_S = 5.0
"""How long blocks wait for what attached stores have of them."""


class KnownBlocksListener(Protocol):
    """Who takes what is known, in the thread that loads and in that of the attached stores."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing is wanted any more."""
        ...

    def on_known(self, key: BlockKey, data: bytes) -> None:
        """Take a block that was computed before."""

    def on_attached(self, key: BlockKey, data: bytes) -> bool:
        """Take a block of an attached store; return whether it was not known yet."""
        ...

    def on_passing(self, sentence: str) -> None:
        """Say what does not end the work."""

    def on_failed(self, sentence: str) -> None:
        """End: results that are to be shared cannot be kept."""


class KnownBlocks:
    """Reads what is known of a slide, and keeps what becomes known.

    Parameters
    ----------
    store, attached, wants
        As those of an `Engine`.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        store: StorePlace | None,
        attached: Callable[[], Sequence[str]] | None,
        wants: Container[BlockKey] | None,
        listener: KnownBlocksListener,
    ) -> None:
        self._bundle, self._store, self._names, self._wants = bundle, store, attached, wants
        self._listener = listener
        self._kept: KeptResults | None = None
        self._attached: AttachedResults | None = None
        self._from_stores: Counter[str] = Counter()
        self.name = ""
        """Of the file of results, once they are read; "" where none are kept."""

    def load(self, about: StoreAbout) -> None:
        """Give all that is known by now."""
        try:
            if self._names is not None:
                self._attached = AttachedResults(
                    self._names, about, self._take_attached, self._listener.on_passing
                )
            self._kept = KeptResults(about, self._store, self._wants)
            self.name = self._kept.name
            known: set[BlockKey] = set()
            for key, data in self._kept:
                if self._listener.is_over:
                    return
                known.add(key)
                self._listener.on_known(key, data)
            for key, data, kind in results_of_base(self._bundle, about, known):
                if self._listener.is_over:
                    return
                self._kept.put(key, data, kind)
                self._listener.on_known(key, data)
        except ResultStoreError as error:
            self._lose(error)
        if self._attached is not None:
            # What others computed need not be computed here: it is worth a moment.
            self._attached.wait_for_first(_STORES_S)
            for name, count in self._from_stores.items():
                parts = plural(count, "part of the slide comes", "parts of the slide come")
                self._listener.on_passing(f"{parts} from the store {name}.")

    def put(self, key: BlockKey, data: bytes, made_on: str) -> None:
        """Keep a block that became known."""
        if self._kept is not None:
            try:
                self._kept.put(key, data, made_on)
            except ResultStoreError as error:
                self._lose(error)

    def others(self, made_on: str) -> str:
        """Return a sentence on what another device computed, "" where nothing was."""
        return self._kept.others(made_on) if self._kept is not None else ""

    def flush(self) -> None:
        """Return once all results are kept. Raises ResultStoreError."""
        if self._kept is not None:
            self._kept.flush()

    def stop_reading(self) -> None:
        """End the reading of attached stores; from any thread."""
        if self._attached is not None:
            self._attached.close()

    def close(self) -> None:
        """End all reading and keeping."""
        self.stop_reading()
        if self._kept is not None:
            self._kept.close()

    def _take_attached(self, key: BlockKey, data: bytes, name: str) -> None:
        if self._listener.on_attached(key, data):
            self._from_stores[name] += 1

    def _lose(self, error: ResultStoreError) -> None:
        """Go on without keeping results, or end where they were to be shared."""
        self._kept = None
        if self._store is not None:
            self._listener.on_failed(str(error))
        else:
            self._listener.on_passing(str(error))
