"""Which tiles a view wants, in which order, and what is painted until they come."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.geometry import Box, Point, Size, View
from viewer.slides.source import Level
from viewer.tiles.cache import TileKey
from viewer.tiles.plan import Motion, best_available_tiles, level_for, plan, tiles_in, visible_tiles

SIDE = 65_536
LEVELS = tuple(Level(SIDE >> k, SIDE >> k, float(2**k), 256, 256) for k in range(8))
BOX = Box(0, 0, SIDE, SIDE)

views = st.builds(
    View,
    st.builds(Point, st.floats(0, SIDE), st.floats(0, SIDE)),
    st.floats(0.1, 200),
    st.just(Size(1920, 1080)),
    st.floats(0, 359),
    st.booleans(),
)


def screen_distance(view: View, key: TileKey) -> float:
    middle = LEVELS[key.level].tile_box(key.column, key.row).center
    return math.dist(middle, view.center)


def test_the_level_is_the_coarsest_that_is_sharp() -> None:
    assert level_for(LEVELS, 0.3) == 0
    assert level_for(LEVELS, 1.0) == 0
    assert level_for(LEVELS, 1.9) == 0
    assert level_for(LEVELS, 2.0) == 1
    assert level_for(LEVELS, 500.0) == 7


def test_a_dense_screen_wants_a_finer_level() -> None:
    view = View(BOX.center, 4.0, Size(800, 600))
    assert plan(LEVELS, view).level == 2
    assert plan(LEVELS, view, device_pixel_ratio=2.0).level == 1


@given(views)
def test_every_point_on_screen_has_a_visible_tile(view: View) -> None:
    wanted = plan(LEVELS, view)
    visible = set(wanted.visible)
    for x in range(0, 1920, 97):
        for y in range(0, 1080, 97):
            point = view.to_slide(Point(x, y))
            if not BOX.contains(point):
                continue
            level = LEVELS[wanted.level]
            side = 256 * level.downsample
            key = TileKey(wanted.level, int(point.x // side), int(point.y // side))
            assert key in visible


@given(views)
def test_visible_tiles_run_from_the_center_outward(view: View) -> None:
    distances = [screen_distance(view, key) for key in plan(LEVELS, view).visible]
    assert all(a <= b * (1 + 1e-9) + 1e-6 for a, b in itertools.pairwise(distances))


@given(views)
def test_coarser_levels_cover_and_ahead_is_off_screen_or_of_another_level(view: View) -> None:
    wanted = plan(LEVELS, view)
    assert all(key.level > wanted.level for key in wanted.coarser)
    assert not set(wanted.ahead) & set(wanted.visible)
    levels = [key.level for key in wanted.coarser]
    assert levels == sorted(levels)


def test_the_ring_puts_the_direction_of_motion_first() -> None:
    view = View(BOX.center, 1.0, Size(1024, 1024))
    east = plan(LEVELS, view, motion=Motion(direction=Point(1, 0)))
    ring = [key for key in east.ahead if key.level == 0]
    ahead = [LEVELS[0].tile_box(*key[1:]).center.x > view.center.x for key in ring]
    assert ahead == sorted(ahead, reverse=True)
    assert any(ahead)


def test_zooming_out_prepares_the_coarser_level() -> None:
    view = View(BOX.center, 8.0, Size(1024, 1024))
    out = plan(LEVELS, view, motion=Motion(zooming=1))
    into = plan(LEVELS, view, motion=Motion(zooming=-1))
    assert any(key.level == out.level + 1 for key in out.ahead)
    assert any(key.level == into.level - 1 for key in into.ahead)


def test_cover_paints_the_best_at_hand() -> None:
    view = View(Point(4096, 4096), 1.0, Size(512, 512))
    visible = visible_tiles(LEVELS, 0, view)
    nothing, has_hole = best_available_tiles(LEVELS, visible, lambda key: False)
    assert nothing == []
    assert has_hole

    top = len(LEVELS) - 1
    coarsest, has_hole = best_available_tiles(LEVELS, visible, lambda key: key.level == top)
    assert {key.level for key in coarsest} == {top}
    assert not has_hole

    here = visible[0]
    mixed, has_hole = best_available_tiles(
        LEVELS, visible, lambda key: key == here or key.level == 3
    )
    assert mixed[-1] == here
    assert {key.level for key in mixed} == {0, 3}
    assert not has_hole


def test_cover_after_zooming_out_paints_finer_tiles_over_the_coarse() -> None:
    view = View(Point(4096, 4096), 2.0, Size(512, 512))
    visible = visible_tiles(LEVELS, 1, view)
    keys, has_hole = best_available_tiles(LEVELS, visible, lambda key: key.level in (0, 7))
    order = [key.level for key in keys]
    assert order == sorted(order, reverse=True)
    assert {0, 7} == set(order)
    assert not has_hole


@given(views, st.sets(st.integers(0, 7)))
def test_cover_has_no_hole_when_the_coarsest_level_is_there(view: View, at_hand: set[int]) -> None:
    at_hand = at_hand | {7}
    visible = plan(LEVELS, view).visible
    keys, has_hole = best_available_tiles(LEVELS, visible, lambda key: key.level in at_hand)
    assert not has_hole
    assert {key.level for key in keys} <= at_hand


def test_tiles_in_stays_on_the_slide() -> None:
    keys = list(tiles_in(LEVELS, 7, Box(-1e9, -1e9, 1e9, 1e9)))
    assert len(keys) == LEVELS[7].columns * LEVELS[7].rows
    assert list(tiles_in(LEVELS, 0, Box(-500, -500, -1, -1))) == []


def test_levels_that_do_not_divide_evenly() -> None:
    levels = (Level(4443, 3567, 1.0, 240, 240), Level(1110, 891, 4.0027, 240, 240))
    view = View(Point(2221, 1783), 1.0, Size(4443, 3567))
    visible = visible_tiles(levels, 0, view)
    assert len(visible) == levels[0].columns * levels[0].rows
    _, has_hole = best_available_tiles(levels, visible, lambda key: key.level == 1)
    assert not has_hole


@pytest.mark.parametrize(("downsample", "shrinks"), [(1.0, False), (1.6, False), (1.7, True)])
def test_a_plan_tells_whether_tiles_are_painted_from_their_copies(
    downsample: float, shrinks: bool
) -> None:
    assert plan(LEVELS, View(Point(4096, 4096), downsample, Size(800, 600))).shrinks == shrinks
