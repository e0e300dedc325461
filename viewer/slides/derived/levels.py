"""Levels made here by halving, where a slide's own pyramid has wide steps or stops too soon."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.slides.byte_lru import ByteLru
from viewer.slides.composites import composite, first_displays
from viewer.slides.derived.channels import KEPT_ON_DISK_FROM, ChannelHalving, Plane
from viewer.slides.derived.halving import Place, fill_from_below, halved, size_below
from viewer.slides.derived.level_store import LevelStore
from viewer.slides.derived.sketching import DENSEST, SLICE_S, sketches
from viewer.slides.errors import SlideAwayError, SlideError, SlideLostError, TileError
from viewer.slides.hatching import hatch
from viewer.slides.lost_tiles import EVERY_VALUE, LostTiles
from viewer.slides.readers.jpeg_tiles import stored_jpeg_tiles
from viewer.slides.source import expect, screen_tile, silence_of
from viewer.slides.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.lost_tiles import ShownValues
    from viewer.slides.readers.jpeg_tiles import DirectTiles
    from viewer.slides.source import Level, RgbImage, ScreenImage, SlideInfo, SlideSource

_log = logging.getLogger(__name__)

WIDEST_STEP = 2.5
COARSEST_SIDE_PX = 512
"""The coarsest level is at most this long, so that it is one or a few tiles."""

_MEMORY_BYTES = 64 << 20
_BECOMING_FROM = 1024
"""Stored tiles per tile from which a tile is made bit by bit: others take a second at most."""
_MADE_FROM = 256
"""The same of a level of the source itself: images in memory have theirs, of 64, ready."""
_PART_LEVELS = 4
"""Parts of such a tile are so many levels above what is stored: 256 stored tiles each."""
_CLOSED = "the slide has been closed"

Made = TypeVar("Made")


class _Origin(msgspec.Struct, frozen=True):
    """Where a level comes from: the source's `stored` level, or the halving of `finer`."""

    level: Level
    stored: int | None = None
    finer: int | None = None


def with_fine_steps(source: SlideSource) -> SlideSource:
    """Return the source, with levels added where it needs them; itself where it needs none."""
    plan = _plan(source.levels)
    if all(origin.stored is not None for origin in plan):
        return source
    return DerivedLevels(source, plan)


