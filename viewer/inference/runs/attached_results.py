"""What others computed of a slide and put into stores, also while they still compute."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.inference.runs.kept_results import KINDS
from viewer.overlays.result_store import ResultStoreError
from viewer.overlays.segments.places import PatientPlace, place_of
from viewer.overlays.segments.segment_store import SegmentStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout

_log = logging.getLogger(__name__)
_AGAIN_S = 3.0
"""How often stores are asked for what is new."""
_SILENT_S = 30.0
"""The same for a store that does not answer."""
_PATIENCE_S = 2.0


class AttachedResults:
    """Reads stores in a thread of its own until it is closed; nothing is written to them.

    Parameters
    ----------
    stores
        Gives folders and addresses, as the user names them; called in the thread.
    about
        Which results are read.
    take
        Called in the thread with each block, and the name of its store; each once a store.
    say
        Called in the thread with a sentence about a store that cannot be read, once each.
    """

    def __init__(
        self,
        stores: Callable[[], Sequence[str]],
        about: StoreAbout,
        take: Callable[[BlockKey, bytes, str], object],
        say: Callable[[str], object],
    ) -> None:
        self._names = stores
        self._about = about
        self._take = take
        self._say = say
        self._closed = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="result stores", daemon=True)
        self._thread.start()

    def wait_for_first(self, timeout_s: float) -> None:
        """Wait until all stores were read once, or did not answer."""
        self._first.wait(timeout_s)

    def close(self) -> None:
        """End the reading; a request that is under way is not waited for."""
        self._closed.set()
        self._first.set()

    def _serve(self) -> None:
        stores: list[tuple[str, SegmentStore]] = []
        for name in dict.fromkeys(self._names()):
            try:
                place = PatientPlace(place_of(name), _PATIENCE_S, self._closed.is_set)
            except ResultStoreError as error:
                self._say(f"Result store: {error}")
                continue
            kinds = [replace(self._about, made_on=kind) for kind in KINDS]
            stores += [(name, SegmentStore(place, about)) for about in kinds]
        said: set[str] = set()
        while stores and not self._closed.is_set():
            is_silent = False
            for name, store in stores:
                try:
                    for key, data in store:
                        if self._closed.is_set():
                            return
                        self._take(key, data, name)
                except ResultStoreError as error:
                    is_silent = True
                    _log.info("a store is silent (%s)", error)
                    if name not in said and not self._closed.is_set():
                        said.add(name)
                        self._say(f"Result store: {error}")
            self._first.set()
            self._closed.wait(_SILENT_S if is_silent else _AGAIN_S)
        self._first.set()
