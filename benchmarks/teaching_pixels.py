"""A pixel classifier taught in the field: from a stroke to the first answer, and to all."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import shapely

from benchmarks.report import Figure
from viewer.geometry import Box, Point
from viewer.inference.teaching.live_map import field_blocks
from viewer.inference.teaching.marks import Mark
from viewer.inference.teaching.pixel_samples import pixel_samples
from viewer.inference.teaching.pixel_settings import PixelSettings
from viewer.inference.teaching.pixel_teacher import PixelTeacher, TaughtSlide
from viewer.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

_VIEW_PX = (946, 672)
"""Of a slide in a window of 1366 x 768 pixels with a page open, at 20x: 0.5 um a pixel."""
_CORNER = (700, 1500)
_STROKES = 12
_NAMES = ("Epithelium", "Stroma", "Glass")
_PLACES = ((1150, 1950), (900, 1700), (760, 1600))


def run(slide: Path) -> list[Figure]:
    """Return the figures of strokes on a field of a slide, whose features are known."""
    width, height = _VIEW_PX
    x, y = _CORNER
    settings = PixelSettings()
    first_s: list[float] = []
    view_s: list[float] = []
    processor_s: list[float] = []
    with closing(open_slide(slide)) as source, closing(PixelTeacher(settings)) as teacher:
        on = TaughtSlide.of(source, source.info.optics.mean_mpp_um or 0.5, settings)
        keys = field_blocks(on.grid, Box(x, y, x + width, y + height), Point(*_PLACES[0]))
        started_s = time.perf_counter()
        teacher.see(on, keys[0])
        starting_s = time.perf_counter() - started_s
        started_s = time.perf_counter()
        for key in keys[1:]:
            teacher.see(on, key)
        seeing_ms = 1000 * (time.perf_counter() - started_s) / max(1, len(keys) - 1)
        marks: list[Mark] = []
        for number in range(_STROKES):
            name, (left, top) = _NAMES[number % 3], _PLACES[number % 3]
            at = shapely.LineString(
                [(left, top + 8 * number), (left + 60, top + 8 * number + 20)]
            ).buffer(3)
            marks.append(Mark(at, name, "#d55e00"))
            names = list(dict.fromkeys(mark.name for mark in marks))
            if len(names) < 2:
                continue
            started_s, before_s = time.perf_counter(), _processor_s()
            teacher.fit([on], [pixel_samples(marks, names, on.grid, on.mpp_um)], names)
            teacher.chances(on, keys[0])
            first_s.append(time.perf_counter() - started_s)
            processor_s.append(_processor_s() - before_s)
            for key in keys[1:]:
                teacher.chances(on, key)
            view_s.append(time.perf_counter() - started_s)
    first_ms, view_ms, processor_ms = (
        1000 * statistics.median(each) for each in (first_s, view_s, processor_s)
    )
    return [
        Figure("teaching", "first answer after a stroke", first_ms, "ms", 300.0),
        Figure("teaching", "of it processor time, of all processes", processor_ms, "ms", 300.0),
        Figure("teaching", f"whole view after a stroke, {len(keys)} blocks", view_ms, "ms"),
        Figure("teaching", "features of a block that comes into view", seeing_ms, "ms"),
        Figure("teaching", "process of its own, until the first block", starting_s, "s"),
    ]


def _processor_s() -> float:
    """Return the processor time of this process and of those that it started."""
    me = psutil.Process()
    times = [each.cpu_times() for each in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in times)
