"""Overlays: a model's process at work against its bare forward, and a million objects on a slide.

The objects are ellipses of nuclear size strewn over the slide with a fixed seed, since no model
here finds a million.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import psutil
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from benchmarks import browse
from benchmarks.report import Figure
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Box, Point
from viewer.inference.models.model_library import find_model
from viewer.inference.process.spare_process import prepare_model_process
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.overlays.heatmap import gradient
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_style import STEPS, ObjectStyle
from viewer.overlays.objects import Objects
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.result_store import ResultStore, result_path
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache
from viewer.ui.collector import spare_standing_objects

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.overlays.result_map import BlockResult

_MIB = 1 << 20
_OBJECTS = 1_000_000
_CORNERS = 14
_STEPS = 100
_IMPORT_S = 8.0
"""In which a process has imported what models need."""


class _Listener:
    """Notes when the first block came and when all are there."""

    def __init__(self, objects: ObjectMap) -> None:
        self.objects = objects
        self.first_s = self.ready_s = self.seen_s = 0.0
        self.ended = threading.Event()

    def on_preview(self, key: BlockKey, objects: Objects) -> None:  # noqa: ARG002 - as told
        if len(objects) and not self.seen_s:
            self.seen_s = time.perf_counter()

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        assert isinstance(result, Objects)
        if self.objects.add(key, result) and not self.first_s:
            self.first_s = time.perf_counter()

    def on_progress(self, progress: Progress) -> None:
        if progress.total and progress.done == progress.total:
            self.ended.set()

    def on_ready(self, device: str) -> None:  # noqa: ARG002 - the listener's signature
        self.ready_s = time.perf_counter()

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        print(sentence)
        if is_final:
            self.ended.set()


def run(sample: Path, large: Path) -> list[Figure]:
    """Return the model on the sample slide, a million objects on the large one."""
    QApplication.instance() or QApplication([])
    spare_standing_objects()  # as the program does
    return [*_million(large), *_engine(sample), *_browsed(large), *_whole(large)]


def _browsed(slide: Path) -> list[Figure]:
    """Return the browse benchmark with the nuclei model at work on the whole slide."""

    def at_work(canvas: SlideCanvas) -> OverlaidCanvas:
        return OverlaidCanvas(canvas, slide)

    return browse.run(slide, "browse with overlay", at_work)


class OverlaidCanvas(QObject):
    """An engine at work on a canvas's slide, its objects painted as they come."""

    _came = Signal(object, object)

    def __init__(self, canvas: SlideCanvas, slide: Path) -> None:
        super().__init__()
        self._canvas = canvas
        source, bundle = open_slide(slide), find_model("nuclei")
        mpp_um = source.info.optics.mean_mpp_um or 0.5
        grid = block_grid(source, bundle.description, mpp_um)
        identity = source.info.identity
        source.close()
        self._found = ObjectMap(grid, mpp_um)
        self._layer = ObjectsLayer()
        self._layer.show_map(self._found, [color for _, color in bundle.colors])
        canvas.add_layer(self._layer, LayerOrder.OBJECTS)
        self._came.connect(self._take)
        self._engine = Engine(slide, identity, grid, mpp_um, bundle, self)
        self._engine.run(canvas.slide_box)
        # As the window does, once the view has rested.
        self._settle = QTimer(self, singleShot=True, interval=120)
        self._settle.timeout.connect(lambda: self._engine.look_at(canvas.view.box))
        canvas.view_changed.connect(lambda *_: self._settle.start())

    def close(self) -> None:
        print(f"    {self._found.count} objects were found meanwhile")
        self._settle.stop()
        self._engine.close()

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        self._came.emit(key, result)

    def on_progress(self, progress: Progress) -> None: ...

    def on_ready(self, device: str) -> None: ...

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:  # noqa: ARG002
        print(sentence)

    def _take(self, key: BlockKey, objects: Objects) -> None:
        self._found.add(key, objects)
        self._layer.refresh(key)
        self._canvas.update()


