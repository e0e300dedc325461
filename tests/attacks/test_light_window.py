"""What the window's process holds: no model, no network, no foreign decoder."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest

MOST_RSS_MB = 110
HEAVY = [
    *("torch", "openai", "skimage", "pyarrow", "h5py", "zarr", "onnxruntime", "scipy", "pandas"),
    *("cv2", "filelock", "psutil", "cachetools", "secrets", "sqlite3", "importlib.resources"),
]
MOST_MODULES = 510
"""Of our own: what a page, a dialog or a command needs comes when it is first asked for."""
LATER = [
    "viewer.annotations.sets.set_store",
    "viewer.cohort.batch",
    "viewer.inference.process.model_process",
    "viewer.processes.helper",
    "viewer.recording.log_reader",
    "viewer.slides.slide_key",
    "viewer.ui.annotations.sets.slide_sets",
    "viewer.ui.batch.batch_thread",
    "viewer.ui.figures.figure_job",
    "viewer.ui.help_window",
]
MEASURE = """
import gc, json, resource, sys
import viewer
rounds = []
gc.callbacks.append(lambda phase, about: rounds.append(about["generation"]))
import viewer.ui.main_window
print(json.dumps({{
    "rss_mb": int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6,
    "loaded": [name for name in {heavy} if name in sys.modules],
    "modules": sum(name.partition(".")[0] == "viewer" for name in sys.modules),
    "collected": rounds,
}}))
"""


def measured() -> list[dict]:
    code = MEASURE.format(heavy=HEAVY + LATER)
    return [
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        )
        for _ in range(5)
    ]


def test_importing_the_window_is_light() -> None:
    ours = measured()
    assert ours[0]["loaded"] == []
    assert ours[0]["modules"] < MOST_MODULES
    assert ours[0]["collected"] == []  # each object of the imports is looked at in 27 ms
    assert statistics.median(each["rss_mb"] for each in ours) < MOST_RSS_MB


@pytest.mark.parametrize(
    ("before", "after"), [("", 200_000), ("gc.set_threshold(900_000)", 900_000)]
)
def test_garbage_is_looked_for_seldom(before: str, after: int) -> None:
    code = f"import gc\n{before}\nimport viewer\nprint(gc.get_threshold()[0])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(found.stdout) == after
