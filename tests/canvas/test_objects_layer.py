"""Objects are all painted after some frames, whatever painting takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter, QPainterPath
from pytestqt.qtbot import QtBot

from viewer.canvas import objects_layer, raster_cache
from viewer.canvas.layer import Scene
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_style import ObjectStyle
from viewer.overlays.objects import Objects

BLOCKS, SIDE = 6, 100


class Clock:
    """Time of the thread, which only painting takes."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def thread_time(self) -> float:
        return self.now_s


class SlowPainter(QPainter):
    """Takes a second for everything."""

    def __init__(self, picture: QImage, clock: Clock) -> None:
        super().__init__(picture)
        self._clock = clock

    def drawPath(self, path: QPainterPath) -> None:  # noqa: N802 - Qt's name
        self._clock.now_s += 1
        super().drawPath(path)

    def drawPoints(self, *points: Any) -> None:  # noqa: N802 - Qt's name
        self._clock.now_s += 1
        super().drawPoints(*points)


def _row_of_squares(mpp_um: float) -> ObjectMap:
    """Return a square of 40 px in the middle of each block."""
    found = ObjectMap(BlockGrid(Size(BLOCKS * SIDE, SIDE), 1.0, SIDE, 0), mpp_um)
    for column in range(BLOCKS):
        corners = np.array([(30, 30), (70, 30), (70, 70), (30, 70)], np.float32)
        ring = corners + np.array((column * SIDE, 0), np.float32)
        middles = ring.mean(0, keepdims=True)
        objects = Objects(ring, np.array([0, 4]), middles, np.zeros(1, np.uint8), {})
        found.add(BlockKey(column, 0), objects)
    return found


