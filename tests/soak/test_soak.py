"""Minutes of random navigation: memory stays flat and no thread is left behind."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache
from viewer.tiles.display import DisplaySettings

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

_MINUTES = float(os.environ.get("COVERSLIP_SOAK_MINUTES", "3"))
_CACHE_BYTES = 24 << 20
_GROWTH_BYTES = 60 << 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_random_navigation(qtbot: QtBot, sample_slide: Path) -> None:
    before = set(threading.enumerate())
    chance = random.Random(11)
    process = psutil.Process()
    cache = TileCache[TilePicture](_CACHE_BYTES)
    canvas = SlideCanvas(cache)
    qtbot.addWidget(canvas)
    canvas.resize(900, 600)
    canvas.show()
    settled_bytes = 0
    end_s = time.monotonic() + _MINUTES * 60
    step = 0
    while time.monotonic() < end_s:
        if step % 400 == 0:
            source = open_slide(sample_slide)
            canvas.set_source(source, source.info.optics)
        _wander(canvas, chance)
        qtbot.wait(chance.choice((1, 5, 30)))
        assert cache.used_bytes <= _CACHE_BYTES + (2 << 20)
        step += 1
        if step == 1200:
            settled_bytes = process.memory_info().rss
    assert step > 1200
    assert process.memory_info().rss - settled_bytes < _GROWTH_BYTES
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)
    canvas.clear()
    qtbot.waitUntil(lambda: set(threading.enumerate()) <= before)


def _wander(canvas: SlideCanvas, chance: random.Random) -> None:
    match chance.randrange(8):
        case 0:
            canvas.zoom_by(chance.choice((0.3, 0.7, 1.5, 4.0)))
        case 1:
            place = Point(chance.uniform(0, 2220), chance.uniform(0, 2967))
            canvas.go_to(place, chance.uniform(0.3, 8))
        case 2:
            canvas.rotate_by(chance.choice((-90, 15, 33)))
        case 3:
            chance.choice((canvas.back, canvas.forward, canvas.home, canvas.flip_vertically))()
        case 4:
            canvas.set_look(DisplaySettings(brightness=chance.uniform(-0.3, 0.3)))
        case 5:
            canvas.resize(chance.randrange(300, 1000), chance.randrange(300, 800))
        case _:
            left = Qt.MouseButton.LeftButton
            QTest.mousePress(canvas, left, pos=QPoint(200, 200))
            QTest.mouseMove(canvas, QPoint(chance.randrange(100, 300), chance.randrange(100, 300)))
            QTest.mouseRelease(canvas, left, pos=QPoint(150, 150))
