"""Classes of cells taught by marks: how long learning takes, and telling many cells apart."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np

from benchmarks.report import Figure
from viewer.inference.teaching.object_teacher import ObjectTeacher
from viewer.inference.teaching.taught_objects import with_classes
from viewer.overlays.objects import Objects

_MARKS, _CLASSES = 500, 3
_CELLS, _BLOCKS, _IN_VIEW = 100_000, 200, 6
_CORNERS, _FEATURES = 16, 32
_BLOCK_PX = 512.0


def run() -> list[Figure]:
    """Return the figures, as the window has them: with the process and all that goes through it."""
    rng = np.random.default_rng(0)
    blocks = [_block(rng, column) for column in range(_BLOCKS)]
    with closing(ObjectTeacher()) as teacher:
        started_s = time.perf_counter()
        for column, objects in enumerate(blocks):
            teacher.keep((0, column, 0), objects)
        marks = [_mark(rng, blocks) for _ in range(_MARKS)]
        teacher.teach(marks[:20], _CLASSES, [0.5])  # starts the process and imports
        first_s = time.perf_counter() - started_s
        started_s = time.perf_counter()
        teacher.teach(marks, _CLASSES, [0.5])
        learned_s = time.perf_counter() - started_s
        started_s, seen_s = time.perf_counter(), 0.0
        for column, objects in enumerate(blocks):
            with_classes(objects, teacher.chances((0, column, 0), _CLASSES))
            if column + 1 == _IN_VIEW:
                seen_s = time.perf_counter() - started_s
        told_s = time.perf_counter() - started_s
    return [
        Figure("teaching", f"give {_CELLS:,} cells, and learn the first time", first_s, "s"),
        Figure("teaching", f"learn from {_MARKS} marks, with the estimate", learned_s, "s", 2.0),
        Figure("teaching", f"the class of {_CELLS:,} cells", told_s, "s", 3.0),
        Figure("teaching", f"of those in view, {_IN_VIEW} blocks", 1000 * seen_s, "ms"),
    ]


def _block(rng: np.random.Generator, column: int) -> Objects:
    """Return cells of three kinds that overlap somewhat in what is known of them."""
    count = _CELLS // _BLOCKS
    kinds = rng.integers(0, _CLASSES, count)
    middles = rng.uniform(0, _BLOCK_PX, (count, 2)) + np.array([column * _BLOCK_PX, 0.0])
    radii = rng.uniform(6, 9, count) + 2 * kinds
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1)
    points = middles[:, None] + radii[:, None, None] * ring
    features = rng.normal(size=(count, _FEATURES)) + 0.5 * kinds[:, None]
    return Objects(
        points.reshape(-1, 2).astype(np.float32),
        np.arange(count + 1) * _CORNERS,
        middles.astype(np.float32),
        np.zeros(count, np.uint8),
        {"Area um2": (np.pi * radii**2 / 4).astype(np.float32)},
        features=features.astype(np.float16),
    )


def _mark(rng: np.random.Generator, blocks: list[Objects]) -> tuple[tuple[int, int, int], int, int]:
    """Return a mark on a cell, of a class by its size."""
    column = int(rng.integers(0, _BLOCKS))
    index = int(rng.integers(0, len(blocks[column])))
    area = float(blocks[column].measurements["Area um2"][index])
    return (0, column, 0), index, int(np.digitize(area, [50.0, 85.0]))