def _engine(slide: Path) -> list[Figure]:
    source, bundle = open_slide(slide), find_model("nuclei")
    mpp_um = source.info.optics.mean_mpp_um
    assert mpp_um is not None
    grid = block_grid(source, bundle.description, mpp_um)
    listener = _Listener(ObjectMap(grid, mpp_um))
    began_s = time.perf_counter()
    engine = Engine(
        slide, source.info.identity, grid, mpp_um, bundle, listener, on_preview=listener.on_preview
    )
    whole = Box(0, 0, *grid.slide)
    engine.look_at(Box.around(whole.center, grid.side, grid.side))
    engine.run(whole)
    listener.ended.wait(600)
    end_s, timing = time.perf_counter(), engine.timing
    engine.close()
    working_s = end_s - listener.ready_s
    name = "nuclei on the CPU" if os.environ.get("CUDA_VISIBLE_DEVICES") == "" else "nuclei"
    share = 100 * max(0.0, 1 - timing.forward_s / working_s)
    seen_s, whole_s = _first(slide)
    return [
        Figure("overlays", f"{name}, turned on to first objects seen", seen_s, "s", 1.5),
        Figure("overlays", f"{name}, turned on to first block", whole_s, "s"),
        Figure(
            "overlays", f"{name}, no process ready, first objects", listener.seen_s - began_s, "s"
        ),
        Figure("overlays", f"{name}, fields", timing.blocks / working_s, "/s"),
        Figure("overlays", f"{name}, objects", listener.objects.count / working_s, "/s"),
        Figure("overlays", f"{name}, time outside the forward", share, "%", 25.0),
    ]


def _first(slide: Path) -> tuple[float, float]:
    """Return seconds to the first objects and to the first block, with a process ready.

    The window has one ready while the page AI is seen.
    """
    prepare_model_process()
    time.sleep(_IMPORT_S)
    source, bundle = open_slide(slide), find_model("nuclei")
    mpp_um = source.info.optics.mean_mpp_um
    assert mpp_um is not None
    grid = block_grid(source, bundle.description, mpp_um)
    listener, identity = _Listener(ObjectMap(grid, mpp_um)), source.info.identity
    with tempfile.TemporaryDirectory() as home, _home(home):  # where nothing is kept yet
        began_s = time.perf_counter()
        engine = Engine(
            slide, identity, grid, mpp_um, bundle, listener, on_preview=listener.on_preview
        )
        whole = Box(0, 0, *grid.slide)
        engine.look_at(Box.around(whole.center, grid.side, grid.side))
        while not listener.first_s and not listener.ended.wait(0.01):
            pass
        engine.close()
    source.close()
    return (listener.seen_s or listener.first_s) - began_s, listener.first_s - began_s


