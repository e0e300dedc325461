"""What importing the window costs, against the libraries that it cannot do without."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from benchmarks.report import Figure

_ROUNDS = 5
_LIBRARIES = "import PySide6.QtWidgets, numpy, tifffile, imagecodecs, shapely"
_WINDOW = "import viewer.ui.main_window"
_MEASURE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
pages = int(open("/proc/self/statm").read().split()[1])
print(used.ru_utime + used.ru_stime, pages * resource.getpagesize() / 1e6)
"""
_MOST_TIMES = 1.6
_MOST_MB = 130.0


def run() -> list[Figure]:
    """Import both in fresh processes in turns; the CPU time is that of a process until then.

    Each runs once before, uncounted, so that Python has compiled what it imports.
    """
    rounds = [(_measured(_LIBRARIES), _measured(_WINDOW)) for _ in range(_ROUNDS + 1)][1:]
    libraries_s = statistics.median(libraries for (libraries, _), _ in rounds)
    window_s = statistics.median(window for _, (window, _) in rounds)
    memory_mb = statistics.median(memory for _, (_, memory) in rounds)
    return [
        Figure("start", "import of the window, CPU", window_s * 1000, "ms"),
        Figure("start", "its libraries alone, CPU", libraries_s * 1000, "ms"),
        Figure(
            "start", "import against libraries alone, CPU", window_s / libraries_s, "x", _MOST_TIMES
        ),
        Figure("start", "memory after the import", memory_mb, "MB", _MOST_MB),
    ]


def _measured(code: str) -> tuple[float, float]:
    """Seconds of CPU time and megabytes of a new process that ran `code`."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(
        [sys.executable, "-c", code + _MEASURE],
        env=environment, capture_output=True, check=True, text=True,
    )  # fmt: skip
    cpu_s, memory_mb = done.stdout.split()
    return float(cpu_s), float(memory_mb)
