"""What OpenCV scales is what Qt would have painted, for all that a screen can show of a slide."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter, QRegion
from scaled_tiles import load_scaling

import viewer
from viewer import window_first
from viewer.canvas import tile_scaling
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import Scene
from viewer.canvas.paint_target import paint_target
from viewer.canvas.tile_grid import TileGrid
from viewer.canvas.tile_layer import TileLayer
from viewer.canvas.tile_picture import TilePicture, TilePreparer
from viewer.canvas.tile_scaling import TileScaler, tile_scaler
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.slides import open_slide
from viewer.slides.errors import TileError
from viewer.slides.region import read_region
from viewer.slides.source import RgbImage, SlideSource
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.display import DisplaySettings, DisplayTransform
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan, coarsest_tiles, level_for, visible_tiles
from viewer.ui.figures.strips import FigureCanvas

SIZE = Size(900, 640)
INSIDE = View(Point(1100, 1400), 1.4, SIZE)
AT_EDGES = View(Point(2100, 2900), 1.7, SIZE)
ALL_OF_IT = View(Point(1110, 1480), 5.3, SIZE)
MAGNIFIED = View(Point(1100.3, 1400.7), 0.021, SIZE)


class _Torn:
    """A slide of which some tiles cannot be read."""

    def __init__(self, source: SlideSource, torn: frozenset[TileKey]) -> None:
        self._source, self._torn = source, torn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        if TileKey(level, column, row) in self._torn:
            raise TileError(level, column, row, "torn")
        return self._source.read_tile(level, column, row)

    read_for_screen = read_tile


class _Late(TilePicture):
    """A tile that no worker has finished yet."""

    def finish(self) -> None:
        if threading.current_thread() is threading.main_thread():
            super().finish()


Load = Callable[..., TileLoader[TilePicture]]


@pytest.fixture
def source(sample_slide: Path) -> Iterator[SlideSource]:
    opened = open_slide(sample_slide)
    yield opened
    opened.close()


@pytest.fixture
def load(source: SlideSource, qapp: object) -> Iterator[Load]:
    """Load all tiles of a view but some, and wait for them."""
    loaders: list[TileLoader[TilePicture]] = []

    def load(
        view: View,
        ratio: float = 1.0,
        *,
        without: Callable[[TileKey], bool] = lambda _: False,
        also: int | None = None,
        torn: frozenset[TileKey] = frozenset(),
        has_overview: bool = True,
        late: bool = False,
    ) -> TileLoader[TilePicture]:
        levels = source.levels
        wanted = level_for(levels, view.downsample / ratio)
        keys = [key for key in visible_tiles(levels, wanted, view) if not without(key)]
        keys += coarsest_tiles(levels) if has_overview else []
        keys += visible_tiles(levels, also, view) if also is not None else []
        prepare = TilePreparer(DisplayTransform(DisplaySettings()))
        cache = TileCache[TilePicture](256 << 20)

        def prepare_late(pixels: RgbImage) -> tuple[TilePicture, int]:
            picture, size_bytes = prepare(pixels)
            return _Late(picture.copy()), size_bytes

        torn_source = cast("SlideSource", _Torn(source, torn))
        chosen = prepare_late if late else prepare
        made = TileLoader[TilePicture](torn_source, chosen, cache, lambda _: None)
        loaders.append(made)
        made.request(TilePlan(wanted, tuple(keys), (), ()))
        for _ in range(20_000):
            if all(map(made.is_settled, keys)):
                return made
            with made._changed:
                made._changed.wait(0.001)
        raise TimeoutError

    yield load
    for made in loaders:
        made.close()


def _painted(
    layer: TileLayer, source: SlideSource, view: View, ratio: float = 1.0, *, zooming: bool = False
) -> NDArray[np.uint8]:
    base = source.levels[0]
    slide = Box(0.0, 0.0, base.width_px, base.height_px)
    width, height = round(view.size.width * ratio), round(view.size.height * ratio)
    picture = QImage(width, height, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(ratio)
    with QPainter(picture) as painter:
        layer.paint(painter, Scene(view, slide, Optics(), ratio, zooming))
    rows = np.frombuffer(picture.constBits(), np.uint8).reshape(height, width, 4)
    return rows[..., :3].copy()


def _both(
    loader: TileLoader[TilePicture], source: SlideSource, view: View, ratio: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pictures: list[NDArray[np.uint8]] = []
    for scaler in (None, tile_scaler):
        layer = TileLayer(scaler)
        layer.set_loader(loader)
        pictures.append(_painted(layer, source, view, ratio))
        assert layer._is_scaled is (scaler is not None)
    return pictures[0], pictures[1]


def _assert_alike(qt: NDArray[np.uint8], opencv: NDArray[np.uint8]) -> None:
    difference = np.abs(qt.astype(int) - opencv)
    assert difference.max() <= 8
    assert difference.mean() < 1.5
    assert qt.std() > 5, "nothing is shown"


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("view", [INSIDE, AT_EDGES, ALL_OF_IT, MAGNIFIED])
def test_tiles_are_as_qt_paints_them(
    source: SlideSource, load: Load, view: View, ratio: float
) -> None:
    _assert_alike(*_both(load(view, ratio), source, view, ratio))


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_where_a_pixel_is_one_of_the_screen_it_is_shown_as_stored(
    source: SlideSource, load: Load, ratio: float
) -> None:
    panned = TileLayer(tile_scaler)
    for dx, dy in ((0, 0), (37, -22), (0, 411)):
        view = View(Point(1100 + dx, 1400 + dy), ratio, SIZE)
        loader = load(view, ratio)
        qt, opencv = _both(loader, source, view, ratio)
        assert (qt == opencv).all()
        panned._loader = loader
        assert (_painted(panned, source, view, ratio) == qt).all()
        assert (qt[..., ::-1] == read_region(source, view.box, qt.shape[1], qt.shape[0])).all()


@pytest.mark.parametrize("view", [INSIDE, AT_EDGES])
@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_so_are_coarser_and_finer_tiles_in_place_of_missing_ones(
    source: SlideSource, load: Load, view: View, ratio: float
) -> None:
    view = replace(view, downsample=2.9)
    loader = load(view, ratio, without=lambda key: (key.column + key.row) % 3 == 0, also=0)
    _assert_alike(*_both(loader, source, view, ratio))


def test_a_coarser_tile_is_magnified_only_where_finer_ones_lack(qapp: object) -> None:
    tile = TilePicture(QImage(256, 256, QImage.Format.Format_RGB32))
    view, lacking = QRect(0, 0, 1000, 600), QRect(256, 256, 256, 256)
    coarse = [(QRect(0, 0, 4096, 4096), tile)]
    rects = [QRect(256 * column, 256 * row, 256, 256) for row in range(3) for column in range(4)]
    fine = [(rect, tile) for rect in rects if rect != lacking]
    of_levels = list(tile_scaling._seen_of([coarse, fine], view))
    assert of_levels == [(coarse, [lacking]), (fine, [view])]


@pytest.mark.parametrize("view", [INSIDE, AT_EDGES])
def test_so_are_holes(source: SlideSource, load: Load, view: View) -> None:
    loader = load(view, without=lambda key: key.column % 2 == 0, has_overview=False)
    qt, opencv = _both(loader, source, view)
    _assert_alike(qt, opencv)
    is_hole = (qt == 150).all(axis=2)
    assert 0.1 < is_hole.mean() < 0.8
    assert ((opencv == 150).all(axis=2) == is_hole).mean() > 0.999


def test_so_are_unreadable_tiles(source: SlideSource, load: Load) -> None:
    torn = frozenset({TileKey(0, 4, 5), TileKey(0, 5, 5)})
    loader = load(INSIDE, torn=torn)
    assert set(loader.failures) == torn
    qt, opencv = _both(loader, source, INSIDE)
    _assert_alike(qt, opencv)
    assert (opencv == (40, 60, 200)).all(axis=2).any(), "the frame of the hatched place"


@pytest.mark.parametrize("view", [INSIDE, AT_EDGES])
def test_a_strip_that_came_in_is_as_if_painted_anew(
    source: SlideSource, load: Load, view: View
) -> None:
    moved = TileLayer(tile_scaler)
    for dx, dy in ((0, 0), (22, 9), (-130, 70), (0, -301), (333, 0), (601, 20), (-40, 399)):
        view = view.panned(dx, dy)
        loader = load(view)
        anew = TileLayer(tile_scaler)
        anew.set_loader(loader)
        moved._loader = loader
        difference = np.abs(
            _painted(moved, source, view).astype(int) - _painted(anew, source, view)
        )
        assert difference.max() <= 1


def test_a_frame_within_a_zoom_is_the_frame_at_rest(source: SlideSource, load: Load) -> None:
    layer = TileLayer(tile_scaler)
    layer.set_loader(load(INSIDE))
    moving = _painted(layer, source, INSIDE, zooming=True)
    assert (_painted(layer, source, INSIDE) == moving).all()


def test_what_was_painted_from_unfinished_tiles_is_painted_anew_at_rest(
    source: SlideSource, load: Load
) -> None:
    view = replace(INSIDE, downsample=1.9)
    loader = load(view, late=True)
    layer, other = TileLayer(tile_scaler), TileLayer(tile_scaler)
    layer.set_loader(loader)
    moving = _painted(layer, source, view, zooming=True)
    at_rest = _painted(layer, source, view)
    other.set_loader(loader)
    assert (at_rest == _painted(other, source, view)).all()
    assert (at_rest != moving).any()
    assert (_painted(layer, source, view, zooming=True) == at_rest).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda painter: painter.setClipRect(0, 0, 900, 640),
        lambda painter: painter.setOpacity(0.999),
        lambda painter: painter.scale(1.01, 1.0),
        lambda painter: painter.rotate(90.0),
    ],
)
def test_only_a_painter_that_moves_what_it_paints_is_passed_by(
    spoil: Callable[[QPainter], object],
) -> None:
    picture, whole = QImage(900, 640, QImage.Format.Format_RGB32), QRect(0, 0, 900, 640)
    with QPainter(picture) as painter:
        painter.translate(40, -30)
        target = paint_target(painter, whole)
        assert target is not None
        assert target.picture is picture
        assert target.shift == QPoint(40, -30)
        assert target.region == QRegion(0, 30, 860, 610)
        spoil(painter)
        assert paint_target(painter, whole) is None
    other = QImage(900, 640, QImage.Format.Format_RGB888)
    with QPainter(other) as painter:
        assert paint_target(painter, whole) is None


def test_tiles_of_a_level_lie_where_each_of_them_does(source: SlideSource) -> None:
    for view in (INSIDE, AT_EDGES, ALL_OF_IT, MAGNIFIED):
        for ratio in (1.0, 1.5):
            grid, levels = TileGrid.of(view, ratio), source.levels
            keys = visible_tiles(levels, level_for(levels, view.downsample / ratio), view)
            level = levels[keys[0].level]
            assert grid.tile_rects(level, keys) == [grid.tile_rect(levels, key) for key in keys]


@pytest.mark.parametrize("between", [(40.0, 30.0), (40.5, 30.25), (41.5, 30.75)])
def test_a_zoom_lies_where_the_frame_does_also_between_pixels(
    source: SlideSource, load: Load, between: tuple[float, float]
) -> None:
    layer, view = TileLayer(tile_scaler), replace(INSIDE, downsample=1.3)
    layer.set_loader(load(view))
    base = source.levels[0]
    slide = Box(0.0, 0.0, base.width_px, base.height_px)
    pictures: list[QImage] = []
    for zooming in (True, False):
        picture = QImage(1000, 700, QImage.Format.Format_RGB32)
        picture.fill(0)
        with QPainter(picture) as painter:
            painter.translate(*between)
            layer.paint(painter, Scene(view, slide, Optics(), 1.0, zooming))
        pictures.append(picture)
        assert (layer._grid is None) is zooming
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("zooming", [False, True])
def test_a_frame_in_motion_is_drawn_while_tiles_wait(
    source: SlideSource, load: Load, monkeypatch: pytest.MonkeyPatch, zooming: bool
) -> None:
    monkeypatch.setattr(window_first, "_LONGEST_FRAME_S", 0.0)
    layer, had_waited = TileLayer(tile_scaler), list[bool]()
    layer.set_loader(load(INSIDE))
    tiles = layer._tiles

    def look(*of: Any) -> Any:
        had_waited.append(not window_first._is_drawn.is_set())
        return tiles(*of)

    monkeypatch.setattr(layer, "_tiles", look)
    _painted(layer, source, INSIDE, zooming=zooming)
    assert had_waited == [zooming]
    assert window_first._is_drawn.is_set()


def test_a_jump_is_scaled_by_opencv_once_that_is_loaded(source: SlideSource, load: Load) -> None:
    scaler = TileScaler()
    layer = TileLayer(scaler)
    layer.set_loader(load(INSIDE))
    _painted(layer, source, INSIDE)
    load_scaling(scaler)
    far = replace(INSIDE, center=Point(INSIDE.center.x, INSIDE.center.y - 1500))
    layer._loader = load(far)
    expected = TileLayer(scaler)
    expected.set_loader(layer._loader)
    assert (_painted(layer, source, far) == _painted(expected, source, far)).all()
    assert layer._is_scaled


@pytest.mark.parametrize("turn", [90.0, 33.0])
def test_qt_paints_turned_views(source: SlideSource, load: Load, turn: float) -> None:
    view = replace(INSIDE, rotation_deg=turn)
    loader = load(view)
    layer = TileLayer(tile_scaler)
    layer.set_loader(loader)
    other = TileLayer()
    other.set_loader(loader)
    assert (_painted(layer, source, view) == _painted(other, source, view)).all()
    # And back, in the frame that Qt painted to.
    _assert_alike(_painted(other, source, view), _painted(layer, source, view))


def test_without_opencv_qt_paints_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    scaler = TileScaler()
    with caplog.at_level(logging.WARNING):
        load_scaling(scaler)
    assert not scaler.is_ready
    assert "OpenCV cannot be loaded" in caplog.text


@pytest.mark.parametrize(("own_s", "asked_count"), [(0.0, 1), (0.2, 5)])
def test_a_thread_that_was_waited_for_too_long_is_not_asked_for_a_while(
    source: SlideSource,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    own_s: float,
    asked_count: int,
) -> None:
    """So a frame waits for it once where a model computes on all cores, and not each frame.

    Where who waits has drawn longer itself, it would have been later without help.
    """
    scaler = TileScaler()
    load_scaling(scaler)
    loader = load(INSIDE)

    def painted() -> NDArray[np.uint8]:
        layer = TileLayer(scaler)
        layer.set_loader(loader)
        return _painted(layer, source, INSIDE)

    expected = painted()
    helped, begun, awaited = 0, threading.Event(), threading.Event()
    clock_s, has_drawn = 0.0, False
    make_all = tile_scaling._make_all

    def make_all_slowly(calls: deque[Any]) -> None:
        nonlocal helped, clock_s, has_drawn
        if threading.current_thread() is not threading.main_thread():
            helped += 1
            begun.set()
            assert awaited.wait(20)
            awaited.clear()
            clock_s += 0.05
            make_all(calls)
            return
        is_helped = tile_scaling._LATE_S > 0 and clock_s >= scaler._alone_until_s
        if is_helped:
            assert begun.wait(20)
            begun.clear()
        clock_s += own_s
        make_all(calls)
        has_drawn = is_helped

    def now_s() -> float:
        """Tell the time of the test; who has drawn looks at it as they begin to wait."""
        nonlocal has_drawn
        begins_to_wait_s = clock_s
        if has_drawn and threading.current_thread() is threading.main_thread():
            has_drawn = False
            awaited.set()
        return begins_to_wait_s

    monkeypatch.setattr(tile_scaling, "time", SimpleNamespace(monotonic=now_s))
    monkeypatch.setattr(tile_scaling, "_make_all", make_all_slowly)
    monkeypatch.setattr(tile_scaling, "_LATE_S", -1.0)
    assert (painted() == expected).all()
    assert helped == 0, "a thread that comes late takes nothing"
    monkeypatch.setattr(tile_scaling, "_LATE_S", 10.0)
    monkeypatch.setattr(tile_scaling, "_ALONE_S", 1000.0)
    for _ in range(5):
        assert (painted() == expected).all()
    assert helped == asked_count


def test_a_canvas_loads_opencv_in_a_thread_once_the_slide_is_there(sample_slide: Path) -> None:
    code = f"""
