"""Panes side by side, and views that move together."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from ui_steps import ALT, CTRL, SHIFT, drop, press, rest, show_slide

from viewer.geometry import Optics, Point, Size, View
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.linking import Link

COARSE = Optics((0.5, 0.5), 20.0)
FINE = Optics((0.25, 0.25), 40.0)

angles = st.floats(0, 359, allow_nan=False)
places = st.floats(-1e5, 1e5, allow_nan=False)
views = st.builds(
    lambda x, y, zoom, angle, mirrored: View(
        Point(x, y), 2.0**zoom, Size(800, 600), angle, mirrored
    ),
    places,
    places,
    st.floats(-2, 8),
    angles,
    st.booleans(),
)


def test_linked_views_show_the_same_um_per_pixel_and_keep_their_offset() -> None:
    leader = View(Point(1000, 1000), 4.0, Size(800, 600))
    follower = View(Point(3000, 2600), 1.0, Size(400, 600))
    link = Link.between(leader, COARSE, follower, FINE)
    followed = link.follow(replace(leader, center=Point(1100, 1000), downsample=2.0), follower)
    assert followed.center == pytest.approx((3200, 2600))
    assert followed.downsample * 0.25 == pytest.approx(2.0 * 0.5)
    assert followed.size == follower.size


@given(views, views, st.floats(-500, 500), st.floats(-500, 500))
def test_what_moves_on_one_screen_moves_alike_on_the_other(
    leader: View, follower: View, dx: float, dy: float
) -> None:
    link = Link.between(leader, COARSE, follower, FINE)
    start = link.follow(leader, follower)
    moved = link.follow(leader.panned(dx, dy), follower)
    on_screen = moved.to_screen(start.center)
    middle = Point(moved.size.width / 2, moved.size.height / 2)
    assert on_screen.x - middle.x == pytest.approx(dx, abs=1e-3)
    assert on_screen.y - middle.y == pytest.approx(dy, abs=1e-3)


@given(views, views, st.floats(-180, 180), st.booleans())
def test_turns_and_flips_are_followed_and_can_be_undone(
    leader: View, follower: View, turn_deg: float, flip: bool
) -> None:
    link = Link.between(leader, COARSE, follower, FINE)
    there = leader.turned(turn_deg)
    if flip:
        there = there.flipped_horizontally()
    followed = link.follow(there, follower)
    assert followed.mirrored is (follower.mirrored != flip)
    back = link.follow(leader, follower)
    difference = (back.rotation_deg - follower.rotation_deg + 180) % 360 - 180
    assert math.isclose(difference, 0.0, abs_tol=1e-6)


def test_without_scales_views_are_linked_by_downsample() -> None:
    view = View(Point(0, 0), 4.0, Size(800, 600))
    link = Link.between(view, Optics(), view, FINE)
    assert link.follow(replace(view, downsample=8.0), view).downsample == 8.0


@pytest.fixture
def two_panes(slide_window: MainWindow, sample_slide: Path, qtbot: QtBot) -> MainWindow:
    press(qtbot, slide_window, Qt.Key.Key_Backslash, CTRL)
    assert len(slide_window.panes.panes) == 2
    show_slide(slide_window, sample_slide, qtbot)
    return slide_window


def test_panes_come_go_and_are_walked_through(two_panes: MainWindow, qtbot: QtBot) -> None:
    panes = two_panes.panes
    first, second = panes.panes
    assert panes.active is second
    press(qtbot, two_panes, Qt.Key.Key_F6)
    assert panes.active is first
    assert two_panes.focusWidget() is first.canvas
    qtbot.mouseClick(second.canvas, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert panes.active is second
    press(qtbot, two_panes, Qt.Key.Key_Backslash, CTRL)
    press(qtbot, two_panes, Qt.Key.Key_Backslash, CTRL)
    assert len(panes.panes) == 4
    assert not two_panes.commands["panes.add"].isEnabled()
    for count in (3, 2, 1):
        press(qtbot, two_panes, Qt.Key.Key_W, CTRL | SHIFT)
        assert len(panes.panes) == count
    assert panes.active is first
    assert first.source is not None


def test_linked_panes_move_zoom_and_turn_together(two_panes: MainWindow, qtbot: QtBot) -> None:
    first, second = (pane.canvas for pane in two_panes.panes.panes)
    second.go_to(Point(800, 900), 2.0, animated=False)
    first.go_to(Point(1200, 1500), 2.0, animated=False)
    press(qtbot, two_panes, Qt.Key.Key_S, CTRL | ALT)
    assert two_panes.commands["panes.link"].isChecked()
    assert two_panes.status.currentMessage().startswith("Linked: ")
    press(qtbot, two_panes, Qt.Key.Key_Right)
    rest(two_panes, qtbot)
    press(qtbot, two_panes, Qt.Key.Key_Plus)
    rest(two_panes, qtbot)
    press(qtbot, two_panes, Qt.Key.Key_BracketRight, CTRL)
    rest(two_panes, qtbot)
    assert second.view.center.x > 800
    assert first.view.center.x - second.view.center.x == pytest.approx(400, abs=0.5)
    assert first.view.center.y - second.view.center.y == pytest.approx(600, abs=0.5)
    assert first.view.downsample == pytest.approx(second.view.downsample)
    assert first.view.rotation_deg == pytest.approx(15.0)
    press(qtbot, two_panes, Qt.Key.Key_S, CTRL | ALT)
    before = first.view
    press(qtbot, two_panes, Qt.Key.Key_Left)
    rest(two_panes, qtbot)
    assert first.view == before


def test_each_pane_keeps_its_own_slide_and_look(two_panes: MainWindow, qtbot: QtBot) -> None:
    first, second = two_panes.panes.panes
    press(qtbot, two_panes, Qt.Key.Key_2, ALT)
    assert not second.canvas.look.is_plain
    assert first.canvas.look.is_plain
    press(qtbot, two_panes, Qt.Key.Key_W, CTRL)
    assert second.source is None
    assert first.source is not None
    assert two_panes.windowTitle() == "Coverslip"


def test_a_drop_goes_to_the_pane_under_the_mouse(
    two_panes: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    first, second = two_panes.panes.panes
    dropped = tmp_path / "dropped.svs"
    shutil.copy(sample_slide, dropped)
    with qtbot.waitSignal(first.opened):
        drop(two_panes, [dropped], first.mapTo(two_panes, first.rect().center()))
    assert first.path == dropped
    assert second.path == sample_slide
    assert two_panes.panes.active is first


def test_a_split_shows_the_same_slide_at_the_same_place(
    slide_window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    first = slide_window.panes.active
    first.canvas.go_to(Point(900, 1100), 2.0, animated=False)
    press(qtbot, slide_window, Qt.Key.Key_Backslash, CTRL)
    second = slide_window.panes.active
    assert second is not first
    qtbot.waitUntil(lambda: second.source is not None, timeout=20_000)
    assert second.path == sample_slide
    assert second.canvas.view.center == pytest.approx((900, 1100))
    assert second.canvas.view.downsample == pytest.approx(2.0)
    # A row of the list opens beside too, and what cannot be split says why.
    slide_window.folder.show_slides([sample_slide])
    key = slide_window.slides.model.keys[0]
    for count in (3, 4, 4):
        slide_window.slides.open(key, beside=True)
        assert len(slide_window.panes.panes) == count
    assert "close one" in slide_window.status.currentMessage()
