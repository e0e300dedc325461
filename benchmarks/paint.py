"""How long a frame takes, with all tiles at hand or not, and how like one at rest it is."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEventLoop
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from skimage.metrics import structural_similarity

from benchmarks.report import Figure
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache
from viewer.ui.collector import let_window_come_first, spare_standing_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_CACHE_BYTES = 2 << 30
_STEPS = 120
_ROUNDS = 3
"""Of all steps: of 120 frames the 99th percentile is the worst but one, whatever made that late."""
_FRAME_S = 1 / 60
_REST_S = 0.5
_COLD_PLACES = 8
_LEAST_SSIM = 0.98


def run(slide: Path) -> list[Figure]:
    """Frame times at two sizes of window, with memory collected as the program has it."""
    QApplication.instance() or QApplication([])
    let_window_come_first()
    return [*_at_size(slide, 1920, 1080, 8.0, 16.0), *_at_size(slide, 3840, 2160, None, 16.0)]


def _at_size(
    slide: Path, width: int, height: int, median_ms: float | None, p99_ms: float | None
) -> list[Figure]:
    canvas = SlideCanvas(TileCache[TilePicture](_CACHE_BYTES))
    canvas.resize(width, height)
    canvas.show()
    source = open_slide(slide)
    side_px = source.levels[0].width_px
    canvas.set_source(source, source.info.optics)
    figures: list[Figure] = []
    for name, path in (("pan", list(_pan(side_px))), ("zoom", list(_zoom(side_px)))):
        for place in path:
            canvas.go_to(*place, animated=False)
            _wait(canvas)
        spare_standing_objects()
        times_ms: list[float] = []
        for _ in range(_ROUNDS):
            # From its end back to its begin is a jump, which paints all of the view.
            canvas.go_to(*path[0], animated=False)
            canvas.repaint()
            times_ms += [_frame_ms(canvas, place, 0.005) for place in path]
        where = f"{width} x {height} {name}"
        p99 = statistics.quantiles(times_ms, n=100)[98]
        median = statistics.median(times_ms)
        figures.append(Figure("paint", f"{where}, median", median, "ms", median_ms))
        figures.append(Figure("paint", f"{where}, p99", p99, "ms", p99_ms))
    cold_ms = list(_cold(canvas, side_px))
    where = f"{width} x {height} zoom out while tiles load"
    figures.append(Figure("paint", f"{where}, median", statistics.median(cold_ms), "ms"))
    p95 = statistics.quantiles(cold_ms, n=20)[18]
    figures.append(Figure("paint", f"{where}, p95", p95, "ms"))
    likeness = min(_likeness(canvas, downsample) for downsample in (1.3, 1.7, 2.9))
    what = f"{width} x {height} zoom, SSIM to the frame at rest"
    figures.append(Figure("paint", what, likeness, "", _LEAST_SSIM, at_least=True))
    assert canvas.loader is not None
    canvas.loader.close()  # all of it, before the interpreter ends
    canvas.clear()
    canvas.close()
    return figures


def _frame_ms(canvas: SlideCanvas, place: tuple[Point, float], until_next_s: float) -> float:
    """Return the time that a frame took; then events come until the next."""
    canvas.go_to(*place, animated=False)
    start_s = time.perf_counter()
    canvas.repaint()
    taken_s = time.perf_counter() - start_s
    _run(until_next_s)
    return taken_s * 1000


def _cold(canvas: SlideCanvas, side_px: int) -> Iterator[float]:
    """Zoom out from places where nobody was; frames end 1/60 s after each other at the soonest."""
    for number in range(_COLD_PLACES):
        share = (number + 1) / (_COLD_PLACES + 1)
        center = Point(share * side_px, (1 - share) * side_px)
        canvas.go_to(center, 1.3, animated=False)
        _wait(canvas)
        _run(_REST_S)
        for step in range(1, 17):
            yield _frame_ms(canvas, (center, 1.3 * 1.15**step), _FRAME_S)


def _run(seconds: float) -> None:
    until_s = time.perf_counter() + seconds
    while (left_s := until_s - time.perf_counter()) > 0:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, round(left_s * 1000))


def _likeness(canvas: SlideCanvas, downsample: float) -> float:
    """Return the structural similarity of a frame within a zoom to the same frame at rest."""
    for factor in (0.9, 0.95, 1.0):
        canvas.go_to(canvas.view.center, downsample * factor, animated=False)
        canvas.repaint()
    moving = _gray(canvas)
    _wait(canvas)
    likeness: Any = structural_similarity(moving, _gray(canvas))  # a number, without more options
    return float(likeness)


def _gray(canvas: SlideCanvas) -> NDArray[np.uint8]:
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width()].copy()


def _pan(side_px: int) -> Iterator[tuple[Point, float]]:
    """At a zoom between two levels, so that every tile is scaled."""
    for step in range(_STEPS):
        yield Point(side_px / 2 + step * 22, side_px / 2 + step * 9), 1.4


def _zoom(side_px: int) -> Iterator[tuple[Point, float]]:
    """From 1 to 16 level-0 pixels per screen pixel."""
    for step in range(_STEPS):
        yield Point(side_px / 2, side_px / 2), 2.0 ** (4 * step / _STEPS)


def _wait(canvas: SlideCanvas) -> None:
    until_s = time.perf_counter() + 30
    while not canvas.is_sharp and time.perf_counter() < until_s:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
