"""The rows of what grows with what is kept, each measured in a process of its own.

python -m benchmarks.collection_rows ROW SIZE FOLDER prints its figures at one size as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.collection_files import Figures, answers, asap, cases, log_import, strokes
from benchmarks.collection_windows import bulk, flat, limit, project, review, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Row(msgspec.Struct, frozen=True):
    """What is measured, at which two sizes, and what is wanted of it.

    Attributes
    ----------
    wanted
        The most that figures may be at the larger size, by name.
    wanted_ratio
        The most that they may be there, as multiples of those at the smaller size.
    """

    measure: Callable[[Path, int], Figures]
    few: int
    many: int
    wanted: Mapping[str, float] = msgspec.field(default_factory=dict[str, float])
    wanted_ratio: Mapping[str, float] = msgspec.field(default_factory=dict[str, float])


_FLAT, _LINEAR = 1.5, 12.0
"""Ten times as many cost so much more where only what is seen is looked at, and where each is."""
_BULK = (
    "opening", "class of all", "undo", "filter", "delete", "undo of it", "reopening",
)  # fmt: skip

ROWS = {
    "sessions": Row(
        sessions, 500, 5_000,
        # Files are looked at once a slide; all sessions were analyzed, which took 29 s for 1,000.
        {"replay opens after (s)": 1.0, "slide changes, CPU (s)": 2.9},
    ),
    "project": Row(project, 500, 5_000),
    "answers": Row(answers, 500, 5_000, {}, {"CPU (s)": _LINEAR}),
    "review": Row(review, 250, 2_500, {"opens, longest stall (ms)": 100.0}),
    "bulk": Row(
        bulk, 100_000, 1_000_000, {}, {f"{name}, CPU (s)": _LINEAR for name in _BULK}
    ),
    "flat": Row(
        flat, 50_000, 500_000,
        {
            "overview after (s)": 3.0, "overview when opened again (s)": 3.0,
            "the next slide is open after (s)": 1.0,
        },
    ),
    "import": Row(log_import, 100_000, 1_000_000, {"memory (MB)": 200.0}, {"CPU (s)": _LINEAR}),
    "cases": Row(
        cases, 10, 100,
        {"took (s)": 23.0, "on the disk (MB)": 300.0, "pictures of five slides": 5.0},
        {"CPU (s)": _LINEAR},
    ),
    "asap": Row(asap, 10_000, 100_000, {"memory (MB)": 150.0}, {"CPU (s)": _LINEAR}),
    "strokes": Row(strokes, 1_000, 10_000, {"memory (MB)": 50.0}, {"memory (MB)": _FLAT}),
    "limit": Row(limit, 300, 3_000, {"left (GiB)": 1.0, "empty folders left": 0.0}),
}  # fmt: skip
"""Of every stall it is wanted besides that it is short: `collection_sizes` says how short."""


def main() -> None:
    """Measure one row at one size."""
    name, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    print(json.dumps(ROWS[name].measure(folder, size), indent=1))


if __name__ == "__main__":
    main()
