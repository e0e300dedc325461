"""Parts of slides on servers that many threads want: each is fetched once, and kept."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cachetools import LRUCache

_Key = TypeVar("_Key")
_Part = TypeVar("_Part")


class RangesError(CoverslipError, OSError):
    """Bytes that cannot be had now; `str()` is one sentence: why, and what to do."""

    def __init__(self, sentence: str) -> None:
        OSError.__init__(self, sentence)


class SharedFetch(Generic[_Key, _Part]):
    """Gives parts by key to any thread; who wants the same waits for one fetch of it.

    Parameters
    ----------
    kept
        Keeps what came, as far as it is not too large.
    fetch
        Called with keys, in order; calls back with each part as it arrives, with others beside
        them as it likes, and returns when all have. Raises any Exception.
    """

    def __init__(
        self,
        kept: LRUCache[_Key, _Part],
        fetch: Callable[[Sequence[_Key], Callable[[_Key, _Part], None]], None],
    ) -> None:
        self._kept, self._fetch = kept, fetch
        self._under_way: dict[_Key, Future[_Part]] = {}
        self._lock = threading.Lock()

    def keep(self, key: _Key, part: _Part) -> None:
        """Take a part that is known already."""
        with self._lock:
            if self._kept.getsizeof(part) <= self._kept.maxsize:
                self._kept[key] = part

    def has(self, keys: Iterable[_Key]) -> bool:
        """Return whether nothing of these has to be fetched any more."""
        with self._lock:
            return all(key in self._kept for key in keys)

    def get(self, keys: Iterable[_Key]) -> dict[_Key, _Part]:
        """Return parts by key. Raises RangesError, or what `fetch` raises."""
        found: dict[_Key, _Part] = {}
        waiting: dict[_Key, Future[_Part]] = {}
        own: dict[_Key, Future[_Part]] = {}
        with self._lock:
            for key in keys:
                kept = self._kept.get(key)
                if kept is not None:
                    found[key] = kept
                elif key in self._under_way:
                    waiting[key] = self._under_way[key]
                else:
                    own[key] = self._under_way[key] = Future()
        if own:
            self._fetch_own(own)
        for key, future in (own | waiting).items():
            found[key] = future.result()
        return found

    def _fetch_own(self, own: dict[_Key, Future[_Part]]) -> None:
        """Fetch parts; each future gets its part or the error."""

        def take(key: _Key, part: _Part) -> None:
            self.keep(key, part)
            future = own.get(key)
            if future is not None and not future.done():
                future.set_result(part)

        error: BaseException = RangesError("the server did not send all that it was asked for")
        try:
            self._fetch(list(own), take)
        except Exception as problem:
            error = problem
        finally:
            with self._lock:
                for key in own:
                    self._under_way.pop(key, None)
            for future in own.values():
                if not future.done():
                    future.set_exception(error)