@pytest.mark.parametrize("mpp_um", [0.5, 1.0])  # outlines, dots
@pytest.mark.parametrize("room", [512, 2])
def test_the_last_block_is_painted_however_long_the_first_take(
    mpp_um: float, room: int, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    clock = Clock()
    monkeypatch.setattr(objects_layer, "time", clock)
    monkeypatch.setattr(objects_layer, "_MOST_PATHS", room)
    layer = ObjectsLayer()
    layer.show_map(_row_of_squares(mpp_um), ["#00ff00"])
    width = BLOCKS * SIDE
    view = View(Point(width / 2, SIDE / 2), 1.0, Size(width, SIDE))
    scene = Scene(view, Box(0, 0, width, SIDE), Optics(), 1.0)
    frames, is_unfinished = 0, True
    picture = QImage(width, SIDE, QImage.Format.Format_RGB32)
    while is_unfinished:
        picture.fill(0xFFFFFFFF)
        painter = SlowPainter(picture, clock)
        is_unfinished = layer.paint(painter, scene)
        painter.end()
        frames += 1
        assert frames <= BLOCKS + 1, "the last blocks never come"
    for column in range(BLOCKS):
        part = picture.copy(column * SIDE, 0, SIDE, SIDE)
        places = [(x, y) for x in range(20, 80) for y in range(20, 80)]
        assert any(part.pixelColor(x, y).name() != "#ffffff" for x, y in places), column


def _painted(layer: ObjectsLayer, view: View, ratio: float = 1.0) -> QImage:
    """Return what is shown once nothing is left to be made."""
    width, height = round(view.size.width * ratio), round(view.size.height * ratio)
    scene = Scene(view, Box(0, 0, BLOCKS * SIDE, SIDE), Optics(), ratio)
    while True:
        picture = QImage(width, height, QImage.Format.Format_RGB32)
        picture.setDevicePixelRatio(ratio)
        picture.fill(0xFFFFFFFF)
        with QPainter(picture) as painter:
            is_unfinished = layer.paint(painter, scene)
        if not is_unfinished:
            return picture


@pytest.mark.parametrize("mpp_um", [0.5, 1.0])  # outlines, dots
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_after_a_pan_objects_look_as_if_painted_there_at_first(
    mpp_um: float, ratio: float, qtbot: QtBot
) -> None:
    panned, fresh = ObjectsLayer(), ObjectsLayer()
    for layer in (panned, fresh):
        layer.show_map(_row_of_squares(mpp_um), ["#00ff00"])
    size = Size(300, SIDE)
    _painted(panned, View(Point(150, 50), 1.0, size), ratio)
    there = View(Point(402, 50), 1.0, size)
    assert _painted(panned, there, ratio) == _painted(fresh, there, ratio)
    nothing = ObjectsLayer()
    assert _painted(fresh, there, ratio) != _painted(nothing, there, ratio)


def test_an_object_that_comes_or_changes_color_is_seen_in_a_kept_picture(qtbot: QtBot) -> None:
    objects = _row_of_squares(0.5)
    layer = ObjectsLayer()
    layer.show_map(objects, ["#00ff00"])
    view = View(Point(300, 50), 1.0, Size(BLOCKS * SIDE, SIDE))
    before = _painted(layer, view)
    ring = np.array([(10, 10), (20, 10), (20, 20), (10, 20)], np.float32)
    key = BlockKey(0, 0)
    objects.add(
        key,
        Objects(ring, np.array([0, 4]), ring.mean(0, keepdims=True), np.zeros(1, np.uint8), {}),
    )
    layer.refresh(key)
    after = _painted(layer, view)
    assert before.pixelColor(15, 10).name() == "#ffffff"
    assert after.pixelColor(15, 10).green() > after.pixelColor(15, 10).red()
    layer.set_style(ObjectStyle(), ["#0000ff"])
    color = _painted(layer, view).pixelColor(15, 10)
    assert color.blue() > color.green()
    layer.opacity = 0.5
    faded = _painted(layer, view).pixelColor(15, 10)
    assert faded.red() > color.red()


def test_while_pictures_are_made_the_objects_themselves_are_seen(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """No frame after a jump is empty, however little time there is for pictures."""
    monkeypatch.setattr(raster_cache, "_MAKING_S", -1.0)
    layer = ObjectsLayer()
    layer.show_map(_row_of_squares(0.5), ["#00ff00"])
    view = View(Point(300, 50), 1.0, Size(BLOCKS * SIDE, SIDE))
    picture = QImage(BLOCKS * SIDE, SIDE, QImage.Format.Format_RGB32)
    picture.fill(0xFFFFFFFF)
    with QPainter(picture) as painter:
        layer.paint(painter, Scene(view, Box(0, 0, BLOCKS * SIDE, SIDE), Optics(), 1.0))
    assert picture.pixelColor(50, 30).name() != "#ffffff"


@pytest.mark.parametrize("mpp_um", [0.5, 1.0, 4.0])  # outlines, dots, density
def test_a_preview_is_painted_until_its_block_is_known(mpp_um: float) -> None:
    """Also where nothing else is known, and again nothing once it is taken off."""
    whole = _row_of_squares(mpp_um)
    objects = whole.of_block(BlockKey(1, 0))
    assert objects is not None
    found = ObjectMap(whole.grid, mpp_um)
    layer = ObjectsLayer()
    layer.show_map(found, ["#00ff00"])
    width = BLOCKS * SIDE
    view = View(Point(width / 2, SIDE / 2), 1.0, Size(width, SIDE))
    empty = _painted(layer, view)
    layer.show_preview(BlockKey(1, 0), objects)
    previewed = _painted(layer, view)
    assert previewed != empty
    layer.refresh(BlockKey(1, 0))
    assert layer.preview is None
    assert _painted(layer, view) == empty
    layer.show_preview(BlockKey(1, 0), objects)
    found.add(BlockKey(1, 0), objects)
    layer.refresh(BlockKey(1, 0))
    assert layer.preview is None
    assert (_painted(layer, view) == previewed) == (mpp_um < 4)  # where it is density
