"""Slide and screen coordinates: round trips at any zoom, rotation and flip."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from viewer.geometry import Box, Optics, Point, Size, View

coordinates = st.floats(-1e6, 1e6)
points = st.builds(Point, coordinates, coordinates)
sizes = st.builds(Size, st.floats(1, 8000), st.floats(1, 8000))
downsamples = st.floats(1 / 64, 4096)
views = st.builds(View, points, downsamples, sizes, st.floats(0, 359.999), st.booleans())


def near(a: Point, b: Point, tolerance: float) -> bool:
    return math.dist(a, b) <= tolerance


@given(views, points)
def test_screen_and_slide_are_inverse(view: View, point: Point) -> None:
    back = view.to_slide(view.to_screen(point))
    assert near(back, point, 1e-6 * (1 + math.hypot(*point) + math.hypot(*view.center)))


@given(views, points)
def test_transform_says_the_same_as_to_screen(view: View, point: Point) -> None:
    m11, m12, m21, m22, dx, dy = view.transform
    mapped = Point(m11 * point.x + m21 * point.y + dx, m12 * point.x + m22 * point.y + dy)
    scale = (1 + math.hypot(*point) + math.hypot(*view.center)) / view.downsample
    assert near(mapped, view.to_screen(point), 1e-6 + 1e-9 * scale)


@given(views, downsamples, st.floats(0, 1), st.floats(0, 1))
def test_zoom_holds_the_point_under_the_anchor(
    view: View, downsample: float, across: float, down: float
) -> None:
    anchor = Point(view.size.width * across, view.size.height * down)
    zoomed = view.zoomed(downsample, anchor)
    held = view.to_slide(anchor)
    assert near(zoomed.to_screen(held), anchor, 1e-3)


@given(views, st.floats(-2000, 2000), st.floats(-2000, 2000), points)
def test_pan_moves_every_point_by_the_same_screen_distance(
    view: View, dx: float, dy: float, point: Point
) -> None:
    before, after = view.to_screen(point), view.panned(dx, dy).to_screen(point)
    tolerance = 1e-6 * (1 + math.hypot(*before) + math.hypot(dx, dy))
    assert near(after, Point(before.x + dx, before.y + dy), tolerance)


@given(views, st.floats(-720, 720))
def test_turning_is_clockwise_on_screen_also_when_mirrored(view: View, angle_deg: float) -> None:
    middle = Point(view.size.width / 2, view.size.height / 2)
    right = view.to_slide(Point(middle.x + 100, middle.y))
    x, y = view.turned(angle_deg).to_screen(right)
    angle = math.radians(angle_deg)
    expected = Point(middle.x + 100 * math.cos(angle), middle.y + 100 * math.sin(angle))
    assert near(Point(x, y), expected, 1e-3)


@given(views, points)
def test_flips_mirror_the_screen(view: View, point: Point) -> None:
    width, height = view.size
    x, y = view.to_screen(point)
    tolerance = 1e-6 * (1 + abs(x) + abs(y))
    assert near(view.flipped_horizontally().to_screen(point), Point(width - x, y), tolerance)
    assert near(view.flipped_vertically().to_screen(point), Point(x, height - y), tolerance)


@given(views)
def test_two_equal_flips_change_nothing(view: View) -> None:
    twice = view.flipped_vertically().flipped_vertically()
    assert twice.mirrored == view.mirrored
    assert math.isclose(twice.rotation_deg, view.rotation_deg % 360, abs_tol=1e-9)
    assert view.flipped_horizontally().flipped_horizontally() == view


@given(views, st.floats(1, 1e5), st.floats(1, 1e5))
def test_showing_fits_the_box_and_touches_two_sides(
    view: View, width: float, height: float
) -> None:
    box = Box.around(view.center, width, height)
    corners = [view.showing(box).to_screen(corner) for corner in box.corners]
    on_screen = Box.enclosing(corners)
    slack = 1e-3
    assert on_screen.width <= view.size.width + slack
    assert on_screen.height <= view.size.height + slack
    assert math.isclose(on_screen.width, view.size.width, rel_tol=1e-3) or math.isclose(
        on_screen.height, view.size.height, rel_tol=1e-3
    )


@pytest.mark.parametrize("angle_deg", [0, 90, 180, 270, 360, -90])
def test_quarter_turns_are_exact(angle_deg: float) -> None:
    view = View(Point(0, 0), 1.0, Size(100, 100), angle_deg)
    assert all(value in (-1.0, 0.0, 1.0) for value in view.transform[:4])


def test_field_is_the_screen_on_the_slide() -> None:
    view = View(Point(1000, 500), 4.0, Size(200, 100))
    assert view.box == Box(600, 300, 1400, 700)
    on_its_side = view.turned(90)
    assert on_its_side.box == Box(800, 100, 1200, 900)


def test_a_turned_view_beside_a_corner_of_the_slide_does_not_see_it() -> None:
    slide = Box(0, 0, 2000, 3000)
    beside = View(Point(-340, -340), 1.0, Size(600, 400), 45.0)
    assert beside.box.intersects(slide)
    assert not beside.sees(slide)
    assert not replace(beside, mirrored=True).sees(slide)
    assert replace(beside, center=Point(-130, -130)).sees(slide)
    assert replace(beside, rotation_deg=0.0, center=Point(-290, -190)).sees(slide)
    assert not replace(beside, rotation_deg=0.0, center=Point(-310, -190)).sees(slide)
    assert replace(beside, downsample=50.0).sees(slide)


def test_boxes() -> None:
    box = Box(0, 0, 10, 20)
    assert box.center == (5, 10)
    assert box.contains(Point(0, 0))
    assert not box.contains(Point(10, 0))
    assert box.intersection(Box(5, 5, 30, 30)) == Box(5, 5, 10, 20)
    assert box.intersection(Box(11, 0, 12, 1)).is_empty
    assert not box.intersects(Box(10, 0, 12, 1))
    assert box.grown(1) == Box(-1, -1, 11, 21)
    assert box.moved(1, 2) == Box(1, 2, 11, 22)


def test_magnification_by_objective_by_pixel_size_and_unknown() -> None:
    scan = Optics(mpp_um=(0.499, 0.499), objective_power=20.0)
    assert scan.magnification(2.0) == 10.0
    assert scan.downsample(5.0) == 4.0
    sized = Optics(mpp_um=(0.5, 0.5))
    assert sized.native_magnification == 20.0
    assert sized.um(Point(10, 20)) == (5.0, 10.0)
    unknown = Optics()
    assert unknown.magnification(1.0) is None
    assert unknown.downsample(20.0) is None
    assert unknown.um(Point(1, 1)) is None


@given(st.floats(0.01, 10), st.floats(0.1, 100))
def test_magnification_and_downsample_are_inverse(mpp_um: float, magnification: float) -> None:
    optics = Optics(mpp_um=(mpp_um, mpp_um))
    downsample = optics.downsample(magnification)
    assert downsample is not None
    back = optics.magnification(downsample)
    assert back is not None
    assert math.isclose(back, magnification)
