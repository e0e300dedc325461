"""Objects are all painted after some frames, whatever painting takes."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter, QPainterPath
from pytestqt.qtbot import QtBot

from viewer.canvas import objects_layer
from viewer.canvas.layer import Scene
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
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

    def drawPoints(self, points: object) -> None:  # noqa: N802 - Qt's name
        self._clock.now_s += 1
        super().drawPoints(points)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _row_of_squares(mpp_um: float) -> ObjectMap:
    """Return a square of 40 px in the middle of each block."""
    found = ObjectMap(BlockGrid(Size(BLOCKS * SIDE, SIDE), 1.0, SIDE, 0), mpp_um)
    for column in range(BLOCKS):
        corners = np.array([(30, 30), (70, 30), (70, 70), (30, 70)], np.float32)
        ring = corners + np.float32((column * SIDE, 0))
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
    while is_unfinished:
        picture = QImage(width, SIDE, QImage.Format.Format_RGB32)
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
