"""From a view to the tiles it needs: pure functions, the same answer for the same view.

The order of requests is what the eye sees: the visible tiles of the wanted level from the center
outward, then coarser ones to fill gaps, then a ring with the direction of motion first, then the
next zoom level.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from viewer.geometry import Box, Point, View
from viewer.tiles.cache import TileKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from viewer.slides.source import Level

# A level is still sharp when it is stretched by this little, which spares a level four times as
# large at the round magnifications of a slide whose downsamples are not quite round (4.0027).
_SHARP_STRETCH = 1.05
COPY_SUFFICES = 0.62
"""A tile that is shrunk to this, or more, looks more like the average of its pixels when a copy of
three quarters of its size is painted: between the four pixels that are taken from the tile itself
others are left out (structural similarity on tissue, at 0.53 0.987 to 0.997 for 0.964 to 0.995)."""
_AT_REST = Point(0.0, 0.0)


class TilePlan(msgspec.Struct, frozen=True):
    """What a view wants, in the order of need.

    Attributes
    ----------
    level
        The wanted level.
    visible
        Its tiles on screen, from the center outward.
    coarser
        Tiles of coarser levels that fill gaps meanwhile, the nearest level first.
    ahead
        Tiles not on screen that are likely to be next: a ring, then the next zoom level.
    shrinks
        Whether the visible tiles are painted from a smaller copy of theirs.
    """

    level: int
    visible: tuple[TileKey, ...]
    coarser: tuple[TileKey, ...]
    ahead: tuple[TileKey, ...]
    shrinks: bool = False


class Motion(msgspec.Struct, frozen=True):
    """Where the view is heading.

    Attributes
    ----------
    direction
        Of the pan, as a level-0 vector of any length; (0, 0) at rest.
    zooming
        -1 toward the slide, 1 away from it, 0 neither.
    """

    direction: Point = _AT_REST
    zooming: int = 0


def level_for(levels: Sequence[Level], downsample: float) -> int:
    """Return the coarsest level that is sharp at `downsample` (level-0 pixels per device pixel)."""
    sharp = [
        index
        for index, level in enumerate(levels)
        if level.downsample <= downsample * _SHARP_STRETCH
    ]
    return sharp[-1] if sharp else 0


def tiles_in(levels: Sequence[Level], index: int, box: Box) -> Iterator[TileKey]:
    """Yield the tiles of a level that a level-0 box touches, row by row."""
    level = levels[index]
    width, height = level.tile_width_px * level.downsample, level.tile_height_px * level.downsample
    columns = _span(box.x0, box.x1, width, level.columns)
    for row in _span(box.y0, box.y1, height, level.rows):
        for column in columns:
            yield TileKey(index, column, row)


def visible_tiles(levels: Sequence[Level], index: int, view: View) -> tuple[TileKey, ...]:
    """Return the tiles of a level that are on screen, from the center outward."""
    return _visible_tiles(tuple(levels), index, view)


@lru_cache(maxsize=32)  # asked several times a frame, and again for each tile that arrives
def _visible_tiles(levels: tuple[Level, ...], index: int, view: View) -> tuple[TileKey, ...]:
    keys = list(tiles_in(levels, index, view.box))
    if view.rotation_deg % 90.0:
        keys = [key for key in keys if _on_screen(levels[index], key, view)]
    return tuple(_from(keys, levels[index], view.center))


def coarsest_tiles(levels: Sequence[Level]) -> list[TileKey]:
    """Return all tiles of the coarsest level: the overview, which is always wanted whole."""
    top = len(levels) - 1
    return [
        TileKey(top, column, row)
        for row in range(levels[top].rows)
        for column in range(levels[top].columns)
    ]


def plan(
    levels: Sequence[Level],
    view: View,
    device_pixel_ratio: float = 1.0,
    motion: Motion | None = None,
) -> TilePlan:
    """Return what to load for a view, or for where an animation will end."""
    motion = motion or Motion()
    wanted = level_for(levels, view.downsample / device_pixel_ratio)
    visible = visible_tiles(levels, wanted, view)
    coarser = coarsest_tiles(levels) if wanted < len(levels) - 1 else []
    # Two levels on, a gap is filled with a sixteenth of the tiles.
    if wanted + 2 < len(levels):
        coarser = [*visible_tiles(levels, wanted + 2, view), *coarser]
    ahead = _ring(levels, wanted, view, visible, motion.direction)
    following = wanted + (motion.zooming or -1)
    if 0 <= following < len(levels):
        ahead += visible_tiles(levels, following, _next_zoom(view, motion.zooming or -1))
    return TilePlan(
        wanted,
        visible,
        tuple(dict.fromkeys(coarser)),
        tuple(dict.fromkeys(ahead)),
        levels[wanted].downsample <= COPY_SUFFICES * view.downsample / device_pixel_ratio,
    )


def best_available_tiles(
    levels: Sequence[Level], visible: Sequence[TileKey], has: Callable[[TileKey], bool]
) -> tuple[list[TileKey], bool]:
    """Return the best tiles at hand, coarsest first, and whether any visible tile has a hole.

    A visible tile that is not at hand is covered by the nearest coarser ones, and over them by
    the next finer ones where those are at hand (as after zooming out).
    """
    painted: set[TileKey] = set()
    finer: set[TileKey] = set()
    has_hole = False
    missing: list[tuple[TileKey, Box]] = []
    for key in visible:
        if has(key):
            painted.add(key)
        else:
            # A hair smaller, so that rounding does not ask for the neighbors too.
            box = levels[key.level].tile_box(key.column, key.row)
            missing.append((key, box.grown(-levels[key.level].downsample / 4)))
    stocked = _stocked_coarser(levels, missing, has)
    for key, box in missing:
        finer.update(_finer(levels, key.level, box, has))
        if not _add_coarser(levels, stocked, box, has, painted):
            has_hole = True
    by_level = sorted(painted, key=lambda key: -key.level)
    if not finer:
        return by_level, has_hole
    wanted = visible[0].level
    coarser_part = [key for key in by_level if key.level > wanted]
    return [*coarser_part, *finer, *(key for key in by_level if key.level == wanted)], has_hole


def _finer(
    levels: Sequence[Level], index: int, box: Box, has: Callable[[TileKey], bool]
) -> list[TileKey]:
    if index == 0:
        return []
    return [key for key in tiles_in(levels, index - 1, box) if has(key)]


def _stocked_coarser(
    levels: Sequence[Level],
    missing: Sequence[tuple[TileKey, Box]],
    has: Callable[[TileKey], bool],
) -> list[int]:
    """Return the coarser levels of which anything at all is at hand where tiles are missing.

    After a jump that is the coarsest alone: no other needs to be looked through tile by tile.
    """
    if not missing:
        return []
    boxes = [box for _, box in missing]
    around = Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
    coarser = range(missing[0][0].level + 1, len(levels))
    return [index for index in coarser if any(map(has, tiles_in(levels, index, around)))]


def _add_coarser(
    levels: Sequence[Level],
    stocked: Sequence[int],
    box: Box,
    has: Callable[[TileKey], bool],
    painted: set[TileKey],
) -> bool:
    """Add the nearest coarser tiles that cover the box; return whether they cover all of it."""
    for coarser in stocked:
        keys = list(tiles_in(levels, coarser, box))
        at_hand = [key for key in keys if has(key)]
        painted.update(at_hand)
        if len(at_hand) == len(keys):
            return True
    return False


def _span(start: float, stop: float, step: float, count: int) -> range:
    return range(max(0, math.floor(start / step)), min(count, math.ceil(stop / step)))


def _on_screen(level: Level, key: TileKey, view: View) -> bool:
    """Return whether a tile may touch a turned field of view, by its circumscribed circle."""
    box = level.tile_box(key.column, key.row)
    reach = math.hypot(box.width, box.height) / 2 / view.downsample
    x, y = view.to_screen(box.center)
    return -reach <= x <= view.size.width + reach and -reach <= y <= view.size.height + reach


def _from(keys: list[TileKey], level: Level, center: Point) -> list[TileKey]:
    """Sorted by the distance of their middles to a level-0 point."""
    column = center.x / (level.tile_width_px * level.downsample) - 0.5
    row = center.y / (level.tile_height_px * level.downsample) - 0.5
    return sorted(keys, key=lambda key: (key.column - column) ** 2 + (key.row - row) ** 2)


def _ring(
    levels: Sequence[Level],
    index: int,
    view: View,
    visible: Sequence[TileKey],
    direction: Point,
) -> list[TileKey]:
    """Return the tiles just outside the screen; those that the motion brings in come first."""
    level = levels[index]
    margin = max(level.tile_width_px, level.tile_height_px) * level.downsample
    seen = set(visible)
    keys = [key for key in tiles_in(levels, index, view.box.grown(margin)) if key not in seen]
    keys = _from(keys, level, view.center)
    if direction == _AT_REST:
        return keys

    def is_behind(key: TileKey) -> bool:
        middle = level.tile_box(key.column, key.row).center
        x, y = middle.x - view.center.x, middle.y - view.center.y
        return x * direction.x + y * direction.y <= 0

    return sorted(keys, key=is_behind)


def _next_zoom(view: View, zooming: int) -> View:
    """Return the view that one step of zoom leads to."""
    return view.zoomed(view.downsample * (2.0 if zooming > 0 else 0.5))
