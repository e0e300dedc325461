"""The overview map of thin slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Box, Optics, Point
from viewer.slides.source import Level, SlideInfo
from viewer.tiles.cache import TileCache


class ThinSource:
    """A white strip of tissue, 64 times as high as it is wide."""

    path = Path("thin.tiff")
    info = SlideInfo("test", "test", Optics())
    levels = (Level(256, 16384, 1.0, 256, 256), Level(16, 1024, 16.0, 256, 256))

    def read_tile(self, level: int, column: int, row: int) -> NDArray[np.uint8]:
        assert min(level, column, row) >= 0
        return np.full((256, 256, 3), 255, np.uint8)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[np.uint8]:
        raise NotImplementedError

    def read_associated(self, name: str) -> NDArray[np.uint8]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65])
def test_the_field_on_the_map_of_a_thin_slide_is_where_the_view_is(
    qtbot: QtBot, share: float
) -> None:
    canvas = SlideCanvas(TileCache[TilePicture](64 << 20))
    qtbot.addWidget(canvas)
    canvas.resize(700, 700)
    canvas.show()
    source = ThinSource()
    canvas.set_source(source, source.info.optics)
    canvas.go_to(Point(share * 256, 8192), 0.125, animated=False)  # 87 of 256 pixels wide
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)
    place = canvas.overview_rect
    assert place is not None
    image = canvas.grab().toImage()
    blue = [
        (x, y)
        for x in range(int(place.left()) - 4, int(place.right()) + 5)
        for y in range(int(place.top()), int(place.bottom()))
        if image.pixelColor(x, y).blue() > image.pixelColor(x, y).red() + 100
    ]
    found = Box.enclosing([Point(*each) for each in blue])
    expected = place.left() + share * place.width()
    assert found.center.x == pytest.approx(expected, abs=2.0)
    assert found.center.y == pytest.approx(place.center().y(), abs=2.0)
    canvas.clear()
