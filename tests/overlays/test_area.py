"""What was drawn on a slide can be asked for like a box."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as some

from viewer.geometry import Box, Size
from viewer.overlays.area import Area, blocks_of, bounds_of, holds, middle_of, part_within
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures

GRID = BlockGrid(Size(1000, 1000), 1.0, 100, 10)
CORNER = shapely.Polygon([(0, 0), (350, 0), (0, 350)])
RING = shapely.Point(500, 500).buffer(300) - shapely.Point(500, 500).buffer(200)

_places = some.floats(0, 999)


def _known() -> PatchFeatureMap:
    found = PatchFeatureMap(GRID, 0.5)
    for key in GRID.covering(Box(0, 0, 1000, 1000)):
        found.add(key, PatchFeatures(np.ones((CELLS, CELLS, 1), np.float16)))
    return found


@given(_places, _places, _places, _places)
def test_a_rectangle_is_the_same_as_its_box(x0: float, y0: float, x1: float, y1: float) -> None:
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1)
    shape = shapely.box(box.x0, box.y0, box.x1, box.y1)
    assert bounds_of(shape) == box
    assert set(blocks_of(GRID, box)) <= set(blocks_of(GRID, shape))
    x, y = np.random.default_rng(0).uniform(0, 1000, (2, 200))
    np.testing.assert_array_equal(holds(shape, x, y), holds(box, x, y))


def test_only_the_blocks_that_a_shape_meets_are_worked_through() -> None:
    keys = set(blocks_of(GRID, CORNER))
    assert keys == {BlockKey(c, r) for c in range(4) for r in range(4) if c + r <= 3}
    assert BlockKey(4, 4) not in blocks_of(GRID, RING)  # wholly in the hole
    assert BlockKey(2, 4) in blocks_of(GRID, RING)
    assert blocks_of(GRID, shapely.Polygon()) == []


@pytest.mark.parametrize("area", [CORNER, RING, Box(10, 20, 430, 90)])
def test_cells_are_taken_by_their_middle(area: Area) -> None:
    inside = _known().cells_in(area)
    rows, columns = np.indices(inside.shape)
    middles = (columns.ravel() + 0.5) * 25, (rows.ravel() + 0.5) * 25
    np.testing.assert_array_equal(inside.ravel(), holds(area, *middles))
    assert inside.any()


def test_a_shape_smaller_than_a_cell_has_the_one_that_it_lies_in() -> None:
    sickle = shapely.Point(60, 60).buffer(9) - shapely.Point(63, 60).buffer(8)
    (place,) = np.argwhere(_known().cells_in(sickle)).tolist()
    x, y = middle_of(sickle)
    assert place == [int(y // 25), int(x // 25)]
    assert sickle.contains(shapely.Point(x, y))
    assert _known().cells_in(Box(60, 60, 60, 60)).sum() == 1
    assert not _known().cells_in(shapely.Polygon()).any()
    assert not _known().cells_in(Box(60, 60, 50, 70)).any()


def test_what_lies_beyond_the_slide_is_left_out() -> None:
    inside = part_within(shapely.Point(0, 0).buffer(100), Box(0, 0, 1000, 1000))
    assert bounds_of(inside).x0 == 0
    assert bounds_of(part_within(CORNER, Box(500, 500, 600, 600))).is_empty
