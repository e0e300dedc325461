"""A simplified border keeps within its tolerance and has no corner that it does not need."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shape_steps import polygon_of

from viewer.annotations import shape_editing
from viewer.annotations.simplifying import simplified


def _blob(seed: int, corners: int) -> shapely.Polygon:
    chance = np.random.default_rng(seed)
    turn = np.sort(chance.uniform(0, 2 * np.pi, corners))
    radius = chance.uniform(60, 100, corners)
    return shapely.Polygon(np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1))


@given(st.integers(0, 10_000), st.integers(8, 300), st.sampled_from([0.5, 4.0, 16.0]))
def test_no_border_moves_farther_than_asked(seed: int, corners: int, tolerance: float) -> None:
    shape = _blob(seed, corners)
    if not shape.is_valid:
        return
    left = polygon_of(simplified(shape, tolerance))
    assert left.is_valid
    moved = shapely.hausdorff_distance(shape.boundary, left.boundary, densify=0.05)
    assert moved <= tolerance * (1 + 1e-9)
    assert set(left.exterior.coords) <= set(shape.exterior.coords)


@pytest.mark.parametrize("start", range(6))
def test_a_corner_on_a_straight_edge_goes_wherever_the_ring_begins(start: int) -> None:
    ring = [(0, 0), (50, 0), (100, 0), (100, 60), (40, 60), (0, 60)]
    shape = shapely.Polygon(ring[start:] + ring[:start])
    assert sorted(polygon_of(simplified(shape, 1.0)).exterior.coords[:-1]) == [
        (0, 0), (0, 60), (100, 0), (100, 60),
    ]  # fmt: skip


def test_holes_lines_and_parts_are_simplified_too() -> None:
    wavy = [(x, float(x % 2)) for x in range(100)]
    assert len(simplified(shapely.LineString(wavy), 1.5).coords) == 2
    ring = shapely.Point(0, 0).buffer(50, quad_segs=64)
    holed = shapely.Polygon(ring.exterior, [shapely.Point(0, 0).buffer(20, quad_segs=64).exterior])
    left = simplified(shapely.MultiPolygon([holed, shapely.box(200, 0, 210, 10)]), 2.0)
    assert len(polygon_of(shapely.get_parts(left)[0]).interiors) == 1
    assert shapely.get_num_coordinates(left) < 60
    assert simplified(shapely.Point(1, 2), 5.0) == shapely.Point(1, 2)


def test_what_would_vanish_stays_a_region() -> None:
    speck = shapely.box(0, 0, 4, 3)
    left = simplified(speck, 100.0)
    assert left.is_valid
    assert left.area > 0


def test_borders_that_would_cross_stay_apart() -> None:
    """A wall of a tenth of a pixel between two chambers."""
    outer = shapely.box(0, 0, 100, 100)
    wave = [(x, 50 + 3 * np.sin(x / 3)) for x in range(5, 96)]
    upper = shapely.Polygon([(5, 5), *[(x, y - 0.1) for x, y in wave], (95, 5)])
    lower = shapely.Polygon([(5, 95), *[(x, y + 0.1) for x, y in wave], (95, 95)])
    shape = shapely.Polygon(outer.exterior, [upper.exterior, lower.exterior])
    assert shape.is_valid
    assert simplified(shape, 8.0).is_valid


def test_lines_are_neither_cut_by_filling_holes_nor_by_merging() -> None:
    eight = shapely.LineString([(0, 0), (10, 10), (10, 0), (0, 10)])
    assert shape_editing.without_holes(eight) == eight
    across = shapely.LineString([(5, -5), (5, 15)])
    merged = shape_editing.merged([eight, across])
    assert merged.geom_type == "MultiLineString"
    assert list(shapely.get_parts(merged)) == [eight, across]
    twice = shape_editing.merged([shapely.Point(1, 1), shapely.MultiPoint([(1, 1), (2, 2)])])
    assert shapely.get_num_geometries(twice) == 3  # what was counted stays counted


def test_what_only_rounding_left_is_no_region() -> None:
    sliver = shapely.Polygon([(0, 0), (1000, 0), (1000, 1e-7)])
    with pytest.raises(shape_editing.EmptyShapeError):
        shape_editing.without(
            shapely.union(sliver, shapely.box(0, 10, 5, 15)), [shapely.box(0, 9, 6, 16)]
        )
    left = shape_editing.without(
        shapely.MultiPolygon([sliver, shapely.box(0, 10, 50, 60)]), [shapely.box(0, 10, 5, 15)]
    )
    assert left.geom_type == "Polygon"


def test_a_shape_is_as_wide_as_the_widest_circle_in_it() -> None:
    assert shape_editing.wide_parts(shapely.box(0, 0, 100, 1), 1.0).area == 100
    with pytest.raises(shape_editing.TooThinError):
        shape_editing.wide_parts(shapely.box(0, 0, 100, 0.9), 1.0)
    with pytest.raises(shape_editing.TooThinError):
        shape_editing.wide_parts(shapely.LineString([(0, 0), (0, 0.5)]), 1.0)
    both = shapely.MultiPolygon([shapely.box(0, 0, 100, 0.5), shapely.box(0, 10, 5, 15)])
    assert shape_editing.wide_parts(both, 1.0).area == 25
