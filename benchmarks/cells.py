"""Cells by settings: how long a change of a setting takes to be seen, and measuring many cells."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.report import Figure
from viewer.geometry import Box
from viewer.inference.cells.detection import StainImages, detected
from viewer.inference.cells.measuring import Runs, classified, shape_of, stain_measurements
from viewer.inference.cells.settings import CellSettings
from viewer.inference.runs.cell_previewer import CellPreviewer
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import RgbImage

_VIEW_PX = (946, 672)
"""Of a slide in a window of 1366 x 768 pixels with a page open, at 20x: 0.5 um a pixel."""
_CORNER = (700, 1500)
_CHANGES = 15
_CELLS = 100_000


def run(slide: Path) -> list[Figure]:
    """Return the figures of a field of a slide."""
    width, height = _VIEW_PX
    x, y = _CORNER
    field = Box(x, y, x + width, y + height)
    with closing(open_slide(slide)) as source:
        rgb = read_region(source, field, width, height)
    with closing(CellPreviewer()) as previewer:
        took_s: list[float] = []
        found = previewer.cells(rgb, field, CellSettings())  # starts the process
        for number in range(_CHANGES):
            settings = CellSettings(threshold=0.08 + 0.002 * number)
            is_known = previewer.knows(field, settings)
            started_s = time.perf_counter()
            found = previewer.cells(None if is_known else rgb, field, settings)
            took_s.append(time.perf_counter() - started_s)
    preview_ms = 1000 * statistics.median(took_s)
    return [
        Figure("cells", f"preview of a change, {len(found):,} cells", preview_ms, "ms", 150.0),
        Figure("cells", f"measure and grade {_CELLS:,} cells", _measured_s(rgb), "s", 1.0),
    ]


def _measured_s(rgb: RgbImage) -> float:
    """Return how long it takes to measure and grade many cells, those of a field over and over."""
    settings = CellSettings()
    images = StainImages(rgb, settings)
    labels = detected(images, settings)
    count = int(labels.max())
    stains = (images.hematoxylin, images.second)
    left, started_s = _CELLS, time.perf_counter()
    while left > 0:
        runs = Runs.of(labels, count)
        shape_of(runs)
        measured = stain_measurements("Nucleus", runs, settings.stains.names, stains)
        classified(measured[settings.score_measurement], settings)
        left -= count
    return time.perf_counter() - started_s
