"""The real canvas with the real slide: what it paints, and what hands do to it."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import openslide
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QPainter, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder, Scene
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.slides import TileError, open_slide
from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource
from viewer.tiles.cache import TileCache
from viewer.tiles.display import DisplaySettings
from viewer.tiles.stains import Stain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

SIZE = (640, 480)


@pytest.fixture
def canvas(qtbot: QtBot, sample_slide: Path) -> Iterator[SlideCanvas]:
    made = SlideCanvas(TileCache[TilePicture](256 << 20))
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    source = open_slide(sample_slide)
    made.set_source(source, source.info.optics)
    wait_sharp(qtbot, made)
    yield made
    made.clear()


def wait_sharp(qtbot: QtBot, canvas: SlideCanvas) -> None:
    qtbot.waitUntil(lambda: canvas.is_sharp and not canvas.is_moving, timeout=20_000)


@pytest.mark.parametrize("limit_bytes", [1 << 10, 3 << 20])
def test_each_view_becomes_sharp_with_a_small_cache(
    qtbot: QtBot, sample_slide: Path, limit_bytes: int
) -> None:
    """Of what is here as a view is asked for, nothing goes before it is painted."""
    canvas = SlideCanvas(TileCache[TilePicture](limit_bytes))
    qtbot.addWidget(canvas)
    canvas.resize(*SIZE)
    canvas.show()
    source = open_slide(sample_slide)
    canvas.set_source(source, source.info.optics)
    places = [Point(500, 600), Point(900, 800), Point(1700, 2400), Point(700, 700)]
    for place in places * 3:
        canvas.go_to(place, 1.0, animated=False)
        wait_sharp(qtbot, canvas)
    canvas.clear()


def pixels(canvas: SlideCanvas) -> NDArray[np.uint8]:
    """What the canvas shows without its furniture, uint8 (height, width, 3)."""
    canvas.set_scale_bar_visible(False)
    canvas.set_overview_visible(False)
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def region(path: Path, box: Box) -> Image.Image:
    with openslide.OpenSlide(path) as slide:
        corner = (round(box.x0), round(box.y0))
        size = (round(box.width), round(box.height))
        return slide.read_region(corner, 0, size).convert("RGB")


def show(canvas: SlideCanvas, qtbot: QtBot, **view: object) -> View:
    canvas.show_view(View(size=Size(*SIZE), **view))  # type: ignore[arg-type]
    wait_sharp(qtbot, canvas)
    return canvas.view


def wheel(canvas: SlideCanvas, at: QPoint, notches: float) -> None:
    position = QPointF(at)
    event = QWheelEvent(
        position,
        QPointF(canvas.mapToGlobal(at)),
        QPoint(),
        QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


class _SomeHang:
    """A slide of which tiles do not come until they may, one of them later than the others."""

    def __init__(self, source: SlideSource, last: tuple[int, int, int]) -> None:
        self._source, self._last = source, last
        self.may_come, self.last_may_come = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        hangs = self.last_may_come if (level, column, row) == self._last else self.may_come
        assert level > 0 or hangs.wait(20)
        return self._source.read_tile(level, column, row)

    read_for_screen = read_tile


def test_what_came_is_painted_while_a_tile_hangs(qtbot: QtBot, sample_slide: Path) -> None:
    canvas = SlideCanvas(TileCache[TilePicture](256 << 20))
    qtbot.addWidget(canvas)
    canvas.resize(*SIZE)
    canvas.show()
    opened = open_slide(sample_slide)
    side_px = opened.levels[0].tile_width_px
    source = _SomeHang(opened, (0, 4, 5))
    canvas.set_source(cast("SlideSource", source), opened.info.optics)
    wait_sharp(qtbot, canvas)
    canvas.go_to(Point(4.5 * side_px, 5.5 * side_px), 1.0, animated=False)
    qtbot.wait(100)  # what is painted from now on is what came
    middle = QPoint(SIZE[0] // 2, SIZE[1] // 2)
    stored = region(sample_slide, canvas.view.box)

    def is_painted(at: QPoint) -> bool:
        # In the frame that the canvas keeps: to grab it would paint it.
        color = canvas._tile_layer._frame.picture.pixelColor(at)
        return cast("tuple[int, ...]", color.getRgb())[:3] == stored.getpixel((at.x(), at.y()))

    beside = middle + QPoint(side_px, 0)
    assert not is_painted(beside)
    source.may_come.set()
    qtbot.waitUntil(lambda: is_painted(beside))
    assert not canvas.is_sharp
    source.last_may_come.set()
    wait_sharp(qtbot, canvas)
    qtbot.waitUntil(lambda: is_painted(middle))
    canvas.clear()


def test_the_end_of_a_movement_is_told_once(canvas: SlideCanvas, qtbot: QtBot) -> None:
    told: list[bool] = []
    canvas.rested.connect(lambda: told.append(canvas.is_moving))
    with qtbot.waitSignal(canvas.rested):
        canvas.go_to(Point(1500, 1500), 1.0)
        assert not told
    qtbot.waitUntil(lambda: not canvas.is_moving)
    assert told == [False]
    canvas.go_to(Point(900, 900), 1.0, animated=False)
    assert told == [False, False]


class _Frames:
    """Notes of each frame whether it was sharp."""

    def __init__(self, canvas: SlideCanvas) -> None:
        self._canvas = canvas
        self.sharp: list[bool] = []

    def paint(self, painter: QPainter, scene: Scene) -> None:  # noqa: ARG002 - of the layers
        self.sharp.append(self._canvas.is_sharp)


class TestJumps:
    def test_a_jump_that_is_sharp_soon_is_painted_once(
        self, canvas: SlideCanvas, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("viewer.canvas.streamed_widget._JUMP_MS", 60_000)
        canvas.resize(200, 150)
        show(canvas, qtbot, center=Point(400, 400), downsample=1.0)
        frames = _Frames(canvas)
        canvas.add_layer(frames, LayerOrder.HUD)
        qtbot.waitUntil(lambda: frames.sharp == [True])
        canvas.go_to(Point(1800, 2600), animated=False)
        assert not canvas.is_sharp
        qtbot.waitUntil(lambda: len(frames.sharp) > 1, timeout=20_000)
        # Tiles read ahead come next, which are beside the view.
        assert frames.sharp == [True, True]

    def test_one_that_takes_longer_is_painted_as_far_as_it_is(
        self, qtbot: QtBot, sample_slide: Path
    ) -> None:
        source = _GatedSource(open_slide(sample_slide))
        canvas = SlideCanvas(TileCache[TilePicture](256 << 20))
        qtbot.addWidget(canvas)
        canvas.resize(200, 150)
        canvas.show()
        source.gate.set()
        canvas.set_source(cast("SlideSource", source), source.info.optics)
        wait_sharp(qtbot, canvas)
        source.gate.clear()
        canvas.go_to(Point(400, 400), 1.0, animated=False)
        frames = _Frames(canvas)
        canvas.add_layer(frames, LayerOrder.HUD)
        qtbot.waitUntil(lambda: frames.sharp == [False])
        canvas.go_to(Point(1800, 2600), animated=False)
        qtbot.waitUntil(lambda: frames.sharp == [False, False])
        source.gate.set()
        wait_sharp(qtbot, canvas)
        qtbot.waitUntil(lambda: frames.sharp[-1])
        canvas.clear()

    def test_what_stays_in_view_moves_at_once(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        show(canvas, qtbot, center=Point(1000, 1000), downsample=1.0)
        frames = _Frames(canvas)
        canvas.add_layer(frames, LayerOrder.HUD)
        qtbot.waitUntil(lambda: frames.sharp == [True])
        canvas.go_to(Point(1600, 1300), animated=False)
        QApplication.processEvents()
        assert len(frames.sharp) > 1
        wait_sharp(qtbot, canvas)

    def test_tiles_that_come_within_a_movement_are_painted_with_its_frames(
        self, canvas: SlideCanvas, qtbot: QtBot
    ) -> None:
        show(canvas, qtbot, center=Point(700, 700), downsample=1.0)
        moves: list[bool] = []
        frames = _Frames(canvas)
        canvas.view_changed.connect(lambda: moves.append(canvas.is_moving))
        canvas.add_layer(frames, LayerOrder.HUD)
        qtbot.waitUntil(lambda: bool(frames.sharp) and not canvas._zoom_timer.isActive())
        QApplication.processEvents()
        frames.sharp.clear()
        canvas.go_to(Point(1500, 2000))
        while canvas.is_moving:
            QApplication.processEvents()
            assert len(frames.sharp) <= len(moves)
        wait_sharp(qtbot, canvas)
        qtbot.waitUntil(lambda: frames.sharp[-1])
        assert sum(moves) > 1


class _GatedSource:
    """A slide whose tiles are read once its gate is open."""

    def __init__(self, source: SlideSource) -> None:
        self._source = source
        self.gate = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        assert self.gate.wait(20)
        return self._source.read_tile(level, column, row)

    read_for_screen = read_tile


class TestPixels:
    def test_one_to_one_is_the_slide_to_the_pixel(
        self, canvas: SlideCanvas, qtbot: QtBot, sample_slide: Path
    ) -> None:
        view = show(canvas, qtbot, center=Point(1000, 1500), downsample=1.0)
        assert np.array_equal(pixels(canvas), np.asarray(region(sample_slide, view.box)))

    @pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_quarter_turns_and_flips_are_exact(
        self,
        canvas: SlideCanvas,
        qtbot: QtBot,
        sample_slide: Path,
        rotation_deg: float,
        mirrored: bool,
    ) -> None:
        view = show(
            canvas,
            qtbot,
            center=Point(1000, 1500),
            downsample=1.0,
            rotation_deg=rotation_deg,
            mirrored=mirrored,
        )
        expected = np.rot90(np.asarray(region(sample_slide, view.box)), -round(rotation_deg / 90))
        if mirrored:
            expected = expected[:, ::-1]
        assert np.array_equal(pixels(canvas), expected)

    @pytest.mark.parametrize("rotation_deg", [17.0, 133.0, 301.5])
    def test_any_angle_shows_the_right_place(
        self, canvas: SlideCanvas, qtbot: QtBot, sample_slide: Path, rotation_deg: float
    ) -> None:
        view = show(
            canvas, qtbot, center=Point(1000, 1500), downsample=2.0, rotation_deg=rotation_deg
        )
        box = Box.around(view.center, 2000, 2000)
        upright = region(sample_slide, box)
        turned = upright.rotate(-rotation_deg, Image.Resampling.BICUBIC).reduce(2)
        left, top = (1000 - SIZE[0]) // 2, (1000 - SIZE[1]) // 2
        expected = np.asarray(turned.crop((left, top, left + SIZE[0], top + SIZE[1])))
        shown = pixels(canvas)
        assert np.abs(expected.astype(int) - shown).mean() < 6
        assert np.corrcoef(expected.mean(2).ravel(), shown.mean(2).ravel())[0, 1] > 0.97

    @pytest.mark.parametrize("downsample", [1.3, 2.0, 3.7, 6.0])
    def test_zoomed_out_is_the_slide_made_smaller(
        self, canvas: SlideCanvas, qtbot: QtBot, sample_slide: Path, downsample: float
    ) -> None:
        view = show(canvas, qtbot, center=Point(1110, 1483), downsample=downsample)
        slide = Box(0, 0, 2220, 2967)
        seen = view.box.intersection(slide)
        inner = seen.grown(-8 * downsample)
        corner, end = (
            view.to_screen(Point(*at)) for at in ((inner.x0, inner.y0), (inner.x1, inner.y1))
        )
        rows = slice(math.ceil(corner.y), math.floor(end.y))
        columns = slice(math.ceil(corner.x), math.floor(end.x))
        shown = pixels(canvas)[rows, columns]
        first = view.to_slide(Point(columns.start, rows.start))
        last = view.to_slide(Point(columns.stop, rows.stop))
        whole = region(sample_slide, slide)

        def difference(shift_px: float) -> float:
            dx = shift_px * downsample
            expected = whole.resize(
                (shown.shape[1], shown.shape[0]),
                Image.Resampling.BOX,
                (first.x + dx, first.y, last.x + dx, last.y),
            )
            return float(np.abs(np.asarray(expected).astype(int) - shown).mean())

        assert difference(0) < 10
        assert difference(0) < 0.7 * min(difference(-1), difference(1))

    def test_panning_in_steps_paints_the_same_as_going_there(
        self, canvas: SlideCanvas, qtbot: QtBot
    ) -> None:
        canvas.set_kinetic(False)
        show(canvas, qtbot, center=Point(900, 1200), downsample=1.37)
        for _ in range(12):
            QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
            QTest.mouseMove(canvas, QPoint(287, 191))
            QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(287, 191))
            canvas.grab()
        wait_sharp(qtbot, canvas)
        in_steps = pixels(canvas)
        view = canvas.view
        show(canvas, qtbot, center=Point(100, 100), downsample=3.0)
        canvas.show_view(view)
        wait_sharp(qtbot, canvas)
        # Qt's scaling rounds by one where it begins at a clip.
        assert np.abs(in_steps.astype(int) - pixels(canvas)).max() <= 1

    def test_a_look_changes_what_is_shown_and_back(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        show(canvas, qtbot, center=Point(1000, 1500), downsample=1.0)
        before = pixels(canvas)
        canvas.set_look(DisplaySettings(stain=Stain.HEMATOXYLIN))
        wait_sharp(qtbot, canvas)
        assert not np.array_equal(before, pixels(canvas))
        canvas.set_look(DisplaySettings())
        wait_sharp(qtbot, canvas)
        assert np.array_equal(before, pixels(canvas))


class TestHands:
    def test_wheel_zooms_about_the_cursor(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        at = QPoint(400, 300)
        held = canvas.view.to_slide(Point(400, 300))
        before = canvas.view.downsample
        wheel(canvas, at, 2)
        wait_sharp(qtbot, canvas)
        assert canvas.view.downsample == pytest.approx(before / 2)
        assert math.dist(canvas.view.to_screen(held), (400, 300)) < 0.01

    def test_drag_moves_the_slide_with_the_hand(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        show(canvas, qtbot, center=Point(1000, 1500), downsample=1.0)
        canvas.set_kinetic(False)
        held = canvas.view.to_slide(Point(300, 200))
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
        for x in range(300, 201, -10):
            QTest.mouseMove(canvas, QPoint(x, 200))
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
        assert math.dist(canvas.view.to_screen(held), (200, 200)) < 0.01

    def test_double_click_zooms_in_and_with_shift_out(
        self, canvas: SlideCanvas, qtbot: QtBot
    ) -> None:
        before = canvas.view.downsample
        QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(320, 240))
        wait_sharp(qtbot, canvas)
        assert canvas.view.downsample == pytest.approx(before / 2)
        shift = Qt.KeyboardModifier.ShiftModifier
        QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, shift, QPoint(320, 240))
        wait_sharp(qtbot, canvas)
        assert canvas.view.downsample == pytest.approx(before)

    def test_arrow_keys_move_the_view(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        before = show(canvas, qtbot, center=Point(1000, 1500), downsample=1.0)
        QTest.keyClick(canvas, Qt.Key.Key_Right)
        QTest.keyClick(canvas, Qt.Key.Key_Down)
        wait_sharp(qtbot, canvas)
        assert canvas.view.center.x > before.center.x
        assert canvas.view.center.y > before.center.y

    def test_a_click_on_the_overview_travels_there(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        show(canvas, qtbot, center=Point(1000, 1500), downsample=1.0)
        rect = canvas.overview_rect
        assert rect is not None
        at = QPoint(round(rect.x() + rect.width() * 0.25), round(rect.y() + rect.height() * 0.8))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
        wait_sharp(qtbot, canvas)
        assert canvas.view.center.x == pytest.approx(2220 * 0.25, abs=30)
        assert canvas.view.center.y == pytest.approx(2967 * 0.8, abs=30)
        assert canvas.view.downsample == 1.0

    def test_the_cursor_is_told_in_slide_pixels(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        view = show(canvas, qtbot, center=Point(1000, 1500), downsample=2.0)
        with qtbot.waitSignal(canvas.cursor_moved) as told:
            QTest.mouseMove(canvas, QPoint(100, 50))
        assert told.args is not None
        assert math.dist(told.args[0], view.to_slide(Point(100, 50))) < 1e-6
        with qtbot.waitSignal(canvas.cursor_moved) as told:
            QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
        assert told.args == [None]

    def test_magnification_needs_a_scale(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        assert canvas.set_magnification(10)
        wait_sharp(qtbot, canvas)
        assert canvas.view.downsample == pytest.approx(2.0)
        canvas.set_optics(Optics())
        assert not canvas.set_magnification(10)

    def test_back_returns_to_the_view_before(self, canvas: SlideCanvas, qtbot: QtBot) -> None:
        whole = canvas.view
        canvas.go_to(Point(500, 500), 1.0)
        wait_sharp(qtbot, canvas)
        assert canvas.can_go_back
        canvas.back()
        wait_sharp(qtbot, canvas)
        assert canvas.view == whole
        canvas.forward()
        wait_sharp(qtbot, canvas)
        assert canvas.view.center == (500, 500)


class SpoiltSource:
    """A gray slide of which one tile cannot be read, whose reads can be held up."""

    path = Path("spoilt.svs")
    info = SlideInfo("test", "test", Optics())
    levels = (Level(1024, 1024, 1.0, 256, 256), Level(256, 256, 4.0, 256, 256))

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def read_tile(self, level: int, column: int, row: int) -> NDArray[np.uint8]:
        self.gate.wait(30)
        if (level, column, row) == (0, 1, 1):
            raise TileError(level, column, row, "it is spoilt.")
        return np.full((256, 256, 3), 222, np.uint8)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[np.uint8]:
        raise NotImplementedError

    def read_associated(self, name: str) -> NDArray[np.uint8]:
        raise NotImplementedError

    def close(self) -> None:
        self.gate.set()


class TestTrouble:
    def test_an_unreadable_tile_is_hatched_and_tells_its_reason(self, qtbot: QtBot) -> None:
        canvas = SlideCanvas(TileCache[TilePicture](64 << 20))
        qtbot.addWidget(canvas)
        canvas.resize(1024, 1024)
        canvas.show()
        with qtbot.waitSignal(canvas.tile_failed) as failed:
            canvas.set_source(SpoiltSource(), Optics())
            canvas.show_view(View(Point(512, 512), 1.0, Size(1024, 1024)))
        assert failed.args is not None
        assert "it is spoilt" in failed.args[0]
        wait_sharp(qtbot, canvas)
        shown = pixels(canvas)
        assert (shown[10:250, 10:250] == 222).all()
        assert not (shown[300:500, 300:500] == 222).all(axis=2).any()
        with qtbot.waitSignal(canvas.tile_failed) as hovered:
            QTest.mouseMove(canvas, QPoint(400, 400))
        assert hovered.args is not None
        assert "it is spoilt" in hovered.args[0]
        canvas.clear()

    def test_a_drive_that_stalls_is_told_and_the_canvas_goes_on(self, qtbot: QtBot) -> None:
        canvas = SlideCanvas(TileCache[TilePicture](64 << 20))
        qtbot.addWidget(canvas)
        canvas.resize(512, 512)
        canvas.show()
        source = SpoiltSource()
        source.gate.clear()
        with qtbot.waitSignal(canvas.stalled) as stalled:
            canvas.set_source(source, Optics())
        assert stalled.args is not None
        assert stalled.args[0] >= 3
        before = canvas.view
        wheel(canvas, QPoint(100, 100), 1)
        qtbot.waitUntil(lambda: not canvas.is_moving)
        assert canvas.view.downsample < before.downsample
        with qtbot.waitSignal(canvas.stalled) as moving:
            source.gate.set()
        assert moving.args == [0.0]
        canvas.clear()

    def test_closing_leaves_no_thread(self, qtbot: QtBot, sample_slide: Path) -> None:
        before = set(threading.enumerate())
        canvas = SlideCanvas(TileCache[TilePicture](64 << 20))
        qtbot.addWidget(canvas)
        canvas.show()
        source = open_slide(sample_slide)
        canvas.set_source(source, source.info.optics)
        wait_sharp(qtbot, canvas)
        canvas.clear()
        assert canvas.source is None
        qtbot.waitUntil(lambda: set(threading.enumerate()) <= before)
