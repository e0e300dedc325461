"""Drawing: from a movement of the hand to the painted frame, among thousands of regions.

The regions are wavy rings strewn over the slide with a fixed seed, since nobody draws a hundred
thousand.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import shapely
from PySide6.QtCore import QEvent, QEventLoop, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from benchmarks.report import Figure
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document
from viewer.annotations.palette import DEFAULT_PALETTE
from viewer.annotations.selection import Selection
from viewer.canvas.annotating.brush_tool import BrushTool
from viewer.canvas.annotating.edit_context import DrawingOptions, EditContext
from viewer.canvas.annotating.polygon_tool import PolygonTool
from viewer.canvas.annotating.select_tool import SelectTool
from viewer.canvas.annotating.wand_tool import WandTool
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache
from viewer.ui.collector import spare_standing_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.canvas.annotating.drawing_tool import DrawingTool

_CACHE_BYTES = 512 << 20
_FEW, _MANY = 10_000, 100_000
_CORNERS = 40
_MOVES = 400
_STEPS = 150
_FRAME_MS = 16.0
_WAND_MS = 50.0
_NAME = "draw"


def run(slide: Path) -> list[Figure]:
    """Strokes among 10,000 regions, pans and zooms over 100,000, the wand at three zooms."""
    QApplication.instance() or QApplication([])
    return [*_strokes(slide), *_frames(slide)]


class _Bench:
    """A canvas of 1920 x 1080 with regions and a tool in hand."""

    def __init__(self, slide: Path, count: int) -> None:
        self.canvas = SlideCanvas(TileCache[TilePicture](_CACHE_BYTES))
        self.canvas.resize(1920, 1080)
        self.canvas.show()
        source = open_slide(slide)
        self.canvas.set_source(source, source.info.optics)
        self.side_px = source.levels[0].width_px
        self.document = Document(_strewn(self.side_px, count))
        self.selection = Selection(self.document)
        self.desk = EditContext(
            self.document, self.selection, DrawingOptions(), print, mpp_um=0.25, author="benchmark"
        )
        self.layer = AnnotationsLayer(self.document, self.selection, self.canvas.update)
        self.canvas.add_layer(self.layer, LayerOrder.ANNOTATIONS)
        self.tool: DrawingTool | None = None
        spare_standing_objects()  # as the program does

    def take(self, tool: DrawingTool) -> None:
        if self.tool is not None:
            self.canvas.remove_layer(self.tool)
        self.tool = tool
        tool.setParent(self.canvas)
        tool.changed.connect(lambda: self.layer.lift(tool.lifted))
        tool.changed.connect(lambda: self.layer.hover(tool.hovered))
        self.canvas.set_tool(tool)
        self.canvas.add_layer(tool, LayerOrder.TOOLS)

    def show(self, place: Point, downsample: float) -> None:
        """Goes there and waits until all is painted."""
        self.canvas.go_to(place, downsample, animated=False)
        until_s = time.perf_counter() + 60
        while time.perf_counter() < until_s:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
            self.canvas.repaint()
            if self.canvas.is_sharp and self.canvas.is_finished:
                return
        raise TimeoutError("the canvas did not become sharp")

    def send(self, kind: QEvent.Type, x: float, y: float) -> float:
        """Milliseconds from a mouse event to the frame that shows what it did."""
        is_move, is_up = kind is QEvent.Type.MouseMove, kind is QEvent.Type.MouseButtonRelease
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        at = QPointF(x, y)
        event = QMouseEvent(
            kind,
            at,
            at,
            none if is_move else left,
            none if is_up else left,
            Qt.KeyboardModifier.NoModifier,
        )
        start_s = time.perf_counter()
        QApplication.sendEvent(self.canvas, event)
        self.canvas.repaint()
        return (time.perf_counter() - start_s) * 1000

    def stroke(self, way: list[tuple[float, float]]) -> tuple[list[float], float]:
        """Milliseconds of each movement of a stroke, and of its end."""
        self.send(QEvent.Type.MouseButtonPress, *way[0])
        times_ms: list[float] = []
        for place in way[1:]:
            times_ms.append(self.send(QEvent.Type.MouseMove, *place))
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 2)
        return times_ms, self.send(QEvent.Type.MouseButtonRelease, *way[-1])

    def close(self) -> None:
        self.canvas.set_tool(None)
        self.canvas.clear()
        self.canvas.close()


def _strewn(side_px: int, count: int) -> Iterator[Annotation]:
    numbers = np.random.default_rng(5)
    classes = [each.annotation_class for each in DEFAULT_PALETTE]
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    typical = side_px / math.sqrt(count)
    for number in range(count):
        middle = numbers.uniform(0, side_px, 2)
        radii = typical * numbers.uniform(0.15, 0.5) * (1 + 0.2 * np.sin(5 * angles))
        ring = middle + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        yield Annotation(shapely.Polygon(ring), shown_as=classes[number % len(classes)])


def _spiral() -> list[tuple[float, float]]:
    """Return a long stroke that grows outward and crosses regions all the way."""
    turns = np.linspace(0, 14 * np.pi, _MOVES)
    radii = np.linspace(20, 480, _MOVES)
    places = np.stack([960 + 1.8 * radii * np.cos(turns), 540 + radii * np.sin(turns)], 1)
    return [(x, y) for x, y in places.tolist()]


def _p99(times_ms: list[float]) -> float:
    return statistics.quantiles(times_ms, n=100)[98]


def _strokes(slide: Path) -> list[Figure]:
    bench = _Bench(slide, _FEW)
    middle = Point(bench.side_px / 2, bench.side_px / 2)
    figures: list[Figure] = []
    # As the slide is usually drawn on, and with all 10,000 regions in view.
    for where, downsample in (("at 4", 4.0), ("whole slide", bench.side_px / 1080)):
        bench.show(middle, downsample)
        for name, tool in (("brush", BrushTool), ("freehand", PolygonTool)):
            bench.take(tool(bench.desk))
            times_ms, end_ms = bench.stroke(_spiral())
            what = f"{_FEW:,} regions, {name}, {where}"
            figures.append(Figure(_NAME, f"{what}, p99", _p99(times_ms), "ms", _FRAME_MS))
            figures.append(Figure(_NAME, f"{what}, median", statistics.median(times_ms), "ms"))
            figures.append(Figure(_NAME, f"{what}, end of the stroke", end_ms, "ms"))
            bench.document.undo()
            bench.show(middle, downsample)
    bench.show(middle, 4.0)
    figures.append(_dragged(bench))
    figures += _wand(bench)
    bench.close()
    return figures


def _dragged(bench: _Bench) -> Figure:
    bench.take(SelectTool(bench.desk))
    target = bench.document.inside(bench.canvas.view.box)[-1].geometry.centroid
    x, y = bench.canvas.view.to_screen(Point(target.x, target.y))
    way = [(x + step, y + 0.5 * step) for step in range(_STEPS)]
    times_ms, _ = bench.stroke(way)
    bench.document.undo()
    return Figure(_NAME, f"{_FEW:,} regions, one is moved, p99", _p99(times_ms), "ms", _FRAME_MS)


def _wand(bench: _Bench) -> list[Figure]:
    figures: list[Figure] = []
    for downsample in (1.0, 8.0, bench.side_px / 1080):
        bench.show(Point(bench.side_px * 0.45, bench.side_px * 0.5), downsample)
        bench.selection.choose([])
        bench.take(WandTool(bench.desk, bench.canvas.picture_around))
        way = [(700 + 4.0 * step, 400 + 2.0 * step) for step in range(100)]
        times_ms, _ = bench.stroke(way)
        bench.document.undo()
        name = f"wand, {downsample:.0f} px a screen pixel, p99"
        figures.append(Figure(_NAME, name, _p99(times_ms), "ms", _WAND_MS))
    return figures


def _frames(slide: Path) -> list[Figure]:
    """Frames of a pan and of a zoom over 100,000 regions."""
    bench = _Bench(slide, _MANY)
    middle = bench.side_px / 2
    paths = {
        "pan near": [(Point(middle + step * 12, middle + step * 5), 2.0) for step in range(_STEPS)],
        "pan far": [(Point(middle + step * 90, middle), 16.0) for step in range(_STEPS)],
        "zoom": [(Point(middle, middle), 1.5 * 2 ** (step / 30)) for step in range(_STEPS)],
    }
    figures: list[Figure] = []
    for name, path in paths.items():
        for place, downsample in path[:: _STEPS // 10]:  # tiles at hand, regions not
            bench.show(place, downsample)
        bench.layer.show(is_shown=True, is_filled=False, has_names=False)
        bench.show(*path[0])
        times_ms: list[float] = []
        for place, downsample in path:
            bench.canvas.go_to(place, downsample, animated=False)
            start_s = time.perf_counter()
            bench.canvas.repaint()
            times_ms.append((time.perf_counter() - start_s) * 1000)
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        figures.append(
            Figure(_NAME, f"{_MANY:,} regions, {name}, p99", _p99(times_ms), "ms", _FRAME_MS)
        )
    bench.close()
    return figures
