"""How long a window does not answer: the longest gap between the ticks of a 10 ms timer."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication

from viewer.memory.allocator import keep_memory_of_tiles, share_arenas
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.collector import Collector, let_window_come_first
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from viewer.ui.slides.slide_pane import SlidePane

_TICK_MS = 10
_LOOK_MS = 5
"""Between two looks whether something has come about."""
_CACHE_BYTES = 256 << 20
_PATIENCE_S = 120.0


class Stalls(msgspec.Struct):
    """The gaps of a stretch of time.

    Attributes
    ----------
    gaps_ms
        Between ticks, those that are longer than two of them.
    busy_ms
        What the window's own thread computed in each of them: the rest it waited for others.
    cpu_s
        Of all threads of this process.
    """

    gaps_ms: list[float] = msgspec.field(default_factory=list[float])
    busy_ms: list[float] = msgspec.field(default_factory=list[float])
    took_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def longest_ms(self) -> float:
        return max(self.gaps_ms, default=0.0)

    @property
    def busiest_ms(self) -> float:
        return max(self.busy_ms, default=0.0)


@contextmanager
def measured() -> Iterator[Stalls]:
    """Measure what the body does; its events run in `wait` and `settle`, and the last ones here."""
    stalls = Stalls()
    last_s, last_busy_s = time.perf_counter(), time.thread_time()

    def tick() -> None:
        nonlocal last_s, last_busy_s
        now_s, busy_s = time.perf_counter(), time.thread_time()
        gap_ms = (now_s - last_s) * 1000
        if gap_ms > 2 * _TICK_MS:
            stalls.gaps_ms.append(gap_ms)
            stalls.busy_ms.append((busy_s - last_busy_s) * 1000)
        last_s, last_busy_s = now_s, busy_s

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(_TICK_MS)
    timer.timeout.connect(tick)
    timer.start()
    begin_s, begin_cpu_s = last_s, time.process_time()
    try:
        yield stalls
        settle(0.03)
    finally:
        timer.stop()
        stalls.took_s = time.perf_counter() - begin_s
        stalls.cpu_s = time.process_time() - begin_cpu_s


def wait(is_so: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
    """Let the window work until something is so. Raises TimeoutError."""
    until_s = time.perf_counter() + patience_s
    while not is_so():
        if time.perf_counter() > until_s:
            raise TimeoutError("it did not come about")
        _run(_LOOK_MS)


def open_in(pane: SlidePane, ask: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
    """Ask for a slide, and wait until it, not the one before, is shown or said not to open.

    Raises TimeoutError.
    """
    came: list[Path] = []
    opened = pane.opened.connect(came.append)
    failed = pane.failed.connect(lambda path, _sentence: came.append(path))
    try:
        ask()
        wait(lambda: bool(came) and not pane.is_opening, patience_s)
    finally:
        pane.opened.disconnect(opened)
        pane.failed.disconnect(failed)


def settle(seconds: float) -> None:
    """Let the window work for a while."""
    _run(round(1000 * seconds))


def _run(milliseconds: int) -> None:
    """Run the loop of events, as the program does, which sleeps while there are none."""
    loop = QEventLoop()
    # PySide 6.11 keeps some memory for ever with each connection to a slot of Qt's own.
    QTimer.singleShot(milliseconds, lambda: loop.quit())
    loop.exec()


def open_window() -> MainWindow:
    """Return a window that is shown, as the program shows it."""
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    share_arenas()
    keep_memory_of_tiles()
    let_window_come_first()
    window = MainWindow(Settings(), TileCache(_CACHE_BYTES))
    apply_theme(application, DARK)
    window.resize(1280, 800)
    window.show()
    settle(0.5)
    Collector(lambda: any(each.canvas.is_moving for each in window.panes.panes), window).begin()
    return window


def close_window(window: MainWindow) -> None:
    """End a window and all that belongs to it."""
    window.close()
    window.deleteLater()
    settle(0.1)
