"""How the view moves: gestures, animations, history; with a clock that the test turns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.canvas.motion import Glide, Travel
from viewer.canvas.navigator import Navigator
from viewer.geometry import Box, Point, Size, View

SLIDE = Box(0, 0, 60_000, 40_000)
WINDOW = Size(1200, 800)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def navigator(clock: Clock) -> Navigator:
    made = Navigator(clock)
    made.open(SLIDE, WINDOW)
    return made


def settle(navigator: Navigator, clock: Clock) -> list[View]:
    """Ticks at 60 Hz until the view rests."""
    views = [navigator.view]
    for _ in range(1000):
        clock.now_s += 1 / 60
        if not navigator.tick():
            return views
        views.append(navigator.view)
    raise AssertionError("never came to rest")


def test_opens_whole(navigator: Navigator) -> None:
    assert navigator.view.center == SLIDE.center
    assert navigator.view.downsample == 50.0
    assert not navigator.can_go_back


def test_wheel_zooms_about_the_cursor_all_the_way(navigator: Navigator, clock: Clock) -> None:
    cursor = Point(300, 500)
    held = navigator.view.to_slide(cursor)
    navigator.zoom(8.0, cursor, "wheel")
    for view in settle(navigator, clock):
        assert math.dist(view.to_screen(held), cursor) < 1e-6
    assert math.isclose(navigator.view.downsample, 50 / 8)


def test_wheel_notches_in_a_row_add_up(navigator: Navigator, clock: Clock) -> None:
    for _ in range(4):
        navigator.zoom(2.0, Point(600, 400), "wheel")
        clock.now_s += 0.03
        navigator.tick()
    settle(navigator, clock)
    assert math.isclose(navigator.view.downsample, 50 / 16)


def test_zoom_never_jumps_back_and_forth(navigator: Navigator, clock: Clock) -> None:
    navigator.zoom(16.0, Point(10, 10), "wheel")
    downsamples = [view.downsample for view in settle(navigator, clock)]
    assert downsamples == sorted(downsamples, reverse=True)


def test_zoom_has_ends(navigator: Navigator, clock: Clock) -> None:
    navigator.zoom(1e9, None, "key")
    settle(navigator, clock)
    assert navigator.view.downsample == 1 / 16
    navigator.zoom(1e-9, None, "key")
    settle(navigator, clock)
    assert navigator.view.downsample == 200.0


def test_a_drag_moves_the_slide_with_the_hand(navigator: Navigator) -> None:
    under_hand = navigator.view.to_slide(Point(400, 400))
    navigator.drag(30, -20)
    assert math.dist(navigator.view.to_screen(under_hand), Point(430, 380)) < 1e-6


def test_letting_go_in_motion_glides_on_and_comes_to_rest(
    navigator: Navigator, clock: Clock
) -> None:
    navigator.set_view(navigator.view.zoomed(2.0), "test")
    for _ in range(10):
        clock.now_s += 0.01
        navigator.drag(20, 0)
    before = navigator.view.center.x
    navigator.end_drag()
    assert navigator.is_moving
    destination = navigator.destination
    xs = [view.center.x for view in settle(navigator, clock)]
    assert xs == sorted(xs, reverse=True)
    assert navigator.view.center.x < before - 100
    assert math.dist(navigator.view.center, destination.center) < 1e-6


def test_letting_go_after_a_pause_stays(navigator: Navigator, clock: Clock) -> None:
    for _ in range(10):
        clock.now_s += 0.01
        navigator.drag(20, 0)
    clock.now_s += 0.2
    navigator.end_drag()
    assert not navigator.is_moving


def test_kinetic_can_be_switched_off(navigator: Navigator, clock: Clock) -> None:
    navigator.kinetic = False
    for _ in range(10):
        clock.now_s += 0.01
        navigator.drag(20, 0)
    navigator.end_drag()
    assert not navigator.is_moving


def test_the_middle_of_the_screen_stays_on_the_slide(navigator: Navigator) -> None:
    navigator.pan(1e7, -1e7, "drag")
    assert navigator.view.center == (0, 40_000)


def test_back_and_forward(navigator: Navigator, clock: Clock) -> None:
    whole = navigator.view
    places = [Point(10_000, 10_000), Point(50_000, 30_000)]
    for place in places:
        navigator.travel(View(place, 1.0, WINDOW), "go-to")
        settle(navigator, clock)
    navigator.back()
    settle(navigator, clock)
    assert navigator.view.center == places[0]
    navigator.back()
    settle(navigator, clock)
    assert navigator.view == whole
    assert not navigator.can_go_back
    navigator.forward()
    navigator.forward()
    settle(navigator, clock)
    assert navigator.view.center == places[1]
    assert not navigator.can_go_forward


def test_back_passes_over_views_that_look_the_same(navigator: Navigator, clock: Clock) -> None:
    near = View(Point(10_000, 10_000), 1.0, WINDOW)
    navigator.travel(near, "go-to")
    settle(navigator, clock)
    for _ in range(2):
        navigator.show_all()
        settle(navigator, clock)
    navigator.home()
    settle(navigator, clock)
    navigator.back()
    settle(navigator, clock)
    assert navigator.view == near


def test_a_long_drag_can_be_gone_back_from(navigator: Navigator, clock: Clock) -> None:
    navigator.travel(View(Point(20_000, 20_000), 1.0, WINDOW), "go-to")
    settle(navigator, clock)
    for _ in range(100):
        clock.now_s += 1 / 60
        navigator.drag(-50, 0)
    navigator.back()
    settle(navigator, clock)
    assert navigator.view.center == (20_000, 20_000)


def test_a_slide_shown_whole_stays_whole_when_the_window_changes(navigator: Navigator) -> None:
    navigator.resize(Size(600, 400))
    assert navigator.view.downsample == 100.0
    navigator.set_view(View(Point(5000, 5000), 2.0, Size(600, 400)), "test")
    navigator.resize(WINDOW)
    assert navigator.view.center == (5000, 5000)
    assert navigator.view.downsample == 2.0


def test_turns_add_up_and_take_the_short_way(navigator: Navigator, clock: Clock) -> None:
    for _ in range(3):
        navigator.turn(-15)
    angles = [view.rotation_deg for view in settle(navigator, clock)]
    assert math.isclose(navigator.view.rotation_deg, 315)
    assert all(angle == 0 or angle >= 315 - 1e-9 for angle in angles)


def test_home_is_upright(navigator: Navigator, clock: Clock) -> None:
    whole = navigator.view
    navigator.travel(navigator.view.flipped_horizontally().turned(33), "flip")
    settle(navigator, clock)
    navigator.home()
    settle(navigator, clock)
    assert navigator.view == whole


starts = st.builds(
    View,
    st.builds(Point, st.floats(0, 1e5), st.floats(0, 1e5)),
    st.floats(0.1, 100),
    st.just(WINDOW),
    st.floats(0, 359),
)


@given(starts, starts, st.floats(0, 2))
def test_travel_begins_at_its_start_and_ends_at_its_end(a: View, b: View, at_s: float) -> None:
    travel = Travel(a, b, 1.0)
    first, is_over = travel.at(0.0)
    assert not is_over
    assert math.dist(first.center, a.center) < 1e-6
    assert math.isclose(first.downsample, a.downsample, rel_tol=1e-9)
    low, high = sorted((a.downsample, b.downsample))
    assert low * (1 - 1e-9) <= travel.at(at_s)[0].downsample <= high * (1 + 1e-9)
    assert travel.at(1.0) == (b, True)


@given(starts, st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_glide_ends_where_it_says(view: View, x: float, y: float) -> None:
    glide = Glide(view, Point(x, y))
    assert glide.at(0.0)[0] == view
    end, is_over = glide.at(60.0)
    assert is_over
    assert end == glide.destination


def test_a_key_that_pans_and_one_that_zooms_add_up(navigator: Navigator, clock: Clock) -> None:
    navigator.travel(View(Point(30_000, 20_000), 4.0, WINDOW), "go-to", animated=False)
    navigator.pan(-300, 0, "key", animated=True)
    clock.now_s += 0.01
    navigator.tick()
    navigator.zoom(2.0, None, "key")
    clock.now_s += 10
    navigator.tick()
    assert navigator.view.center.x == pytest.approx(30_000 + 300 * 4.0)
    assert navigator.view.downsample == pytest.approx(2.0)
