"""A million objects as GeoJSON, read and written in processes of their own: time and memory.

The yardstick is Python's own `json` on the same file in the same run, which makes no shapes of the
coordinates and checks nothing. Times are of the processor: on an idle machine, the clock's.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import UUID

from benchmarks.report import Figure

_COUNT = 1_000_000
_CORNERS = 16
_DIFFERENT = 20_000
_MOST_S = 10.0
_MOST_MIB = 256.0
"""While a file of any length is read; what is kept of it is the reader's own."""

_START = """
import json, sys, time
from pathlib import Path
from viewer.annotations.annotation import Annotation
from viewer.annotations.formats.exchange import read_all
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.formats.qupath_writing import write_qupath
path, out = Path(sys.argv[1]), Path(sys.argv[2])
problems = []
def status(name):  # of Linux; getrusage would tell what the process inherited
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
before = status("VmRSS")
start, start_cpu = time.perf_counter(), time.process_time()
"""
_TASKS = {
    "read one by one": "count = sum(1 for _ in read_qupath(path, problems))",
    "read and keep": "count = len(read_all(path, problems))",
    "read and write": "count = 0 * len(write_qupath(out, read_qupath(path, problems)))",
    "json.load": "count = len(json.loads(path.read_bytes())['features'])",
    "json.load and dump": "out.write_text(json.dumps(json.loads(path.read_bytes()))); count = 0",
}
_END = """
cpu_s = time.process_time() - start_cpu
grown = status("VmHWM") - before
print(json.dumps([time.perf_counter() - start, cpu_s, grown, count, len(problems)]))
"""


def run() -> list[Figure]:
    """Return all figures; the files go to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "million.geojson", Path(folder) / "out.geojson"
        _write_objects(path)
        took = {name: _in_own_process(task, path, out) for name, task in _TASKS.items()}
        size_mb = path.stat().st_size / 1e6
    figures = [Figure("exchange", f"GeoJSON of {_COUNT:,} objects", size_mb, "MB")]
    for name, (seconds, cpu_s, grown_mib) in took.items():
        is_ours = name.startswith("read")
        target_s = _MOST_S if name in ("read one by one", "read and keep") else None
        target_mib = _MOST_MIB if is_ours and name != "read and keep" else None
        figures.append(Figure("exchange", name, cpu_s, "s", target_s))
        figures.append(Figure("exchange", f"{name}: by the clock", seconds, "s"))
        figures.append(Figure("exchange", f"{name}: memory", grown_mib, "MiB", target_mib))
    for ours, theirs in (("read and keep", "json.load"), ("read and write", "json.load and dump")):
        ratio = took[ours][1] / took[theirs][1]
        figures.append(Figure("exchange", f"{ours}, against {theirs}", ratio, "x", 2.0))
    return figures


def _in_own_process(task: str, path: Path, out: Path) -> tuple[float, float, float]:
    """Seconds, those of the processor, and MiB that the process grew by at most."""
    done = subprocess.run(
        [sys.executable, "-c", _START + task + _END, str(path), str(out)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    seconds, cpu_s, grown_mib, count, problems = json.loads(done.stdout)
    if count not in (0, _COUNT) or problems:
        raise RuntimeError(f"{count:,} objects were read, {problems} were bad")
    return seconds, cpu_s, grown_mib


def _write_objects(path: Path) -> None:
    """Nuclei as a detector finds them, with a class, two measurements and an id of their own."""
    draw = random.Random(5)  # noqa: S311 - no secret
    turns = [2 * math.pi * corner / _CORNERS for corner in range(_CORNERS)]
    bodies = [json.dumps(_object(draw, turns))[1:] for _ in range(_DIFFERENT)]
    with path.open("w") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number in range(_COUNT):
            id_ = UUID(int=number + 1)
            between = "," if number else ""
            file.write(f'{between}\n{{"id": "{id_}", {bodies[number % _DIFFERENT]}')
        file.write("]}")


def _object(draw: random.Random, turns: list[float]) -> dict[str, object]:
    x, y, radius = draw.uniform(0, 1e5), draw.uniform(0, 8e4), draw.uniform(4, 12)
    ring = [[round(x + radius * math.cos(a), 2), round(y + radius * math.sin(a), 2)] for a in turns]
    name = draw.choice(["Tumor", "Stroma", "Lymphocyte"])
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {
            "objectType": "detection",
            "classification": {"name": name, "color": [200, 0, 0]},
            "measurements": {"Area um^2": round(radius**2 * 0.8, 2), "Circularity": 0.97},
        },
    }
