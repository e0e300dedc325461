"""A composite of four channels while the end of one's range moves, at 1920 x 1080.

What the window's thread takes for a frame is told apart from how soon all tiles show the new range:
tiles are rendered by the loader's workers, and the slide is read once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from msgspec.structs import replace
from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from benchmarks.browse import run_until
from benchmarks.report import Figure
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.slides.channels import ImagePlane
from viewer.slides.opener import open_slide
from viewer.tiles.cache import TileCache
from viewer.tiles.display import default_display
from viewer.ui.collector import spare_standing_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SIDE_PX, _TILE_PX, _PLANES = 4096, 256, 3
_MOVES, _FOCUS_MOVES = 240, 24
_FRAME_S = 1 / 60
_PATIENCE_S = 60.0
_TARGET_MS = 16.0
_CACHE_BYTES = 1 << 30
_NAMES = ("DAPI", "FITC", "TRITC", "Cy5")


def run(folder: Path) -> list[Figure]:
    """Move the slider for four seconds at 60 frames a second, then turn the focus."""
    application = QApplication.instance() or QApplication([])
    assert application is not None
    canvas = SlideCanvas(TileCache[TilePicture](_CACHE_BYTES))
    canvas.resize(1920, 1080)
    canvas.show()
    spare_standing_objects()  # as the program does
    source = open_slide(_stack(folder / "channels.ome.tif"))
    canvas.set_look(default_display(source.info))
    canvas.set_source(source, source.info.optics)
    canvas.go_to(canvas.slide_box.center, 1.0, animated=False)
    run_until(lambda: canvas.is_sharp, _PATIENCE_S)
    frames_ms: list[float] = []
    loader = canvas.loader
    assert loader is not None
    rendered = loader.decoded_count
    start_s = time.perf_counter()
    for move in range(_MOVES):
        due_s = time.perf_counter() + _FRAME_S
        frames_ms.append(_frame_ms(lambda move=move: _move_slider(canvas, move)))
        while time.perf_counter() < due_s:
            frames_ms[-1] += _frame_ms(lambda: None)
            time.sleep(0.0005)
    tiles_per_s = (loader.decoded_count - rendered) / (time.perf_counter() - start_s)
    settled_ms: list[float] = []
    for move in range(10):
        _move_slider(canvas, move * 7 + 3)
        settled_ms.append(run_until(lambda: canvas.is_sharp, _PATIENCE_S) * 1e3)
    focus_ms: list[float] = []
    for move in range(_FOCUS_MOVES):
        canvas.set_plane(ImagePlane((move + 1) % _PLANES))
        focus_ms.append(run_until(lambda: canvas.is_sharp, _PATIENCE_S) * 1e3)
    canvas.clear()
    canvas.close()
    p50, p99 = np.percentile(frames_ms, [50, 99]).tolist()
    return [
        Figure("channels", "window's thread a frame, median", p50, "ms"),
        Figure("channels", "window's thread a frame, p99", p99, "ms", _TARGET_MS),
        Figure("channels", "tiles rendered", tiles_per_s, "1/s"),
        Figure(
            "channels", "all tiles in the new range, median", float(np.median(settled_ms)), "ms"
        ),
        Figure("channels", "next focal plane sharp, median", float(np.median(focus_ms)), "ms"),
    ]


def _move_slider(canvas: SlideCanvas, move: int) -> None:
    look = canvas.look
    first, *others = look.channels
    high = 2000.0 + 30 * (move % 60)
    canvas.set_look(replace(look, channels=(replace(first, high=high), *others)))


def _frame_ms(work: Callable[[], object]) -> float:
    """Return the processor time that this thread takes for work and for painting what it did."""
    start_s = time.thread_time()
    work()
    QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
    return (time.thread_time() - start_s) * 1e3


def _stack(path: Path) -> Path:
    """Write four channels of 16 bits in three planes: noise with nuclei of a few sizes."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:_SIDE_PX, :_SIDE_PX].astype(np.float32)
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as out:
        values = np.empty((_PLANES, len(_NAMES), _SIDE_PX, _SIDE_PX), np.uint16)
        for z, c in np.ndindex(_PLANES, len(_NAMES)):
            waves = np.sin(x / (9 + 3 * c)) * np.sin(y / (11 + 2 * c + z))
            values[z, c] = np.clip(300 + 3000 * waves, 0, None).astype(np.uint16)
            values[z, c] += random.integers(0, 100, (_SIDE_PX, 1), np.uint16)
        about = {"axes": "ZCYX", "Channel": {"Name": list(_NAMES)}}
        out.write(values, tile=(_TILE_PX, _TILE_PX), compression="zlib",
                  photometric="minisblack", metadata=about)  # fmt: skip
    return path
