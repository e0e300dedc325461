"""What the window's process holds: no model, no network, no foreign decoder."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

MOST_RSS_MB = 110
MOST_TIMES_LIBRARIES = 1.8
HEAVY = ["torch", "openai", "skimage", "pyarrow", "h5py", "zarr", "onnxruntime", "scipy", "pandas"]
MEASURE = """
import json, resource, sys, time
started_s = time.process_time()
import {modules}
print(json.dumps({{
    "cpu_s": time.process_time() - started_s,
    "rss_mb": int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6,
    "loaded": [name for name in {heavy} if name in sys.modules],
}}))
"""


def measured(modules: str) -> list[dict]:
    code = MEASURE.format(modules=modules, heavy=HEAVY)
    return [
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        )
        for _ in range(5)
    ]


def test_importing_the_window_is_light() -> None:
    ours = measured("viewer.ui.main_window")
    assert ours[0]["loaded"] == []
    assert statistics.median(each["rss_mb"] for each in ours) < MOST_RSS_MB
    libraries = measured("PySide6.QtWidgets, numpy, tifffile, imagecodecs, shapely")
    # Beside the libraries that it cannot do without, whatever the machine's speed.
    ratio = statistics.median(each["cpu_s"] for each in ours) / statistics.median(
        each["cpu_s"] for each in libraries
    )
    assert ratio < MOST_TIMES_LIBRARIES
