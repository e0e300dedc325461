"""No layout is read whole: an image of 40,000 px a side takes little memory."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import imagecodecs
import pytest
import tifffile
from peak_memory import MOST_MIB, SIDE_PX, peak_mib
from PIL import Image
from tiff_builder import JPEG, PACKBITS, RGB, YCBCR, ZSTD, Directory, write_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def _empty_tiles(side_px: int) -> Iterator[tuple[bytes, int]]:
    """Return what is stored of each tile, which is nothing, and how long it is said to be."""
    return itertools.repeat((b"", side_px * side_px * 3), math.ceil(SIDE_PX / side_px) ** 2)


def _spread(path: Path) -> None:
    """Let the tiles of a file lie one after the other, in a hole at its end.

    tifffile itself would write gigabytes of zeros, in twenty seconds.
    """
    with tifffile.TiffFile(path, mode="r+") as file:
        page, end = file.pages.first, path.stat().st_size
        places = [*itertools.accumulate(page.databytecounts, initial=end)]
        page.tags["TileOffsets"].overwrite(places[:-1])
    os.truncate(path, places[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    "layout",
    [
        {"rowsperstrip": SIDE_PX},
        {"rowsperstrip": 256},
        {"rowsperstrip": SIDE_PX, "planarconfig": "separate"},
        {"tile": (512, 512)},
        {"tile": (20_000, 20_000)},
        {"rowsperstrip": SIDE_PX, "extratags": [(274, "H", 1, 6, True)]},
    ],
    ids=["one strip", "strips", "planes", "tiles", "large tiles", "turned"],
)
def test_forty_thousand_pixels_a_side(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "large.tif"
    is_planar = layout.get("planarconfig") == "separate"
    shape = (3, SIDE_PX, SIDE_PX) if is_planar else (SIDE_PX, SIDE_PX, 3)
    # Without data the file is a hole, and takes no room on the disk.
    tiles = _empty_tiles(layout["tile"][0]) if "tile" in layout else None
    tifffile.imwrite(
        path, tiles, shape=shape, dtype="u1", photometric="rgb", bigtiff=True, metadata=None,
        **layout,
    )  # fmt: skip
    if "tile" in layout:
        _spread(path)
    assert path.stat().st_size > SIDE_PX * SIDE_PX * 3
    assert path.stat().st_blocks * 512 < 1 << 20
    assert peak_mib(path) < MOST_MIB
    path.unlink()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("codec", ["zstd", "packbits", "jpeg"])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_forty_thousand_pixels_a_side_in_one_piece(
    tmp_path: Path, codec: str, is_tiled: bool
) -> None:
    path = tmp_path / "large.tif"
    number, photometric, data = {
        "zstd": (ZSTD, RGB, _in_bands(imagecodecs.zstd_encode)),
        "packbits": (PACKBITS, RGB, _in_bands(imagecodecs.packbits_encode)),
        "jpeg": (JPEG, YCBCR, _black_jpeg()),
    }[codec]
    side = [SIDE_PX]
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {256: ("I", side), 257: ("I", side)}
    tags |= {258: ("H", [8] * 3), 259: ("H", [number]), 262: ("H", [photometric])}
    tags |= {277: ("H", [3]), 530: ("H", [2, 2])}
    tags |= {322: ("I", side), 323: ("I", side)} if is_tiled else {278: ("I", side)}
    write_directories(path, [Directory(tags, [data], is_tiled=is_tiled)], "<", is_big=True)
    assert peak_mib(path) < MOST_MIB


def _in_bands(encode: Callable[[bytes], bytes | bytearray]) -> bytes:
    """Return black pixels in the code of a few rows, again and again."""
    return bytes(encode(bytes(100 * SIDE_PX * 3))) * (SIDE_PX // 100)


def _black_jpeg() -> bytes:
    """Return a JPEG whose bands of 16 rows are coded each for itself."""
    data = io.BytesIO()
    band = Image.new("RGB", (SIDE_PX, 16))
    band.save(data, "JPEG", subsampling=2, restart_marker_rows=1)
    stored = bytearray(data.getvalue())
    frame, scan = stored.index(b"\xff\xc0"), stored.index(b"\xff\xda")
    stored[frame + 5 : frame + 7] = SIDE_PX.to_bytes(2, "big")
    start = scan + 2 + int.from_bytes(stored[scan + 2 : scan + 4], "big")
    coded = bytes(stored[start:-2])
    bands = (coded + bytes([0xFF, 0xD0 + number % 8]) for number in range(SIDE_PX // 16 - 1))
    return bytes(stored[:start]) + b"".join(bands) + coded + b"\xff\xd9"


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_zarr_of_forty_thousand_pixels_a_side(tmp_path: Path) -> None:
    """Its chunks take 1.2 GB each; without data their files are holes."""
    path = tmp_path / "large.zarr"
    (path / "0").mkdir(parents=True)
    chunks = [3, 20_000, 20_000]
    shape = [3, SIDE_PX, SIDE_PX]
    about = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "|u1", "order": "C"}
    about |= {"compressor": None, "filters": None, "fill_value": 0}
    (path / "0" / ".zarray").write_text(json.dumps(about))
    axes = [{"name": axis} for axis in "cyx"]
    multiscale = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    (path / ".zattrs").write_text(json.dumps({"multiscales": [multiscale]}))
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    for place in itertools.product(range(1), range(2), range(2)):
        with (path / "0" / ".".join(map(str, place))).open("wb") as file:
            file.truncate(math.prod(chunks))
    assert peak_mib(path) < MOST_MIB
    shutil.rmtree(path)


_WITH_LITTLE_MEMORY = """
import resource
import sys
from pathlib import Path
from viewer.slides import TileError
from viewer.slides.opening_here import open_here

source = open_here(Path(sys.argv[1]))
with open("/proc/self/status") as status:
    used_kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used_kb * 1024 + (60 << 20),) * 2)
try:
    source.read_tile(0, 0, 0)
except TileError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_strip_that_memory_has_no_room_for_is_not_called_damaged(tmp_path: Path) -> None:
    """Of a progressive JPEG all coefficients are held while it is decoded."""
    path = tmp_path / "progressive.tif"
    width, height = 8000, 4000
    data = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(data, "JPEG", progressive=True)
    tags: dict[int, tuple[str, list[int]]] = {256: ("I", [width]), 257: ("I", [height])}
    tags |= {258: ("H", [8] * 3), 259: ("H", [JPEG]), 262: ("H", [YCBCR]), 277: ("H", [3])}
    tags |= {278: ("I", [height]), 530: ("H", [2, 2])}
    strips = Directory({**tags}, [data.getvalue()], is_tiled=False)
    write_directories(path, [strips], "<", is_big=False)
    said = subprocess.run(
        [sys.executable, "-c", _WITH_LITTLE_MEMORY, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "there is not enough memory to decode it" in said.stdout, said
