"""What is kept between paints is what painting anew would give, and motion is as smooth as rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QImage, QPalette
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from scaled_tiles import load_scaling
from skimage.metrics import structural_similarity

from viewer.canvas import opencv
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import (
    TilePicture,
    TilePreparer,
    screen_to_qimage,
    writable_pixels_of,
)
from viewer.geometry import Point, View
from viewer.memory import warm_memory
from viewer.memory.warm_memory import WarmMemory
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.display import DisplaySettings, DisplayTransform

_MOVES = ((22, 9), (-130, 70), (0, -301), (333, 0), (-5, -5), (601, 20), (-40, 399), (7, -500))


@pytest.fixture
def canvas(qtbot: QtBot, sample_slide: Path) -> Iterator[SlideCanvas]:
    made = SlideCanvas(TileCache[TilePicture](256 << 20))
    qtbot.addWidget(made)
    made.resize(600, 400)
    made.show()
    source = open_slide(sample_slide)
    made.set_source(source, source.info.optics)
    qtbot.waitUntil(lambda: made.is_sharp, timeout=20_000)
    yield made
    made.clear()


def _show(canvas: SlideCanvas, view: View, qtbot: QtBot) -> None:
    canvas.show_view(view)
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)


def _picture(canvas: SlideCanvas) -> NDArray[np.uint8]:
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


@pytest.mark.parametrize(("turn", "mirrored"), [(0.0, False), (90.0, False), (270.0, True)])
def test_a_frame_that_was_moved_is_as_if_painted_anew(
    canvas: SlideCanvas, qtbot: QtBot, turn: float, mirrored: bool
) -> None:
    """Farther than the frame is wide, too, and over the slide's edge."""
    view = replace(canvas.view, center=Point(1100, 1400), downsample=1.4)
    _show(canvas, replace(view, rotation_deg=turn, mirrored=mirrored), qtbot)
    for dx, dy in _MOVES:
        _show(canvas, canvas.view.panned(dx, dy), qtbot)
        moved = _picture(canvas)
        canvas.reload_failed_tiles()  # forgets the frame
        anew = _picture(canvas)
        assert np.abs(moved.astype(int) - anew).max() <= 1  # Qt rounds by where a strip begins