class DerivedLevels:
    """A slide with levels in between and overviews, each an exact 2 x 2 mean of the finer one.

    A derived tile is made from the up to four finer tiles below it, and those in turn, tile by
    tile: memory stays flat however large the slide is. Threads that want the same tile wait for
    the first of them; locks are only taken from coarse to fine, so no two can wait in a circle.
    """

    def __init__(self, source: SlideSource, plan: tuple[_Origin, ...]) -> None:
        self._source = source
        self._plan = plan
        self._levels = tuple(origin.level for origin in plan)
        self._memory = ByteLru[Hashable](_MEMORY_BYTES)
        self._found_store: LevelStore | None = None
        self._has_looked_for_store = False
        self._store_lock = threading.Lock()
        self._turns = Turns[Hashable]()
        axes = source.info.axes
        self._halving = ChannelHalving(
            self._levels, axes, self._channels_below, self._memory, self._turns, self._store
        )
        self._first_displays = tuple(each for each in first_displays(axes) if each.shown)
        self._lost = LostTiles()
        self._closed = False

    @property
    def path(self) -> Path:
        return self._source.path

    @property
    def info(self) -> SlideInfo:
        return self._source.info

    @property
    def levels(self) -> tuple[Level, ...]:
        return self._levels

    @property
    def direct_tiles(self) -> list[DirectTiles | None]:
        """Return where the JPEG tiles of each level lie; None for levels that are made here."""
        stored = stored_jpeg_tiles(self._source)
        return [None if origin.stored is None else stored[origin.stored] for origin in self._plan]

    def expect(self, tiles: Sequence[Place], threads: int = 1) -> None:
        """Expect the stored tiles that tiles are made of."""
        stored: dict[Place, None] = {}
        for place in tiles:
            self._add_stored(place, stored)
        expect(self._source, list(stored), threads)

    @property
    def silence(self) -> str:
        """Return what the source says of its server."""
        return silence_of(self._source)

    def _add_stored(self, place: Place, stored: dict[Place, None]) -> None:
        level, column, row = place
        origin = self._plan[level]
        if origin.stored is not None:
            stored[origin.stored, column, row] = None
        elif self._memory.get(place) is None and origin.finer is not None:
            finer = self._levels[origin.finer]
            for y in range(2 * row, min(2 * row + 2, finer.rows)):
                for x in range(2 * column, min(2 * column + 2, finer.columns)):
                    self._add_stored((origin.finer, x, y), stored)

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        """Return why parts of a tile that was made here are hatched."""
        if self._plan[level].stored is not None:
            return []
        finest = self._finest_of(level)
        return self._lost.within(finest, *self._below((level, column, row), finest), values)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        axes = self.info.axes
        if axes.is_rgb or self._plan[level].stored is not None:
            return self._read((level, column, row))[0]
        # Halved values in their colors, not halved colors: as they look once they are adjusted.
        values = self.read_channels(level, column, row, axes.first_shown)
        return composite(values, self._first_displays)

    def read_for_screen(self, level: int, column: int, row: int) -> ScreenImage | RgbImage:
        stored = self._plan[level].stored
        if stored is None or self._closed:
            return self.read_tile(level, column, row)
        return self._stored(stored, (level, column, row), partial(screen_tile, self._source))

    def becoming(self, level: int, column: int, row: int) -> Iterator[RgbImage | None]:
        """Yield ever sharper pictures of a tile that takes long, a moment's work each.

        None where a moment brought no other picture. Of the coarsest level alone there are
        pictures; other tiles are painted from it meanwhile. At the end `read_tile` is quick: what
        was made is kept on disk, so that a slide that is opened again goes on with it.
        """
        axes, place = self.info.axes, (level, column, row)
        if not axes.is_rgb or self._plan[level].level.stored_tiles_per_tile < _BECOMING_FROM:
            return
        if self._is_made(place):
            return
        finest = self._finest_of(level)
        if finest == level:
            return  # the source has it ready, as of an image that is held whole
        if level == len(self._levels) - 1:
            yield from self._sketches(place)
        part_levels = 1 if self._is_made_of_strips(finest) else _PART_LEVELS
        for finer in range(finest + part_levels, level):
            yield from self._made_parts(place, finer)

    def _sketches(self, place: Place) -> Iterator[RgbImage | None]:
        level, column, row = place
        finest, store = self._finest_of(level), self._store()
        size_px = self._levels[level].tile_size_px(column, row)
        kept = store.get_sketch(self._levels[level], column, row) if store else None
        if kept is not None:
            yield kept
        columns, rows = self._below(place, finest)
        if is_of_strips := self._is_made_of_strips(finest):
            finest = 0
            columns, rows = self._full_size_below(place)
        stored = self._plan[finest].stored
        assert stored is not None

        def read(x: int, y: int) -> RgbImage:
            if self._closed:
                raise TileError(finest, x, y, _CLOSED)
            return self._stored(stored, (finest, x, y))

        found = sketches(read, columns, rows, size_px, row_by_row=is_of_strips)
        for picture, stride in found:
            # What is kept may be of a denser sample than the first ones here.
            is_new = kept is None or stride == DENSEST
            if store is not None and stride and is_new:
                store.put_sketch(self._levels[level], column, row, picture)
            yield picture if is_new else None

    def _made_parts(self, place: Place, finer: int) -> Iterator[None]:
        """Make the tiles of a finer level that a tile is made of."""
        columns, rows = self._below(place, finer)
        began_s = time.monotonic()
        for y in rows:
            for x in columns:
                part = (finer, x, y)
                if not self._is_made(part):
                    with contextlib.suppress(TileError):
                        self._read(part)
                if self._closed:
                    raise TileError(*part, _CLOSED)
                if time.monotonic() - began_s > SLICE_S:
                    yield
                    began_s = time.monotonic()

    def _is_made(self, place: Place) -> bool:
        """Return whether a tile is in memory or on disk."""
        if self._memory.get(place) is not None:
            return True
        store, level = self._store(), self._plan[place[0]].level
        is_kept = level.stored_tiles_per_tile >= KEPT_ON_DISK_FROM
        return is_kept and store is not None and store.has(level, *place[1:])

    def _finest_of(self, level: int) -> int:
        """Return the stored level that a level is made of."""
        while (finer := self._plan[level].finer) is not None:
            level = finer
        return level

    def _below(self, place: Place, finer: int) -> tuple[range, range]:
        """Return columns and rows of a finer level that a tile covers."""
        level, column, row = place
        many, grid = 2 ** (level - finer), self._levels[finer]
        return (
            range(column * many, min((column + 1) * many, grid.columns)),
            range(row * many, min((row + 1) * many, grid.rows)),
        )

    def _is_made_of_strips(self, stored: int) -> bool:
        """Return whether a level of the source is made from all of its full size, when asked."""
        return self._plan[stored].level.stored_tiles_per_tile >= _MADE_FROM

    def _full_size_below(self, place: Place) -> tuple[range, range]:
        """Return columns and rows of the full size that a tile covers."""
        level, column, row = place
        box, full = self._levels[level].tile_box(column, row), self._levels[0]
        last_column = math.ceil(box.x1 / full.tile_width_px)
        last_row = math.ceil(box.y1 / full.tile_height_px)
        return (
            range(int(box.x0 // full.tile_width_px), min(last_column, full.columns)),
            range(int(box.y0 // full.tile_height_px), min(last_row, full.rows)),
        )

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return self._channels((level, column, row), channels, (z, t))[0]

    def read_associated(self, name: str) -> RgbImage:
        return self._source.read_associated(name)

    def close(self) -> None:
        self._closed = True
        self._source.close()
        self._memory.clear()

    def _read(self, place: Place) -> tuple[RgbImage, bool]:
        """The tile, and whether it is sound: without a patch for an unreadable tile in it."""
        level, column, row = place
        if self._closed:
            raise TileError(*place, _CLOSED)
        origin = self._plan[level]
        if origin.stored is not None:
            return self._stored(origin.stored, place), True
        image = self._memory.get(place)
        if image is not None:
            return image, True
        with self._turns.turn(place):
            image = self._memory.get(place)
            if image is not None:
                return image, True
            is_expensive = origin.level.stored_tiles_per_tile >= KEPT_ON_DISK_FROM
            store = self._store() if is_expensive else None
            image = store.get(origin.level, column, row) if store else None
            is_sound = True
            if image is None:
                image, is_sound = self._halved(place)
                if store and is_sound:
                    store.put(origin.level, column, row, image)
            image.flags.writeable = False  # all who ask get the same one
            if is_sound:
                self._memory.put(place, image)
            return image, is_sound

    def _channels(
        self, place: Place, channels: tuple[int, ...], plane: Plane
    ) -> tuple[NDArray[Any], bool]:
        """Return values of a tile, and whether they are sound."""
        if self._closed:
            raise TileError(*place, _CLOSED)
        origin = self._plan[place[0]]
        if origin.stored is None:
            assert origin.finer is not None  # a level that is not stored has one
            return self._halving.read(place, origin.finer, channels, plane)
        try:
            return self._source.read_channels(origin.stored, *place[1:], channels, *plane), True
        except SlideLostError:
            raise
        except TileError as error:
            raise TileError(*place, error.reason) from error

    def _channels_below(
        self, place: Place, channels: tuple[int, ...], plane: Plane
    ) -> tuple[NDArray[Any], bool]:
        return self._noting_loss(
            place, lambda: self._channels(place, channels, plane), channels, plane
        )

    def _noting_loss(
        self,
        place: Place,
        read: Callable[[], Made],
        channels: tuple[int, ...] = (),
        plane: Plane = (0, 0),
    ) -> Made:
        """Read a tile that another is made of, and note of a stored one whether it is lost."""
        is_stored = self._plan[place[0]].stored is not None
        try:
            made = read()
        except (SlideLostError, SlideAwayError):
            raise
        except TileError as error:
            if is_stored:
                self._lost.add(place, channels, plane, error.reason)
            raise
        if is_stored:
            self._lost.remove(place, channels, plane)
        return made

    def _store(self) -> LevelStore | None:
        """Return the slide's files in the cache; its identity is read only once one is wanted."""
        with self._store_lock:
            if not self._has_looked_for_store:
                try:
                    identity = self._source.info.identity
                except SlideLostError:
                    raise
                except SlideError as error:
                    _log.warning("Tiles that are made are not kept (%s)", error)
                    identity = ""
                self._found_store = LevelStore.of_slide(identity) if identity else None
                self._has_looked_for_store = True
            return self._found_store

    def _stored(
        self,
        stored: int,
        place: Place,
        read: Callable[[int, int, int], RgbImage] | None = None,
    ) -> RgbImage:
        try:
            return (read or self._source.read_tile)(stored, place[1], place[2])
        except (SlideLostError, SlideAwayError):
            raise
        except TileError as error:
            raise TileError(*place, error.reason) from error

    def _halved(self, place: Place) -> tuple[RgbImage, bool]:
        finer_index = self._plan[place[0]].finer
        assert finer_index is not None  # a level that is not stored has one
        finer = self._levels[finer_index]
        canvas = np.empty((*size_below(place, finer), 3), np.uint8)

        def take(below: Place, part: RgbImage) -> bool:
            part[:], is_sound = self._noting_loss(below, lambda: self._read(below))
            return is_sound

        is_sound = fill_from_below(place, finer_index, finer, canvas, take, hatch)
        return halved(canvas), is_sound


def _plan(levels: tuple[Level, ...]) -> tuple[_Origin, ...]:
    plan: list[_Origin] = []
    for stored, level in enumerate(levels):
        while plan and level.downsample / plan[-1].level.downsample > WIDEST_STEP:
            plan.append(_Origin(_half_of(plan[-1].level), finer=len(plan) - 1))
        plan.append(_Origin(level, stored=stored))
    while max(plan[-1].level.width_px, plan[-1].level.height_px) > COARSEST_SIDE_PX:
        plan.append(_Origin(_half_of(plan[-1].level), finer=len(plan) - 1))
    return tuple(plan)


def _half_of(level: Level) -> Level:
    return replace(
        level,
        width_px=-(-level.width_px // 2),
        height_px=-(-level.height_px // 2),
        downsample=level.downsample * 2,
        stored_tiles_per_tile=level.stored_tiles_per_tile * 4,
    )
