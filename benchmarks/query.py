"""A query over a million objects, asked as `coverslip query` asks it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure
from viewer.cohort.query.running import ask, collected
from viewer.geometry import Size
from viewer.inference.models.bundle import STEPS_VERSION
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.objects import Objects
from viewer.overlays.result_store import ResultStore, StoreAbout, result_path

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.overlays.objects import FloatColumn

_SLIDES, _PER_SLIDE, _PER_BLOCK, _CORNERS = 10, 100_000, 400, 16
_MPP_UM = 0.5
_SQL = """
select class, count(*) as n, avg(area_um2) as mean_um2,
  count(*) filter (where measurements['DAB OD mean'] > 0.2) as positive
from objects group by class order by class
"""
_PLAIN = "select slide, class, count(*) n, avg(area_um2) a from objects group by all"


def run() -> list[Figure]:
    """Make the results of ten slides, and ask over all of them."""
    rng = np.random.default_rng(1)
    for number in range(_SLIDES):
        _make(f"s1-{number:040x}", rng)
    began_s = time.perf_counter()
    rows = collected(ask(_PLAIN))
    first_s = time.perf_counter() - began_s
    assert sum(int(str(row[2])) for row in rows) > 0.9 * _SLIDES * _PER_SLIDE
    plain_s = min(_asked_s(_PLAIN) for _ in range(3))
    maps_s = min(_asked_s(_SQL) for _ in range(3))
    began_s = time.perf_counter()
    command = [sys.executable, "-c", "from viewer.cli import main; main()", "query", _PLAIN]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ})
    whole_s = time.perf_counter() - began_s
    return [
        Figure("query", "1,000,000 objects: counts and mean areas", plain_s, "s", 1.0),
        Figure("query", "1,000,000 objects: by a measurement", maps_s, "s"),
        Figure("query", "the command from start to end", whole_s, "s"),
        Figure("query", "the first query after a run, which makes the columns", first_s, "s"),
    ]


def _asked_s(sql: str) -> float:
    began_s = time.perf_counter()
    collected(ask(sql))
    return time.perf_counter() - began_s


def _make(identity: str, rng: np.random.Generator) -> None:
    blocks = _PER_SLIDE // _PER_BLOCK
    across = round(blocks**0.5) + 1
    grid = BlockGrid(Size(across * 512, across * 512), 1.0, 512, 32)
    about = StoreAbout(
        f"/slides/{identity}.svs", identity, f"Bench 1 {'0' * 24}", _MPP_UM, grid, STEPS_VERSION,
        task="instances", classes=["Tumor", "Stroma", "Lymphocyte"],
    )  # fmt: skip
    path: Path = result_path(identity, about.model, _MPP_UM)
    store = ResultStore(path, about)
    for number in range(blocks):
        key = BlockKey(number % across, number // across)
        store.put(key, _objects(grid, key, rng).to_bytes())
    store.close()


def _objects(grid: BlockGrid, key: BlockKey, rng: np.random.Generator) -> Objects:
    core = grid.core_box(key)
    middles = (rng.random((_PER_BLOCK, 2)) * grid.side + (core.x0, core.y0)).astype(np.float32)
    turns = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    ring = 8 * np.stack([np.cos(turns), np.sin(turns)], 1).astype(np.float32)
    points: FloatColumn = (middles[:, None] + ring).reshape(-1, 2).astype(np.float32)
    names = ("Area um2", "Eccentricity", "Haematoxylin OD mean", "DAB OD mean", "Confidence")
    return Objects(
        points,
        np.arange(_PER_BLOCK + 1, dtype=np.int64) * _CORNERS,
        middles,
        rng.integers(0, 3, _PER_BLOCK).astype(np.uint8),
        {name: rng.random(_PER_BLOCK, np.float32) for name in names},
    )