@contextmanager
def _home(folder: str) -> Generator[None]:
    """Keep results elsewhere for a while."""
    before = os.environ.get("COVERSLIP_HOME")
    os.environ["COVERSLIP_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["COVERSLIP_HOME"]
        else:
            os.environ["COVERSLIP_HOME"] = before


def _whole(slide: Path) -> list[Figure]:
    """Memory of both processes over a whole slide, with the model that is through in minutes."""
    source, bundle = open_slide(slide), find_model("tissue-quality")
    mpp_um = source.info.optics.mean_mpp_um or 0.25
    grid = block_grid(source, bundle.description, mpp_um)
    listener = _Memory(grid, mpp_um)
    engine = Engine(slide, source.info.identity, grid, mpp_um, bundle, listener)
    listener.engine = engine
    engine.run(Box(0, 0, *grid.slide))
    listener.ended.wait(1200)
    engine.close()
    source.close()
    quarter, end = listener.at(0.25), listener.at(1.0)
    name = f"tissue quality over {grid.slide.width:,.0f} px"
    return [
        Figure("overlays", f"{name}, memory at a quarter", quarter, "MiB"),
        Figure("overlays", f"{name}, memory at the end", end, "MiB", 1.1 * quarter),
    ]


class _Memory:
    """Notes what both processes have in memory as the run goes on."""

    def __init__(self, grid: BlockGrid, mpp_um: float) -> None:
        self.engine: Engine | None = None
        self.ended = threading.Event()
        self._found = PatchFeatureMap(grid, mpp_um)
        self._seen: list[tuple[float, float]] = []

    def at(self, share: float) -> float:
        """MiB when as much of the slide was done."""
        return min(self._seen, key=lambda seen: abs(seen[0] - share))[1]

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        assert isinstance(result, PatchFeatures)
        self._found.add(key, result)

    def on_progress(self, progress: Progress) -> None:
        worker = self.engine.process_id if self.engine is not None else None
        if progress.total and worker is not None and progress.done % 50 == 0:
            ids = (None, worker)
            bytes_ = sum(psutil.Process(process).memory_info().rss for process in ids)
            self._seen.append((progress.done / progress.total, bytes_ / _MIB))
        if progress.total and progress.done == progress.total:
            self.ended.set()

    def on_ready(self, device: str) -> None: ...

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        print(sentence)
        if is_final:
            self.ended.set()


def _million(slide: Path) -> list[Figure]:
    source, bundle = open_slide(slide), find_model("nuclei")
    mpp_um = source.info.optics.mean_mpp_um or 0.25
    grid = block_grid(source, bundle.description, mpp_um)
    store = ResultStore(result_path(source.info.identity, "a million", mpp_um))
    for key, objects in _strewn(grid):
        store.put(key, objects.to_bytes())
    store.close()
    before_bytes = psutil.Process().memory_info().rss
    began_s = time.perf_counter()
    objects = ObjectMap(grid, mpp_um)
    store = ResultStore(store.path)
    for key, found in store:
        objects.add(key, Objects.from_bytes(found))
    store.close()
    load_s = time.perf_counter() - began_s
    figures = [Figure("overlays", f"{objects.count:,} objects, load", load_s, "s", 3.0)]
    for size in ((1920, 1080), (3840, 2160)):
        figures += _frames(slide, objects, *size)
    grown = (psutil.Process().memory_info().rss - before_bytes) / _MIB
    return [*figures, Figure("overlays", "a million objects, memory", grown, "MiB", 1024.0)]


def _strewn(grid: BlockGrid) -> list[tuple[BlockKey, Objects]]:
    numbers = np.random.default_rng(3)
    keys = grid.covering(Box(0, 0, *grid.slide))
    each = -(-_OBJECTS // len(keys))
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    blocks: list[tuple[BlockKey, Objects]] = []
    for key in keys:
        core = grid.core_box(key)
        middles = numbers.uniform((core.x0, core.y0), (core.x1, core.y1), (each, 2))
        radii = numbers.uniform(10, 20, (each, 1, 2))
        rings = middles[:, None] + circle[None] * radii
        blocks.append(
            (
                key,
                Objects(
                    rings.reshape(-1, 2).astype(np.float32),
                    np.arange(each + 1, dtype=np.int64) * _CORNERS,
                    middles.astype(np.float32),
                    np.zeros(each, np.uint8),
                    {"Area um2": numbers.uniform(10, 90, each).astype(np.float32)},
                ),
            )
        )
    return blocks


def _changes(canvas: SlideCanvas, layer: ObjectsLayer) -> float:
    """99th percentile of the time that the window is held up by another threshold, ms."""
    colors = gradient("viridis", STEPS, 0.35)
    times_ms: list[float] = []
    for step in range(_STEPS):
        style = ObjectStyle(measurement="Area um2", low=10 + step / 4, high=90.0)
        start_s = time.perf_counter()
        layer.set_style(style, colors)
        canvas.repaint()
        times_ms.append((time.perf_counter() - start_s) * 1000)
    layer.set_style(ObjectStyle())
    return statistics.quantiles(times_ms, n=100)[98]


def _frames(slide: Path, objects: ObjectMap, width_px: int, height_px: int) -> list[Figure]:
    """Time of a frame of this size with the objects in it, far out, nearer and near."""
    canvas = SlideCanvas(TileCache[TilePicture](256 * _MIB))
    canvas.resize(width_px, height_px)
    canvas.show()
    source = open_slide(slide)
    canvas.set_source(source, source.info.optics)
    layer = ObjectsLayer()
    layer.show_map(objects, ["#ffd60a"])
    canvas.add_layer(layer, LayerOrder.OBJECTS)
    what = f"a million objects, {width_px} px wide"
    figures: list[Figure] = []
    side = source.levels[0].width_px
    QApplication.processEvents()
    for name, um_per_px in (("density", 8.0), ("dots", 2.0), ("outlines", 0.5)):
        downsample = um_per_px / objects.mpp_um
        times_ms: list[float] = []
        for step in range(2 * _STEPS):
            place = Point(side / 2 + (step % _STEPS) * 8 * downsample, side / 2)
            canvas.go_to(place, downsample, animated=False)
            QApplication.processEvents()
            start_s = time.perf_counter()
            canvas.repaint()
            if step >= _STEPS:
                times_ms.append((time.perf_counter() - start_s) * 1000)
        p99 = statistics.quantiles(times_ms, n=100)[98]
        figures.append(Figure("overlays", f"{what}, pan, {name}, p99", p99, "ms", 16.0))
        p99 = _changes(canvas, layer)
        figures.append(Figure("overlays", f"{what}, a slider moved, {name}, p99", p99, "ms", 16.0))
    canvas.clear()
    canvas.close()
    return figures