import sys, threading, time
from pathlib import Path
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from viewer.canvas.canvas import SlideCanvas
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache
app = QApplication([])
canvas = SlideCanvas(TileCache(64 << 20))
canvas.resize(600, 400)
canvas.show()
app.processEvents()
assert "cv2" not in sys.modules
source = open_slide(Path({str(sample_slide)!r}))
canvas.set_source(source, source.info.optics)
until_s = time.monotonic() + 30
while not canvas.scaler.is_ready and time.monotonic() < until_s:
    assert canvas.is_sharp or not canvas.scaler.is_ready
    app.processEvents()
assert canvas.is_sharp and "cv2" in sys.modules
assert any(each.name.startswith("tile-scaling") for each in threading.enumerate())
canvas.clear()
print("loaded")
"""
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "loaded\n"


def test_figures_are_left_to_qt() -> None:
    assert SlideCanvas.scaler is tile_scaler
    assert FigureCanvas.scaler is None


def test_of_opencv_nothing_but_scaling_is_called() -> None:
    """It comes with decoders, which no file of others may reach."""
    named: dict[str, set[str]] = {}
    for path in Path(viewer.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if "cv2" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] != "cv2"
            elif isinstance(node, ast.Import):
                of_opencv = [each for each in node.names if each.name.startswith("cv2")]
                assert all(each.name == "cv2" and each.asname is None for each in of_opencv)
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "cv2":
                named.setdefault(path.name, set()).add(node.attr)
    constants = {"INTER_LINEAR", "WARP_INVERSE_MAP", "BORDER_REPLICATE"}
    assert named == {
        "opencv.py": {"setNumThreads", "ipp"},
        "tile_picture.py": {"resize", "INTER_AREA"},
        "tile_scaling.py": {"resize", "warpAffine", *constants},
    }
