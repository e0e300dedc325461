"""What grows with what is kept: each row of `collection_rows` at n and at 10 n.

python -m benchmarks.collection_sizes [ROW ...] [--tenth] [--json FILE]

Rows come one after the other, each in a process of its own, and are printed as they come.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.collection_rows import ROWS
from benchmarks.report import Figure, print_table, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAME = "collections"
_LONGEST_S = 3600
_RESULTS = Path(__file__).resolve().parent / "results" / "collections.json"
_STALL_MS = 50.0
"""What the window may not answer, by the clock; and what its own thread may compute in one turn,
which a busy machine does not change."""
_STALLS = ("longest stall (ms)", "busiest (ms)")


def run(names: Sequence[str] = (), *, is_tenth: bool = False) -> Iterator[Figure]:
    """Yield the figures of rows, by default of all, at their sizes or at a tenth of them."""
    for name in names or ROWS:
        yield from _row(name, 10 if is_tenth else 1)


def _row(name: str, divisor: int) -> Iterator[Figure]:
    row = ROWS[name]
    few, many = row.few // divisor, row.many // divisor
    small, large = _measured(name, few), _measured(name, many)
    yield Figure(_NAME, f"{name}: machine's load, of its cores", large.pop("load"), "times")
    del small["load"]
    for what, value in large.items():
        label, unit = what.removesuffix(")").rsplit(" (", 1) if what.endswith(")") else (what, "")
        if what in small:
            yield Figure(_NAME, f"{name}: {label}, {few:,}", small[what], unit)
        yield Figure(_NAME, f"{name}: {label}, {many:,}", value, unit, _wanted(row.wanted, what))
        if small.get(what):
            most = row.wanted_ratio.get(what)
            yield Figure(_NAME, f"{name}: {label}, ratio", value / small[what], "times", most)


def _wanted(wanted: Mapping[str, float], what: str) -> float | None:
    if not what.endswith(_STALLS):
        return wanted.get(what)
    by_the_clock, computed = _STALLS
    return wanted.get(what.replace(computed, by_the_clock), _STALL_MS)


def _measured(name: str, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.collection_rows", name, str(size)]
        told = subprocess.run(
            [*command, str(Path(folder) / "row")],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LONGEST_S,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        )
    figures = json.loads(told.stdout[told.stdout.index("{") :])
    return figures | {"load": os.getloadavg()[0] / (os.cpu_count() or 1)}


def main() -> None:
    """Measure rows; what has been measured is written after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--tenth", action="store_true", help="a tenth of all sizes, in minutes")
    parser.add_argument("--json", type=Path, default=_RESULTS, help="where the figures go")
    options = parser.parse_args()
    unknown = set(options.names) - set(ROWS)
    if unknown:
        parser.error(f"unknown row: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in options.names or ROWS:
        row = list(run([name], is_tenth=options.tenth))
        print_table(row)
        figures += row
        write_json(figures, options.json)


if __name__ == "__main__":
    main()
