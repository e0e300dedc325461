"""Tiles ready to paint and values they are made of, bounded in bytes, shared by all views."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray

Picture = TypeVar("Picture")


class TileKey(NamedTuple):
    """One tile of one slide."""

    level: int
    column: int
    row: int


class CachedTile(msgspec.Struct, Generic[Picture]):
    """A tile as it is painted.

    Attributes
    ----------
    look_version
        Which look of the slide it was prepared for; one of an older look is painted until the
        new one is there.
    shown
        Whether it has been on screen, which tells how well the prefetching guesses.
    """

    picture: Picture
    size_bytes: int
    look_version: int
    shown: bool = False


class TileCache(Generic[Picture]):
    """The least recently painted tiles go first; pinned ones stay until their slide is dropped.

    Tiles of a view stay while it is there, even beyond the limit: nobody would ask for them again.

    Slides are distinguished by a token of the caller's, since two views of one slide may show it
    with different looks. All methods may be called from any thread.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._tiles: OrderedDict[tuple[int, TileKey], CachedTile[Picture]] = OrderedDict()
        self._pinned: dict[tuple[int, TileKey], CachedTile[Picture]] = {}
        self._values: OrderedDict[tuple[int, Hashable], NDArray[Any]] = OrderedDict()
        self._in_view: dict[int, frozenset[TileKey]] = {}
        self._lock = threading.Lock()

    @property
    def limit_bytes(self) -> int:
        return self._limit_bytes

    @limit_bytes.setter
    def limit_bytes(self, limit_bytes: int) -> None:
        with self._lock:
            self._limit_bytes = limit_bytes
            self._shrink()

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    def __len__(self) -> int:
        return len(self._tiles) + len(self._pinned)

    def get(self, slide: int, key: TileKey) -> CachedTile[Picture] | None:
        """Return the tile, which counts as painted now; None when it is not here."""
        place = (slide, key)
        with self._lock:
            tile = self._tiles.get(place)
            if tile is None:
                return self._pinned.get(place)
            self._tiles.move_to_end(place)
            return tile

    def get_all(self, slide: int, keys: Sequence[TileKey]) -> dict[TileKey, CachedTile[Picture]]:
        """Return those of the tiles that are here, which count as painted now."""
        found: dict[TileKey, CachedTile[Picture]] = {}
        tiles, pinned = self._tiles, self._pinned
        with self._lock:
            for key in keys:
                place = (slide, key)
                tile = tiles.get(place)
                if tile is not None:
                    tiles.move_to_end(place)
                    found[key] = tile
                elif (tile := pinned.get(place)) is not None:
                    found[key] = tile
        return found

    def peek(self, slide: int, key: TileKey) -> CachedTile[Picture] | None:
        """Return the tile without counting it as painted; None when it is not here."""
        place = (slide, key)
        with self._lock:
            return self._tiles.get(place) or self._pinned.get(place)

    def look_version(self, slide: int, key: TileKey) -> int | None:
        """Return the look that the tile was prepared for, without counting it as painted."""
        tile = self.peek(slide, key)
        return None if tile is None else tile.look_version

    def put(
        self, slide: int, key: TileKey, tile: CachedTile[Picture], *, pinned: bool = False
    ) -> None:
        """Keep a tile in place of an older one, and let others go to stay within the limit."""
        place = (slide, key)
        with self._lock:
            old = self._pinned.pop(place, None) or self._tiles.pop(place, None)
            if old is not None:
                self._used_bytes -= old.size_bytes
            (self._pinned if pinned else self._tiles)[place] = tile
            self._used_bytes += tile.size_bytes
            self._shrink()

    def hold(self, slide: int, keys: Iterable[TileKey]) -> None:
        """Let no tile of a slide's view go until it shows other ones."""
        in_view = frozenset(keys)
        with self._lock:
            self._in_view[slide] = in_view

    def drop(self, slide: int, key: TileKey) -> None:
        """Forget one tile, which is not to be painted any more."""
        place = (slide, key)
        with self._lock:
            old = self._pinned.pop(place, None) or self._tiles.pop(place, None)
            if old is not None:
                self._used_bytes -= old.size_bytes

    def values(self, slide: int, key: Hashable) -> NDArray[Any] | None:
        """Return values that tiles are made of; None when they are not here."""
        place = (slide, key)
        with self._lock:
            found = self._values.get(place)
            if found is not None:
                self._values.move_to_end(place)
            return found

    def put_values(self, slide: int, key: Hashable, values: NDArray[Any]) -> None:
        """Keep values within the same bound as tiles; they go before tiles do."""
        place = (slide, key)
        with self._lock:
            old = self._values.pop(place, None)
            if old is not None:
                self._used_bytes -= old.nbytes
            self._values[place] = values
            self._used_bytes += values.nbytes
            self._shrink()

    def drop_slide(self, slide: int) -> None:
        """Forget all tiles of a slide that was closed."""
        tiles: list[CachedTile[Picture]] = []
        values: list[NDArray[Any]] = []
        with self._lock:
            self._in_view.pop(slide, None)
            for kept in (self._tiles, self._pinned):
                tiles += [kept.pop(place) for place in [at for at in kept if at[0] == slide]]
            values += [
                self._values.pop(place) for place in [at for at in self._values if at[0] == slide]
            ]
            self._used_bytes -= sum(tile.size_bytes for tile in tiles)
            self._used_bytes -= sum(each.nbytes for each in values)
        # One by one, and not under the lock: the window paints from here meanwhile.
        while tiles:
            tiles.pop()
        while values:
            values.pop()

    def _shrink(self) -> None:
        while self._used_bytes > self._limit_bytes and self._values:
            _, values = self._values.popitem(last=False)
            self._used_bytes -= values.nbytes
        held: dict[tuple[int, TileKey], CachedTile[Picture]] = {}
        while self._used_bytes > self._limit_bytes and self._tiles:
            place, tile = self._tiles.popitem(last=False)
            if place[1] in self._in_view.get(place[0], ()):
                held[place] = tile
            else:
                self._used_bytes -= tile.size_bytes
        self._tiles.update(held)  # as if painted now
