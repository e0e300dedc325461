"""No layout is read whole: an image of 40,000 px a side takes little memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tifffile

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
assert (grid.width_px, grid.height_px) == (40_000, 40_000)
for column, row in ((0, 0), (grid.columns // 2, grid.rows // 2), (grid.columns - 1, grid.rows - 1)):
    assert source.read_tile(0, column, row).max() == 0

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


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    "layout",
    [
        {"rowsperstrip": SIDE_PX},
        {"rowsperstrip": 256},
        {"rowsperstrip": SIDE_PX, "planarconfig": "separate"},
        {"tile": (512, 512)},
        {"rowsperstrip": SIDE_PX, "extratags": [(274, "H", 1, 6, True)]},
    ],
    ids=["one strip", "strips", "planes", "tiles", "turned"],
)
def test_forty_thousand_pixels_a_side(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "large.tif"
    is_planar = layout.get("planarconfig") == "separate"
    shape = (3, SIDE_PX, SIDE_PX) if is_planar else (SIDE_PX, SIDE_PX, 3)
    # Without data the file is a hole, and takes no room on the disk.
    tifffile.imwrite(
        path, shape=shape, dtype="u1", photometric="rgb", bigtiff=True, metadata=None, **layout
    )
    told = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) / 1024 < MOST_MIB
    path.unlink()
