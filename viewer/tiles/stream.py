"""The way of a slide's tiles to one view: what it wants, what came, whether that is all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from viewer.tiles.plan import Motion, coarsest_tiles, level_for, plan, visible_tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Point, View
    from viewer.tiles.cache import TileKey
    from viewer.tiles.loader import TileLoader

Picture = TypeVar("Picture")


class StreamState(msgspec.Struct, frozen=True):
    """What is to be said of the tiles of a view.

    Attributes
    ----------
    is_sharp
        Whether nothing better will come of what is on screen and of the overview, at rest.
    is_coarse
        Whether the overview is made of a sample of the slide.
    unreadable
        Why nothing of what is looked at can be read; "" when some can be.
    change
        A sentence once the file is no longer the one that was opened.
    away
        A sentence while the slide's server is silent.
    gone
        A sentence while a file of the slide is not in its place.
    """

    is_sharp: bool = False
    is_coarse: bool = False
    unreadable: str = ""
    change: str = ""
    away: str = ""
    gone: str = ""


class TileStream(Generic[Picture]):
    """Stands between a view and the loader of its slide.

    Parameters
    ----------
    loader
        Loads the tiles; its arrivals are the stream's from now on.
    announce
        Called from a worker when tiles came, once until `take_arrivals`.
    """

    def __init__(self, loader: TileLoader[Picture], announce: Callable[[], object]) -> None:
        self.loader = loader
        self._announce = announce
        # Filled by the workers, emptied by the view.
        self._arrivals: deque[TileKey] = deque()
        self._has_announced = False
        self._awaited: set[TileKey] = set()
        """What is to come before anything is announced."""
        loader.listen(self._note)

    def request(self, here: View, there: View, device_pixel_ratio: float, motion: Motion) -> None:
        """Want what is seen where a view is heading; on a pan also what is passed on the way."""
        levels = self.loader.source.levels
        plans = [plan(levels, there, device_pixel_ratio, motion)]
        if there is not here:
            passing = plan(levels, here, device_pixel_ratio, Motion())
            if passing.level == plans[0].level:
                plans.append(passing)
        self.loader.request(*plans)

    def take_arrivals(self) -> list[TileKey]:
        """Return the tiles that came, or failed, since the last call."""
        # First this, then the emptying: a tile that comes between is announced once more.
        self._has_announced = False
        self._awaited = set()
        return [self._arrivals.popleft() for _ in range(len(self._arrivals))]

    def announce_all_at_once(self, view: View, device_pixel_ratio: float) -> None:
        """Announce nothing more until all of a view has come, or `take_arrivals` is called.

        To be told of each tile takes processors and Python's lock from those who make them.
        """
        awaited = self._awaited = set(self._seen(view, device_pixel_ratio))
        for key in [*awaited]:
            if self.loader.is_settled(key):
                awaited.discard(key)
        if self._arrivals:
            self._announce_once(awaited)

    def is_of_overview(self, key: TileKey) -> bool:
        """Return whether a tile is one of the coarsest level."""
        return key.level == len(self.loader.source.levels) - 1

    def state(self, view: View, device_pixel_ratio: float, *, is_at_rest: bool) -> StreamState:
        """Return what there is of a view's tiles."""
        loader, failures = self.loader, self.loader.failures
        seen = self._seen(view, device_pixel_ratio)
        return StreamState(
            is_at_rest and all(map(loader.is_settled, reversed(seen))),
            loader.is_coarse,
            failures.get(seen[0], "") if all(key in failures for key in seen) else "",
            loader.change,
            loader.away,
            loader.gone,
        )

    def failure(self, key: TileKey) -> str:
        """Return why a tile cannot be read; "" where it can."""
        return self.loader.failures.get(key, "")

    def failure_at(self, point: Point, view: View, device_pixel_ratio: float) -> str:
        """Return why what a view shows at a level-0 point cannot be read; "" where it can."""
        if not self.loader.failures:
            return ""
        levels = self.loader.source.levels
        wanted = level_for(levels, view.downsample / device_pixel_ratio)
        for key, reason in self.loader.failures.items():
            if key.level == wanted and levels[wanted].tile_box(*key[1:]).contains(point):
                return reason
        return ""

    def _seen(self, view: View, device_pixel_ratio: float) -> list[TileKey]:
        """Return the tiles that a view shows, and those of the overview."""
        levels = self.loader.source.levels
        wanted = level_for(levels, view.downsample / device_pixel_ratio)
        return [*visible_tiles(levels, wanted, view), *coarsest_tiles(levels)]

    def _note(self, key: TileKey) -> None:
        """In a worker thread."""
        self._arrivals.append(key)
        awaited = self._awaited
        awaited.discard(key)
        self._announce_once(awaited)

    def _announce_once(self, awaited: set[TileKey]) -> None:
        if not awaited and not self._has_announced:
            self._has_announced = True
            self._announce()
