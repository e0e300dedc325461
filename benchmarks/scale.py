"""Opening time and memory against the size of the slide: both are to be flat."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.report import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CHILD = """
import json, sys, time
from pathlib import Path
import psutil
from viewer.slides import open_slide
sample, slide = map(Path, sys.argv[1:])
open_slide(sample).close()
process = psutil.Process()
before = process.memory_info().rss
start = time.perf_counter()
source = open_slide(slide)
top = len(source.levels) - 1
source.read_tile(top, 0, 0)
took = time.perf_counter() - start
print(json.dumps([took * 1000, (process.memory_info().rss - before) / 2**20]))
"""


def run(sample: Path, slides: Sequence[tuple[int, Path]]) -> list[Figure]:
    """One fresh process a slide, warmed up with the sample."""
    figures: list[Figure] = []
    for side_px, slide in slides:
        told = subprocess.run(
            [sys.executable, "-c", _CHILD, str(sample), str(slide)],
            check=True,
            capture_output=True,
            text=True,
        )
        open_ms, grown_mib = json.loads(told.stdout)
        figures.append(Figure("scale", f"{side_px} px, open and overview", open_ms, "ms"))
        figures.append(Figure("scale", f"{side_px} px, memory", grown_mib, "MiB"))
    return figures
