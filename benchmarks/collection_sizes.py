"""What grows with what is kept: each row of `collection_rows` at n and at 10 n."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.collection_rows import ROWS
from benchmarks.report import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME = "collections"
_LONGEST_S = 1800
_TARGETS = {
    ("sessions", "refresh with all selected, longest stall (ms)"): 50.0,
    ("project", "scrolling, longest stall (ms)"): 50.0,
    ("review", "opens, longest stall (ms)"): 100.0,
    ("bulk", "class of all, longest stall (ms)"): 50.0,
    ("flat", "overview after (s)"): 3.0,
    ("import", "memory (MB)"): 200.0,
    ("asap", "memory (MB)"): 150.0,
    ("limit", "held, longest stall (ms)"): 50.0,
    ("limit", "left (GiB)"): 1.0,
}
"""At the larger size."""
_BUSIEST_MS = 50.0
"""What the window's own thread may compute in one turn, whatever is done: unlike the stall by the
clock, the same on a busy machine."""
_LINEAR = 12.0
"""Ten times as many may take so much longer, where all of them have to be gone through."""


def run(names: Sequence[str] = ()) -> list[Figure]:
    """Return the figures of rows, by default of all, each in a process of its own."""
    return [figure for name in names or ROWS for figure in _row(name)]


def _row(name: str) -> Iterator[Figure]:
    _, few, many = ROWS[name]
    small, large = _measured(name, few), _measured(name, many)
    for what, value in large.items():
        label, unit = what.removesuffix(")").rsplit(" (", 1) if what.endswith(")") else (what, "")
        is_own = what.endswith("busiest (ms)")
        target = _TARGETS.get((name, what), _BUSIEST_MS if is_own else None)
        yield Figure(_NAME, f"{name}: {label}, {many:,}", value, unit, target)
        if what in small:
            yield Figure(_NAME, f"{name}: {label}, {few:,}", small[what], unit)
        if small.get(what):
            ratio = value / small[what]
            is_linear = unit == "s" and name == "answers"
            target = _LINEAR if is_linear else None
            yield Figure(_NAME, f"{name}: {label}, ratio", ratio, "times", target)


def _measured(name: str, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.collection_rows", name, str(size)]
        told = subprocess.run(
            [*command, str(Path(folder) / "row")],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        )
    return json.loads(told.stdout[told.stdout.index("{") :])
