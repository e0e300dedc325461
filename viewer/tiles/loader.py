"""Worker threads that turn wanted tiles into pictures, always the most wanted one next."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from viewer.cores import keep_apart
from viewer.memory import warm_memory
from viewer.slides.errors import SlideAwayError, SlideLostError, TileError
from viewer.slides.lost_tiles import EVERY_VALUE, ShownValues
from viewer.slides.source import expect, gone_of, screen_tile, silence_of
from viewer.tiles.cache import CachedTile, TileCache, TileKey
from viewer.tiles.rendering import ValueTiles
from viewer.tiles.sketches import SKETCH, Sketch, Sketches
from viewer.unwaited_thread import UnwaitedThread
from viewer.window_first import wait_for_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.slides.source import RgbImage, SlideSource
    from viewer.tiles.plan import TilePlan
    from viewer.tiles.rendering import Rendering

Picture = TypeVar("Picture")

_log = logging.getLogger(__name__)
_tokens = itertools.count()

# A tile made from more stored tiles than this keeps a worker busy for tens of milliseconds; only
# one worker at a time takes such a tile, so that the others stay free for what is cheap.
_EXPENSIVE_STORED_TILES = 64

# Prefetching stops while more than this share of all decoded tiles was never on screen.
_UNSEEN_SHARE = 0.2
_UNSEEN_ALLOWANCE = 24

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
"""Between two questions to a server that is silent."""

_PAINTING_S = 0.008
"""After the last tile of a view, until tiles are read ahead: the view is painted meanwhile, and
readers of what nobody waits for would take processors and Python's lock from it."""

_MOST_UNFINISHED = 2000
_FINISHING_PAUSE_S = 0.003
"""Before each picture that is finished, which holds Python's lock against the window."""
_MOVING_S = 0.05
"""After a view was asked for, until pictures are finished: while one follows another all cores
paint them, and half of this time before a zoom counts as ended is left to finish what it shows."""


@runtime_checkable
class Unfinished(Protocol):
    """A picture that can be painted before all of it is made."""

    def finish(self) -> None:
        """Make the rest, in a worker that has nothing more urgent to do."""
        ...


