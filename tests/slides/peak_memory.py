"""The most memory that the process takes which reads a slide."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIDE_PX = 40_000
MOST_MIB = 1536

_READ = """
import os
import sys
from pathlib import Path
from viewer.slides import open_slide

source = open_slide(Path(sys.argv[1]))
grid = source.levels[0]
assert (grid.width_px, grid.height_px) == (int(sys.argv[2]),) * 2
for column, row in ((0, 0), (grid.columns // 2, grid.rows // 2), (grid.columns - 1, grid.rows - 1)):
    tile = source.read_tile(0, column, row)
    assert tile.max() == 0 or "--any" in sys.argv
if "--overview" in sys.argv:
    source.read_tile(len(source.levels) - 1, 0, 0)

def lines(status):
    return dict(line.split(":", 1) for line in status.read_text().splitlines())

# The pixels are read in processes below this one.
told = {int(each.parent.name): lines(each) for each in Path("/proc").glob("[0-9]*/status")}
ours = {os.getpid()}
while more := {pid for pid, each in told.items() if int(each["PPid"]) in ours} - ours:
    ours |= more
assert len(ours) > 1
print(max(int(told[pid]["VmHWM"].split()[0]) for pid in ours))
source.close()
"""


def peak_mib(path: Path, side_px: int = SIDE_PX, *options: str) -> float:
    """Return what it takes to open a square slide, and to show three parts of it.

    Parameters
    ----------
    options
        "--overview", to show all of it as well; "--any", for one that is not black.
    """
    told = subprocess.run(
        [sys.executable, "-c", _READ, str(path), str(side_px), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return int(told.stdout) / 1024
