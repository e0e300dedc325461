"""Objects of a folder on a server, such as the chunks of a Zarr: many at once, kept a while.

Fulfils `ReadKey` of `viewer.slides.ngff`: what reads a Zarr from a folder reads it from here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from cachetools import LRUCache

from viewer.prepared_types import DECODE_ERRORS
from viewer.slides.ngff.arrays import below
from viewer.slides.remote.shared_fetch import RangesError, SharedFetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from viewer.slides.remote.messages import Want

ROOT_KEYS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""The descriptions at the root of a Zarr, of either format."""
_FIRST_BYTES = 1 << 20
"""Asked of each object at first: nearly all are shorter, and so at hand as a whole."""
_MOST_LEVELS = 100
_KEPT_BYTES = 96 << 20
_DENIED = -2
_LEAST_BYTES = 256
"""What an object counts for that is not there."""


def is_below(key: str) -> bool:
    """Return whether a key, which a slide or its reader names, lies within the slide's folder."""
    parts = key.split("/")
    return bool(key) and all(part not in ("", ".", "..") for part in parts) and "\\" not in key


class Beginning(msgspec.Struct, frozen=True):
    """The first bytes of an object, and how many it has; -1 where it is not there."""

    data: bytes
    total_bytes: int


class Objects:
    """Reads objects by key, from any thread; who wants the same waits for one fetch of it.

    Parameters
    ----------
    fetch
        Called with parts of objects; calls back with the number, the bytes and the length of the
        whole object of each. Raises any Exception.
    """

    def __init__(
        self, fetch: Callable[[Sequence[Want], Callable[[int, bytes, int], None]], None]
    ) -> None:
        self._fetch = fetch
        kept: LRUCache[str, Beginning] = LRUCache(
            _KEPT_BYTES, lambda begun: max(len(begun.data), _LEAST_BYTES)
        )
        self._begun = SharedFetch(kept, self._fetch_begun)

    def __call__(self, key: str, start: int = 0, end: int | None = None) -> bytes | None:
        """Return the bytes of a key from `start` to before `end`; None where there is none.

        Raises RangesError.
        """
        begun = self._begun.get([key])[key]
        if begun.total_bytes < 0:
            return None
        total = begun.total_bytes
        first = max(0, total + start) if start < 0 else start
        last = total if end is None else min(end, total)
        if last <= len(begun.data):
            return begun.data[first:last]
        found: list[bytes] = []
        self._fetch([(key, first, last)], lambda _number, data, _total: found.append(data))
        if not found or len(found[0]) != last - first:
            raise RangesError("the server sent another number of bytes than it was asked for")
        return found[0]

    def is_denied(self, key: str) -> bool:
        """Return whether the server does not let us read an object. Raises RangesError."""
        return self._begun.get([key])[key].total_bytes == _DENIED

    def expect(self, keys: Iterable[str]) -> None:
        """Fetch objects at once, and return when they are at hand. Raises RangesError."""
        self._begun.get(dict.fromkeys(keys))

    def _fetch_begun(self, keys: Sequence[str], give: Callable[[str, Beginning], None]) -> None:
        def take(number: int, data: bytes, total_bytes: int) -> None:
            give(keys[number], Beginning(data, total_bytes))

        self._fetch([(key, 0, _FIRST_BYTES) for key in keys], take)


def fetch_descriptions(objects: Objects) -> None:
    """Have the descriptions of a Zarr at hand: those of its root, then those of all its levels."""
    inner = [below("0", name) for name in ROOT_KEYS]
    objects.expect([*ROOT_KEYS, *inner])
    wanted: list[str] = []
    for place in ("", "0"):
        for level in _levels(objects, place):
            array = below(place, level)
            wanted += [below(array, name) for name in ("zarr.json", ".zarray", ".zattrs")]
    objects.expect(wanted)


def _levels(objects: Objects, place: str) -> list[str]:
    """Return the paths that the description of an image names."""
    for name in ("zarr.json", ".zattrs"):
        data = objects(below(place, name))
        try:
            found = msgspec.json.decode(data or b"{}")
            attributes = found.get("attributes", found)
            attributes = attributes.get("ome", attributes)
            first = attributes["multiscales"][0]
            return [str(each["path"]) for each in first["datasets"]][:_MOST_LEVELS]
        except (LookupError, TypeError, AttributeError, *DECODE_ERRORS):
            continue
    return []