def test_what_was_read_ahead_of_other_levels_is_not_painted(
    canvas: SlideCanvas, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coarse tile lies under all of the view: a pan at its arrival would paint a whole frame."""
    _show(canvas, replace(canvas.view, center=Point(1100, 1400), downsample=1.4), qtbot)
    _show(canvas, canvas.view.panned(20, 0), qtbot)
    layer = canvas._tile_layer
    canvas.repaint()
    painted: list[int] = []
    for name in ("_paint_part", "_scale_part"):
        paint = getattr(layer, name)

        def noted(part: QRect, *rest: object, paint: Callable[..., None] = paint) -> None:
            painted.append(part.width())
            paint(part, *rest)

        monkeypatch.setattr(layer, name, noted)
    for level in range(4):
        layer.tile_arrived(TileKey(level, 0, 0))
    canvas.repaint()
    assert painted == []
    layer.tile_arrived(TileKey(3, 0, 0))
    canvas.follow_view(canvas.view.panned(7, 0))
    canvas.repaint()
    assert set(painted) == {7}


@pytest.mark.parametrize("downsample", [0.6, 1.4, 2.7])
def test_a_zoom_in_motion_is_as_smooth_as_at_rest(
    canvas: SlideCanvas, qtbot: QtBot, downsample: float
) -> None:
    view = replace(canvas.view, center=Point(1100, 1400), downsample=downsample)
    _show(canvas, view, qtbot)
    for factor in (1.05, 1.1):  # the second one soon after the first
        canvas.follow_view(replace(view, downsample=downsample * factor))
    assert not canvas.is_sharp
    moving = _picture(canvas)
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)
    rest = _picture(canvas)
    likeness = structural_similarity(moving, rest, channel_axis=2)
    assert isinstance(likeness, float)
    assert likeness >= 0.98


def test_a_zoom_is_painted_into_the_window_itself_but_not_where_others_paint(
    canvas: SlideCanvas, qtbot: QtBot
) -> None:
    """A frame that is gone with the next is not copied; a part of it alone leaves the rest."""
    beside = QWidget(canvas)
    beside.setPalette(QPalette(QColor(255, 0, 255)))
    beside.setAutoFillBackground(True)
    beside.setGeometry(200, 150, 120, 80)
    beside.show()
    load_scaling()
    view = replace(canvas.view, center=Point(1100, 1400), downsample=1.4)
    _show(canvas, view, qtbot)
    for factor in (1.05, 1.1):
        canvas.follow_view(replace(view, downsample=view.downsample * factor))
        canvas.repaint(0, 0, 600, 400)
    assert canvas._tile_layer._grid is None, "nothing of it is in the frame"
    window = _window(canvas)
    label = window[150:230, 200:320]
    assert (label == (255, 0, 255)).all()
    canvas.repaint(0, 0, 600, 400)
    assert canvas._tile_layer._grid is not None, "the same view again is worth a frame"
    assert (_window(canvas) == window).all()
    painted = np.array([255, 0, 0], np.uint8)
    window[:] = painted
    canvas._tile_layer._scale = 0.0  # a zoom of which a part alone is painted
    canvas.repaint(10, 20, 60, 50)
    after = _window(canvas)
    is_new = np.zeros(after.shape[:2], bool)
    is_new[20:70, 10:70] = True
    assert ((after == painted).all(axis=2) == ~is_new).all()


def _window(canvas: SlideCanvas) -> NDArray[np.uint8]:
    """Return the (height, width, 3) pixels that are on the screen, to read and write."""
    image = canvas.backingStore().paintDevice()
    assert isinstance(image, QImage)
    return writable_pixels_of(image)[..., :3]


def test_a_tile_that_is_shrunk_much_is_painted_from_a_smaller_copy() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    picture, size_bytes = TilePreparer(DisplayTransform(DisplaySettings()))(stripes)
    assert isinstance(picture, TilePicture)
    widths = [picture.sized_for(width_px).width() for width_px in (256, 159, 158, 70, 10)]
    assert widths == [256, 256, 192, 192, 192]
    assert [picture.pixels_for(width).values.shape[0] for width in (159, 158)] == [256, 192]
    assert size_bytes == (256**2 + 192**2) * 4


@pytest.mark.parametrize("is_loaded", [False, True])
def test_no_pixel_is_left_out_of_a_copy(monkeypatch: pytest.MonkeyPatch, is_loaded: bool) -> None:
    monkeypatch.setattr(opencv, "is_loaded", lambda: is_loaded)
    rows = np.full((256, 240, 4), 255, np.uint8)
    rows[::4, :, :3] = 0
    tile = TilePicture(screen_to_qimage(rows))
    copy = tile.pixels_for(100).values
    assert copy.shape == (192, 180, 4)
    # Each three rows hold a black one of four, wherever that lies.
    assert abs(copy[:, :, :3].reshape(64, 3, 180, 3).mean(axis=1) - 0.75 * 255).max() <= 1


def test_copies_are_the_same_whatever_was_painted_before_opencv_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (256, 256, 4), np.uint8)
    early, late = (TilePicture(screen_to_qimage(values)) for _ in range(2))
    with monkeypatch.context() as before:
        before.setattr(opencv, "is_loaded", lambda: False)
        by_qt = early.pixels_for(150).values.copy()
    expected = late.pixels_for(150).values
    assert (by_qt != expected).any()
    assert (early.pixels_for(150).values == expected).all()


def test_copies_are_the_same_whichever_thread_makes_them() -> None:
    values = np.random.default_rng(0).integers(0, 256, (256, 256, 4), np.uint8)
    here, there = (TilePicture(screen_to_qimage(values)) for _ in range(2))
    worker = threading.Thread(target=there.finish)
    worker.start()
    worker.join()
    opencv.be_quick()  # as a thread is once it has scaled a tile
    assert (here.pixels_for(150).values == there.pixels_for(150).values).all()


def test_a_copy_takes_none_of_the_memory_that_waits_for_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = WarmMemory()
    monkeypatch.setattr(warm_memory._of_thread, "memory", memory)
    pixels = warm_memory.warm_pixels((256, 256, 4))
    picture = TilePicture(screen_to_qimage(pixels))
    memory.add()
    ready = list(memory._ready)
    assert ready
    picture.finish()
    assert list(map(id, memory._ready)) == list(map(id, ready))


def test_a_tile_in_motion_is_painted_from_the_copy_that_is_at_hand() -> None:
    picture = TilePicture(QImage(256, 256, QImage.Format.Format_RGB32))
    assert picture.sized_for(64, in_motion=True).width() == 256
    assert not picture.is_finished_for(64)
    assert picture.is_finished_for(200)
    picture.finish()
    assert picture.sized_for(64, in_motion=True).width() == 192
    assert picture.is_finished_for(64)


def test_pixels_as_on_a_screen_make_the_same_picture_as_rgb() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    screen = np.dstack([rgb[..., ::-1], np.full((70, 90), 255, np.uint8)])
    prepare = TilePreparer(DisplayTransform(DisplaySettings()))
    assert prepare.takes_screen_pixels
    assert not TilePreparer(DisplayTransform(DisplaySettings(gamma=2.0))).takes_screen_pixels
    picture, size_bytes = prepare(screen)
    del screen
    expected, expected_bytes = prepare(rgb)
    assert picture == expected
    assert size_bytes == expected_bytes