class TileLoader(Generic[Picture]):
    """Loads the tiles of one slide for one view.

    `request` replaces whatever was asked for before: tiles that left the view and are not yet
    being decoded are dropped. Results go to the cache, then `on_loaded` is called, from a
    worker thread.

    Parameters
    ----------
    source
        The slide; its `read_tile` is called from several threads.
    prepare
        Makes the picture from uint8 (height, width, 3), in a worker thread, and tells its bytes.
        With an attribute `takes_screen_pixels` that is true it is given pixels as `screen_tile`
        has them.
    cache
        Where pictures go.
    on_loaded
        Called from a worker with the key of each tile that arrived or failed.
    worker_count
        How many tiles are read at the same time.
    rendering
        What of a slide of channels or planes is shown, and how; None where tiles are shown as
        they are read.
    """

    def __init__(
        self,
        source: SlideSource,
        prepare: Callable[[RgbImage], tuple[Picture, int]],
        cache: TileCache[Picture],
        on_loaded: Callable[[TileKey], None],
        worker_count: int = 2,
        rendering: Rendering | None = None,
    ) -> None:
        self.source = source
        self._rendering = rendering
        self._values = ValueTiles(source, cache, next(_tokens))
        self.failures: dict[TileKey, str] = {}
        self.change = ""
        """A sentence once the file was found to be another than the one that was opened."""
        self.away = ""
        """A sentence while the slide's server is silent; tiles are asked for again and again."""
        self.gone = ""
        """A sentence while a file of the slide is not in its place; what is open of it is read."""
        self.waits_for_servers = True
        """Whether tiles of a silent server stay wanted; otherwise they count as unreadable."""
        self._away_pause_s = _FIRST_PAUSE_S
        self._finishing_from_s = 0.0
        """When what nobody waits for may be made again."""
        self._request_count = self._expected_count = 0
        self.decoded_count = 0
        self._token = next(_tokens)
        self._prepare = prepare
        self._look_version = 0
        self._cache = cache
        self._on_loaded = on_loaded
        self._wanted: list[TileKey] = []
        self._ahead: list[TileKey] = []
        self._ahead_from_s = 0.0
        """When tiles may be read ahead again; 0.0 once they may."""
        self._neighbors: list[TileKey] = []
        """Tiles on screen of which the planes above and below are read once nothing else is."""
        self._unfinished: deque[TileKey] = deque(maxlen=_MOST_UNFINISHED)
        """Tiles at hand that are finished once nothing else is to be done."""
        self._level_to_finish = -1
        """Tiles of this level are finished at once, since the view paints from their copies."""
        self._requested: set[TileKey] = set()
        self._started_s: dict[TileKey, float] = {}
        self._unseen_count = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._sketches = Sketches(source, self._changed)
        self._workers = [
            UnwaitedThread(partial(self._work, i), f"tiles-{self._token}-{i}")
            for i in range(worker_count)
        ]
        for worker in self._workers:
            worker.start()

    def listen(self, on_loaded: Callable[[TileKey], None]) -> None:
        """Have another than the one before called for each tile that arrives from now on."""
        self._on_loaded = on_loaded

    def tile(self, key: TileKey) -> CachedTile[Picture] | None:
        """Return the tile to paint, which counts as shown; None when it is not at hand."""
        tile = self._cache.get(self._token, key)
        if tile is not None and not tile.shown:
            tile.shown = True
            with self._changed:
                self._unseen_count -= 1
        return tile

    def tiles(self, keys: Sequence[TileKey]) -> dict[TileKey, CachedTile[Picture]]:
        """Return those of the tiles to paint that are at hand, as `tile` does."""
        found = self._cache.get_all(self._token, keys)
        unseen = [tile for tile in found.values() if not tile.shown]
        if unseen:
            for tile in unseen:
                tile.shown = True
            with self._changed:
                self._unseen_count -= len(unseen)
        return found

    def has(self, key: TileKey) -> bool:
        """Return whether the tile is at hand, be it of an older look."""
        return self._cache.look_version(self._token, key) is not None

    def is_settled(self, key: TileKey) -> bool:
        """Return whether nothing better than what is at hand will come: newest, or unreadable."""
        return (
            key in self.failures or self._cache.look_version(self._token, key) == self._look_version
        )

    def request(self, *plans: TilePlan) -> None:
        """Make the plans, the most wanted first, the only thing that is loaded from now on."""
        top = len(self.source.levels) - 1
        visible = [key for one in plans for key in one.visible]
        coarser = [key for one in plans for key in one.coarser]
        # Before they are looked for: what is here now is not asked for, and must not go then.
        self._cache.hold(self._token, [*visible, *coarser])
        # Nothing at hand: the coarsest level first, so that there is a picture at once.
        first = [key for key in coarser if key.level == top and not self.has(key)]
        wanted = self._missing([*first, *visible, *coarser])
        ahead = self._missing([key for one in plans for key in one.ahead])
        with self._changed:
            self._finishing_from_s = time.monotonic() + _MOVING_S
            # Workers take from the end.
            self._wanted = wanted[::-1]
            self._ahead = ahead[::-1]
            has_neighbors = self._rendering is not None and self.source.info.axes.z_count > 1
            self._neighbors = visible[::-1] if has_neighbors else []
            self._level_to_finish = next((one.level for one in plans if one.shrinks), -1)
            self._request_count += 1
            self._requested = {*wanted, *ahead}
            self._sketches.forget_others(self._requested)
            self._changed.notify_all()

    def set_prepare(
        self,
        prepare: Callable[[RgbImage], tuple[Picture, int]],
        rendering: Rendering | None = None,
    ) -> None:
        """Tiles at hand become old: they are painted until `request` has brought new ones."""
        with self._changed:
            self._prepare = prepare
            before, self._rendering = self._rendering, rendering
            if not (before is rendering or (rendering is not None and rendering.reads_as(before))):
                self.failures = {}  # they were of other channels or another plane
            self._look_version += 1

    def retry_failures(self) -> None:
        """Unreadable tiles may be asked for again."""
        self.failures = {}

    @property
    def shown_values(self) -> ShownValues:
        """Return which values of the slide are shown."""
        shown = self._rendering
        return EVERY_VALUE if shown is None else ShownValues(shown.channels, shown.plane)

    @property
    def is_coarse(self) -> bool:
        """Return whether a tile is shown as a sample of what is stored, which becomes denser."""
        with self._changed:
            return self._sketches.are_shown

    def longest_wait_s(self) -> float:
        """Return how long the oldest read under way has taken: large where no drive answers."""
        with self._changed:
            if not self._started_s:
                return 0.0
            return time.monotonic() - min(self._started_s.values())

    @property
    def unseen_share(self) -> float:
        """Return the share of all decoded tiles that was never on screen."""
        return self._unseen_count / self.decoded_count if self.decoded_count else 0.0

    def close(self, patience_s: float = 2.0, then: Callable[[], object] = lambda: None) -> None:
        """End the workers and free the tiles; a worker stuck in a read is left to end itself.

        Parameters
        ----------
        patience_s
            How long to wait for the workers.
        then
            Called once no worker reads any more: at once, or from another thread, as always where
            nobody waits; to end the process that reads takes longer than a frame.
        """
        with self._changed:
            self._is_closed = True
            self._wanted, self._ahead, self._neighbors = [], [], []
            self._unfinished.clear()
            self._changed.notify_all()
        deadline_s = time.monotonic() + patience_s
        for worker in self._workers if patience_s else ():
            worker.join(max(0.0, deadline_s - time.monotonic()))
        if not patience_s or any(worker.is_alive() for worker in self._workers):
            UnwaitedThread(lambda: self._end(then), f"end of tiles-{self._token}").start()
        else:
            self._drop()
            then()

    def _end(self, then: Callable[[], object]) -> None:
        self._drop()
        for worker in self._workers:
            worker.join()
        self._drop()  # of what arrived in the meantime
        then()

    def _drop(self) -> None:
        with self._changed:
            self._sketches.clear()
        self._cache.drop_slide(self._token)
        self._values.close()

    def _missing(self, keys: Sequence[TileKey]) -> list[TileKey]:
        return [key for key in dict.fromkeys(keys) if not self.is_settled(key)]

    def _work(self, index: int) -> None:
        keep_apart(index, len(self._workers))
        warm_memory.use(warm_memory.for_screen)
        while True:
            with self._changed:
                key = self._next()
                may_finish = False
                while not (key or may_finish or self._neighbors or self._is_closed):
                    has_rested = not self._changed.wait(self._idle_pause_s())
                    has_rested &= time.monotonic() >= self._finishing_from_s
                    may_finish = has_rested and self._may_finish
                    key = self._next()
                if self._is_closed:
                    return
                prepare, look_version = self._prepare, self._look_version
                rendering = self._rendering
                unfinished = self._unfinished.pop() if key is None and self._unfinished else None
                is_idle = key is None and unfinished is None
                neighbor = self._neighbors.pop() if is_idle and self._neighbors else None
                expected: list[TileKey] = []
                if key is not None:
                    self._started_s[key] = time.monotonic()
                    expected = self._newly_wanted(key)
            if key is None:
                if unfinished is not None:
                    self._finish(unfinished)
                elif neighbor is not None and rendering is not None:
                    self._read_neighbors(neighbor, rendering)
                elif may_finish:
                    warm_memory.for_screen.add()
                continue
            wait_for_frame()
            try:
                if expected:
                    expect(self.source, expected, len(self._workers))
                self._load(key, prepare, look_version, rendering)
            finally:
                with self._changed:
                    del self._started_s[key]
                    self._changed.notify()
            if not self._is_closed:
                self._on_loaded(key)
            if self.away:
                self._pause(key)

    def _newly_wanted(self, key: TileKey) -> list[TileKey]:
        """Return all that a new view needs, once; called with the lock held."""
        if self._expected_count == self._request_count:
            return []
        self._expected_count = self._request_count
        return [key, *reversed(self._wanted)]

    def _pause(self, key: TileKey) -> None:
        """Leave a silent server alone for a while, each time longer, and want the tile still."""
        with self._changed:
            if not self.is_settled(key):
                self._wanted.append(key)
            self._changed.wait_for(lambda: self._is_closed, self._away_pause_s)
            self._away_pause_s = min(2 * self._away_pause_s, _LONGEST_PAUSE_S)

    def _finish(self, key: TileKey) -> None:
        tile = self._cache.peek(self._token, key)
        picture = None if tile is None else tile.picture
        if isinstance(picture, Unfinished):
            picture.finish()

    def _read_neighbors(self, key: TileKey, rendering: Rendering) -> None:
        try:
            self._values.read_neighbors(key, rendering)
        except TileError:
            return  # it is told once that plane is looked at
        except Exception:
            _log.exception("Reading the planes beside tile %s of %s", key, self.source.path.suffix)

    def _idle_pause_s(self) -> float | None:
        """Return after how long an idle worker looks for work again by itself."""
        now_s = time.monotonic()
        if self._ahead_from_s:
            return max(self._ahead_from_s - now_s, 0.0)
        if not self._may_finish:
            return None
        return max(self._finishing_from_s - now_s, _FINISHING_PAUSE_S)

    @property
    def _may_finish(self) -> bool:
        """Return whether there is something to do that is no tile."""
        return bool(self._unfinished) or warm_memory.for_screen.is_short

    def _next(self) -> TileKey | None:
        """Return the most wanted tile that nobody works at; called with the lock held."""
        key = self._take(self._wanted)
        if key is not None:
            self._ahead_from_s = time.monotonic() + _PAINTING_S
            return key
        if time.monotonic() < self._ahead_from_s:
            return None
        self._ahead_from_s = 0.0
        limit = max(_UNSEEN_ALLOWANCE, _UNSEEN_SHARE * self.decoded_count)
        return self._take(self._ahead) if self._unseen_count < limit else None

    def _take(self, keys: list[TileKey]) -> TileKey | None:
        skipped: list[TileKey] = []
        taken = None
        while keys and taken is None:
            key = keys.pop()
            # It may have arrived since it was asked for.
            if self.is_settled(key):
                continue
            if key in self._started_s:
                skipped.append(key)  # what comes may be of an older look
                continue
            if self._is_expensive(key) and any(map(self._is_expensive, self._started_s)):
                skipped.append(key)
                continue
            taken = key
        keys.extend(reversed(skipped))
        return taken

    def _show_sketch(
        self,
        key: TileKey,
        sketch: Sketch,
        prepare: Callable[[RgbImage], tuple[Picture, int]],
        look_version: int,
    ) -> None:
        """Put what there is of a tile where it belongs, and want it still."""
        if sketch.last is not None and sketch.look_version != look_version:
            picture, size_bytes = prepare(sketch.last)
            sketch.look_version = look_version
            with self._changed:
                if self._is_closed:
                    return
            is_coarsest = key.level == len(self.source.levels) - 1
            tile = CachedTile(picture, size_bytes, SKETCH, shown=True)
            self._cache.put(self._token, key, tile, pinned=is_coarsest)
        with self._changed:
            if self._is_closed or key not in self._requested or key in self._wanted:
                return
            self._wanted.insert(self._sketches.turn_of(sketch, self._wanted), key)

    def _is_expensive(self, key: TileKey) -> bool:
        return self.source.levels[key.level].stored_tiles_per_tile > _EXPENSIVE_STORED_TILES

    def _load(
        self,
        key: TileKey,
        prepare: Callable[[RgbImage], tuple[Picture, int]],
        look_version: int,
        rendering: Rendering | None,
    ) -> None:
        try:
            if rendering is None and self._is_expensive(key):
                sketch = self._sketches.step(key)
                if sketch is not None:
                    self._show_sketch(key, sketch, prepare, look_version)
                    return
            if rendering is None:
                # Asked of each tile: to check against a protocol takes twenty times as long.
                as_on_screen = getattr(prepare, "takes_screen_pixels", False)
                read = partial(screen_tile, self.source) if as_on_screen else self.source.read_tile
                pixels = read(*key)
            else:
                pixels = self._values.picture(key, rendering)
            wait_for_frame()
            picture, size_bytes = prepare(pixels)
            if key.level == self._level_to_finish and isinstance(picture, Unfinished):
                picture.finish()
        except SlideLostError as error:
            self.change = self.failures[key] = str(error)
            return
        except SlideAwayError as error:
            if self.waits_for_servers:
                self.away = str(error)
            else:
                self.failures[key] = str(error)
            return
        except TileError as error:
            if rendering is not None:
                with self._changed:
                    if rendering is not self._rendering and not rendering.reads_as(self._rendering):
                        return  # another plane is asked for by now
                # What is at hand is of another plane or of other channels.
                self._cache.drop(self._token, key)
            self.failures[key] = str(error)
            return
        except Exception:
            # A reader that breaks its promise must not end the worker.
            _log.exception("Reading tile %s of %s", key, self.source.path.suffix)
            self.failures[key] = (
                f"Tile {key.column}, {key.row} of level {key.level} cannot be read: "
                "an unexpected error, see the log."
            )
            return
        self.gone = gone_of(self.source)
        if self.away and not silence_of(self.source):  # what is at hand says nothing of the server
            self.away, self._away_pause_s = "", _FIRST_PAUSE_S
        is_coarsest = key.level == len(self.source.levels) - 1
        with self._changed:
            if self._is_closed:
                return
            self.decoded_count += 1
            self._unseen_count += 1
        self._cache.put(
            self._token, key, CachedTile(picture, size_bytes, look_version), pinned=is_coarsest
        )
        if isinstance(picture, Unfinished):
            with self._changed:
                self._unfinished.append(key)
