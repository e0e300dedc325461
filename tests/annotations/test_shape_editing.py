"""What hands do to shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity

from viewer.annotations import shape_editing
from viewer.annotations.shape_editing import EmptyShapeError, Vertex
from viewer.annotations.sound_geometry import is_sound
from viewer.geometry import Point

SQUARE = shapely.box(0, 0, 100, 100)
HOLED = shapely.Polygon(SQUARE.exterior.coords, [shapely.box(40, 40, 60, 60).exterior.coords])


def test_a_turned_rectangle_is_one_and_has_its_corners() -> None:
    turned = affinity.rotate(shapely.box(0, 0, 100, 40), 30, origin=(0, 0))
    assert shape_editing.is_rectangle(turned)
    corners = [place for _, place in shape_editing.corners_of(turned)]
    for wanted in turned.exterior.coords:
        assert min(math.dist(wanted, corner) for corner in corners) < 1e-6


def test_an_ellipse_fills_its_box() -> None:
    shape = shape_editing.ellipse(Point(10, 20), Point(110, 60))
    assert shape.bounds == pytest.approx((10, 20, 110, 60))
    assert shape.area == pytest.approx(math.pi * 50 * 20, rel=0.01)


def test_a_line_drawn_over_itself_is_a_region() -> None:
    bow = shape_editing.polygon([Point(0, 0), Point(10, 10), Point(10, 0), Point(0, 10)])
    assert bow.is_valid
    assert bow.area == pytest.approx(50)
    with pytest.raises(EmptyShapeError):
        shape_editing.polygon([Point(0, 0), Point(10, 10)])
    with pytest.raises(EmptyShapeError):
        shape_editing.polygon([Point(0, 0), Point(5, 5), Point(10, 10)])


def test_a_brush_leaves_a_mark_as_wide_as_it_is() -> None:
    assert shape_editing.brush_mark([Point(5, 5)], 3).area == pytest.approx(math.pi * 9, rel=0.03)
    mark = shape_editing.brush_mark([Point(0, 0), Point(100, 0)], 5)
    assert mark.bounds == pytest.approx((-5, -5, 105, 5))


def test_regions_are_merged_cut_and_crossed() -> None:
    other = shapely.box(50, 0, 150, 100)
    assert shape_editing.merged([SQUARE, other]).area == 15_000
    assert shape_editing.without(SQUARE, [other]).area == 5_000
    assert shape_editing.common([SQUARE, other]).area == 5_000
    with pytest.raises(EmptyShapeError):
        shape_editing.without(SQUARE, [SQUARE])
    with pytest.raises(EmptyShapeError):
        shape_editing.common([SQUARE, shapely.box(500, 0, 600, 10)])


def test_a_line_splits_a_region_where_it_goes_through() -> None:
    pieces = shape_editing.split_by(SQUARE, shapely.LineString([(-5, 30), (105, 30)]))
    assert sorted(piece.area for piece in pieces) == [3_000, 7_000]
    (whole,) = shape_editing.split_by(SQUARE, shapely.LineString([(-5, 30), (50, 30)]))
    assert whole.equals(SQUARE)


def test_holes_are_filled_and_borders_grown() -> None:
    assert shape_editing.without_holes(HOLED).area == 10_000
    assert shape_editing.grown(SQUARE, 10).bounds == (-10, -10, 110, 110)
    assert shape_editing.grown(SQUARE, -10).bounds == (10, 10, 90, 90)
    with pytest.raises(EmptyShapeError):
        shape_editing.grown(SQUARE, -60)


def test_corners_of_parts_and_holes_are_told_apart() -> None:
    both = shapely.MultiPolygon([HOLED, shapely.box(200, 0, 210, 10)])
    corners = dict(shape_editing.corners_of(both))
    assert len(corners) == 12
    hole = next(c for c, place in corners.items() if c.ring == 1 and place == (60, 60))
    wider = shape_editing.with_corner(both, hole, Point(70, 70))
    assert wider.area < both.area
    assert len(shape_editing.parts(wider)) == 2


def test_a_corner_is_added_moved_and_removed() -> None:
    which, place, distance = shape_editing.nearest_edge(SQUARE, Point(50, -7))
    assert (place, distance) == (Point(50, 0), 7)
    bulged = shape_editing.with_new_corner(SQUARE, which, Point(50, -40))
    assert bulged.area == 12_000
    at = next(c for c, place in shape_editing.corners_of(bulged) if place == (50, -40))
    assert shape_editing.without_corner(bulged, at).equals(SQUARE)


def test_a_corner_dragged_over_an_edge_leaves_a_valid_region() -> None:
    at = next(c for c, place in shape_editing.corners_of(SQUARE) if place == (0, 0))
    assert shape_editing.with_corner(SQUARE, at, Point(300, 50)).is_valid


def test_the_last_corner_of_a_hole_takes_the_hole_away() -> None:
    triangle = shapely.Polygon(SQUARE.exterior.coords, [[(40, 40), (60, 40), (60, 60)]])
    assert shape_editing.without_corner(triangle, Vertex(0, 1, 0)).equals(SQUARE)
    with pytest.raises(EmptyShapeError):
        shape_editing.without_corner(shapely.Polygon([(0, 0), (9, 0), (9, 9)]), Vertex(0, 0, 0))


def test_corners_of_lines_and_points() -> None:
    line = shapely.LineString([(0, 0), (10, 0)])
    assert shape_editing.with_corner(line, Vertex(0, 0, 1), Point(10, 10)).length == pytest.approx(
        200**0.5
    )
    points = shapely.MultiPoint([(0, 0), (5, 5)])
    assert shape_editing.without_corner(points, Vertex(0, 0, 0)).equals(shapely.Point(5, 5))
    assert shape_editing.with_corner(points, Vertex(1, 0, 0), Point(6, 6)).bounds == (0, 0, 6, 6)


def test_a_place_near_a_border_lies_on_it() -> None:
    assert shape_editing.snapped(Point(103, 50), [SQUARE], 5) == Point(100, 50)
    assert shape_editing.snapped(Point(120, 50), [SQUARE], 5) == Point(120, 50)
    assert shape_editing.snapped(Point(120, 50), [], 5) == Point(120, 50)


POINTS = st.tuples(st.floats(-500, 500), st.floats(-500, 500)).map(lambda xy: Point(*xy))


@given(st.lists(POINTS, min_size=3, max_size=12), POINTS, st.data())
def test_whatever_corners_do_the_shape_stays_valid(
    corners: list[Point], place: Point, data: st.DataObject
) -> None:
    try:
        shape = shape_editing.polygon(corners)
        which = data.draw(
            st.sampled_from([corner for corner, _ in shape_editing.corners_of(shape)])
        )
        edit = data.draw(
            st.sampled_from([shape_editing.with_corner, shape_editing.with_new_corner])
        )
        after = edit(shape, which, place)
    except EmptyShapeError:
        return
    assert after.is_valid
    assert not after.is_empty
    assert shapely.get_dimensions(after) == 2


def test_a_region_of_very_many_holes_is_sound_wherever_they_lie() -> None:
    """As thresholds give them; the ring round all of them meets each."""
    x, y = (20.0 * each.ravel() for each in np.mgrid[:150, :150])
    squares = shapely.box(x + 1, y + 1, x + 9, y + 9)
    region = shapely.Polygon(shapely.box(0, 0, 3000, 3000).exterior, shapely.get_rings(squares))
    assert is_sound(region)
    assert is_sound(shapely.MultiPolygon([*squares.tolist(), shapely.box(-90, -90, -1, 3000)]))
    with pytest.raises(ValueError, match="lie on one another"):
        is_sound(shapely.MultiPolygon([shapely.box(n, n, 9999 - n, 9999 - n) for n in range(4999)]))
