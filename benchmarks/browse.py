"""A scripted reading of a large slide through the real canvas: how long until it is sharp.

The event loop is instrumented by a timer of 1 ms: the longest gap between its ticks is the longest
stall that a hand would feel.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING, Protocol

import psutil
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication

from benchmarks.report import Figure
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.memory.allocator import keep_memory_of_tiles
from viewer.slides import open_slide
from viewer.slides.reader_process.pool import reader_pool
from viewer.tiles.cache import TileCache
from viewer.ui.collector import let_window_come_first, spare_standing_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CACHE_BYTES = 512 << 20
_MIB = 1 << 20
_FRAME_S = 1 / 60
_SPARE_S = 2.5
"""For the reader in reserve to start, also on a busy machine."""
ZOOMS, PANS, JUMPS = 50, 200, 20
REOPEN = "open to sharp, a reader in reserve"


class Closing(Protocol):
    """What goes on beside the browsing."""

    def close(self) -> None: ...


def jump_points(side_px: int, count: int = JUMPS) -> Iterator[Point]:
    """Yield the same places for every reader, away from the slide's edges."""
    places = random.Random(7)  # noqa: S311 - a fixed series of places
    for _ in range(count):
        yield Point(places.uniform(0.05, 0.95) * side_px, places.uniform(0.05, 0.95) * side_px)


class _Watch:
    """Counts frames with holes and the longest stall of the event loop."""

    def __init__(self, canvas: SlideCanvas) -> None:
        self.frames = 0
        self.holes = 0
        self.longest_stall_s = 0.0
        self._canvas = canvas
        self._last_s = time.perf_counter()
        self._timer = QTimer(interval=1)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def count_frame(self) -> None:
        self.frames += 1
        self.holes += self._canvas.has_hole

    def forget_gap(self) -> None:
        """What lies before was not the program's own time."""
        self._last_s = time.perf_counter()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now_s = time.perf_counter()
        self.longest_stall_s = max(self.longest_stall_s, now_s - self._last_s)
        self._last_s = now_s


def run_until(condition: Callable[[], bool], patience_s: float = 30.0) -> float:
    """Run the event loop until the condition holds; return the seconds it took.

    It sleeps between events, as the program does: a loop that spins takes one of two cores, and
    Python's lock, from those who decode.
    """
    start_s = time.perf_counter()
    waker = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
    waker.start()
    while not condition():
        QApplication.processEvents(
            QEventLoop.ProcessEventsFlag.AllEvents | QEventLoop.ProcessEventsFlag.WaitForMoreEvents
        )
        if time.perf_counter() - start_s > patience_s:
            raise TimeoutError("the canvas did not become sharp")
    waker.stop()
    return time.perf_counter() - start_s


def _rest(seconds: float) -> None:
    end_s = time.perf_counter() + seconds
    run_until(lambda: time.perf_counter() >= end_s)


def _open(canvas: SlideCanvas, slide: Path) -> tuple[float, float]:
    """Show a slide; return seconds to its first tile and until all of it is sharp."""
    start_s = time.perf_counter()
    source = open_slide(slide)
    canvas.set_source(source, source.info.optics)
    loader = canvas.loader
    assert loader is not None
    run_until(lambda: loader.decoded_count > 0)
    first_s = time.perf_counter() - start_s
    run_until(lambda: canvas.is_sharp)
    canvas.repaint()
    return first_s, time.perf_counter() - start_s


def run(
    slide: Path, name: str = "browse", at_work: Callable[[SlideCanvas], Closing] | None = None
) -> list[Figure]:
    """Opens, zooms, pans and jumps at 1920 x 1080; the figures of it.

    `at_work` starts something else on the canvas before; it is closed at the end.
    """
    application = QApplication.instance() or QApplication([])
    assert application is not None
    process = psutil.Process()
    canvas = SlideCanvas(TileCache[TilePicture](_CACHE_BYTES))
    canvas.resize(1920, 1080)
    canvas.show()
    let_window_come_first()  # as the program does
    keep_memory_of_tiles()
    spare_standing_objects()
    QApplication.processEvents()
    before_bytes = process.memory_info().rss

    first_s, open_s = _open(canvas, slide)
    # Again as the program does, which has a reader ready; a new one starts after it.
    reader_pool().keep_spare()
    _rest(_SPARE_S)
    _, reopen_s = _open(canvas, slide)
    _rest(_SPARE_S)
    assert canvas.source is not None
    side_px = canvas.source.levels[0].width_px
    loader = canvas.loader
    assert loader is not None

    other = at_work(canvas) if at_work is not None else None
    watch = _Watch(canvas)
    watch.forget_gap()
    peak_bytes = 0
    for step in range(ZOOMS):
        canvas.zoom_by(1.5 if (step // 9) % 2 == 0 else 1 / 1.5)
        run_until(lambda: not canvas.is_moving)
        watch.count_frame()
    canvas.go_to(Point(side_px / 2, side_px / 2), 1.0, animated=False)
    run_until(lambda: canvas.is_sharp)
    for step in range(PANS):
        due_s = time.perf_counter() + _FRAME_S
        center = canvas.view.center
        canvas.go_to(Point(center.x + 24, center.y + (step % 3) * 8), 1.0, animated=False)
        run_until(lambda due_s=due_s: time.perf_counter() >= due_s)
        watch.count_frame()
    first_tiles_s: list[float] = []
    sharp_s: list[float] = []
    for place in jump_points(side_px):
        count = loader.decoded_count
        start_s = time.perf_counter()
        canvas.go_to(place, 1.0, animated=False)
        run_until(lambda count=count: loader.decoded_count > count)
        first_tiles_s.append(time.perf_counter() - start_s)
        run_until(lambda: canvas.is_sharp)
        canvas.repaint()
        sharp_s.append(time.perf_counter() - start_s)
        watch.count_frame()
        _rest(0.3)
        peak_bytes = max(peak_bytes, process.memory_info().rss)
    watch.stop()
    unseen = loader.unseen_share
    if other is not None:
        other.close()
    canvas.clear()
    canvas.close()
    over_mib = (peak_bytes - before_bytes - _CACHE_BYTES) / _MIB
    return [
        Figure(name, "open to first picture", first_s * 1000, "ms"),
        Figure(name, "open to sharp", open_s * 1000, "ms", 460),
        Figure(name, REOPEN, reopen_s * 1000, "ms", 100),
        Figure(name, "jump to first tiles, median", statistics.median(first_tiles_s) * 1e3, "ms"),
        Figure(name, "jump to sharp, median", statistics.median(sharp_s) * 1000, "ms", 17),
        Figure(name, "jump to sharp, longest", max(sharp_s) * 1000, "ms"),
        Figure(name, "frames with a hole", 100 * watch.holes / watch.frames, "%", 0),
        Figure(name, "longest stall", watch.longest_stall_s * 1000, "ms", 30),
        Figure(name, "decoded, never shown", 100 * unseen, "%", 25),
        Figure(name, "memory beyond the cache", over_mib, "MiB", 150),
    ]
