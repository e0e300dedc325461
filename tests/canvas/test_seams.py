"""No seam shows between tiles, however the view is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_canvas import SIZE, pixels, show, wait_sharp

from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Optics, Point, Size, View
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

import tifffile

VALUE = 251


@pytest.fixture
def plain(qtbot: QtBot, tmp_path: Path) -> Iterator[SlideCanvas]:
    """A slide of one color in tiles of 128 px, larger than the canvas at any angle."""
    path = tmp_path / "white.tif"
    white = np.full((2000, 2000, 3), VALUE, np.uint8)
    tifffile.imwrite(path, white, photometric="rgb", tile=(128, 128), compression="deflate")
    made = SlideCanvas(TileCache[TilePicture](256 << 20))
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    made.set_source(open_slide(path), Optics())
    wait_sharp(qtbot, made)
    yield made
    made.clear()


@pytest.mark.parametrize("downsample", [1.0, 1.37, 0.6])
def test_a_plain_slide_stays_plain_at_any_angle(
    plain: SlideCanvas, qtbot: QtBot, downsample: float
) -> None:
    seams: list[float] = []
    for step in range(68):
        angle = step * 360 / 68
        center = Point(1000 + 3.3 * step, 990 - 1.7 * step)
        show(plain, qtbot, center=center, downsample=downsample, rotation_deg=angle)
        if (pixels(plain) != VALUE).any():
            seams.append(angle)
    assert seams == []


def test_a_turned_pan_leaves_no_seam(plain: SlideCanvas, qtbot: QtBot) -> None:
    view = View(Point(900, 900), 1.0, Size(*SIZE), 33.0)
    for step in range(12):
        plain.show_view(view.panned(7.3 * step, 3.1 * step))
        wait_sharp(qtbot, plain)
        assert (pixels(plain) == VALUE).all()
