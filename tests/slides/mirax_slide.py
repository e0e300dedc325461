"""Writes a MIRAX slide of one zoom level, with the pictures beside it as JPEG files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ID = "0123456789ABCDEF"
_VALUES = {
    "macro": ("ScanDataLayer_SlideThumbnail", "THUMBNAIL_IMAGE_TYPE"),
    "label": ("ScanDataLayer_SlideBarcode", "BARCODE_IMAGE_TYPE"),
    "thumbnail": ("ScanDataLayer_SlidePreview", "PREVIEW_IMAGE_TYPE"),
}
"""By the names that OpenSlide gives them: what it is called, and the key of its format."""


def write_mirax(path: Path, tile: bytes, tile_px: int, beside: Mapping[str, bytes]) -> Path:
    """Write a slide of one tile, a JPEG of `tile_px` on each side.

    Parameters
    ----------
    beside
        JPEGs by the names that OpenSlide gives them.
    """
    folder = path.with_suffix("")
    folder.mkdir()
    path.write_bytes(tile)
    scan = sections = ""
    for at, name in enumerate(beside):
        value, kind = _VALUES[name]
        scan += f"NONHIER_1_VAL_{at}={value}\nNONHIER_1_VAL_{at}_SECTION=BESIDE_{at}\n"
        sections += f"[BESIDE_{at}]\n{kind}=JPEG\n"
    (folder / "Slidedat.ini").write_text(
        f"""\ufeff[GENERAL]
SLIDE_ID={_ID}
IMAGENUMBER_X=1
IMAGENUMBER_Y=1
CameraImageDivisionsPerSide=1
[HIERARCHICAL]
HIER_COUNT=1
HIER_0_NAME=Slide zoom level
HIER_0_COUNT=1
HIER_0_VAL_0_SECTION=LEVEL_0
NONHIER_COUNT=2
NONHIER_0_NAME=Another layer
NONHIER_0_COUNT=1
NONHIER_0_VAL_0=ScanDataLayer_SlideBarcode
NONHIER_1_NAME=Scan data layer
NONHIER_1_COUNT={len(beside)}
{scan}INDEXFILE=Index.dat
[DATAFILE]
FILE_COUNT=1
FILE_0=Data0000.dat
[LEVEL_0]
OVERLAP_X=0
OVERLAP_Y=0
MICROMETER_PER_PIXEL_X=0.25
MICROMETER_PER_PIXEL_Y=0.25
IMAGE_FORMAT=JPEG
IMAGE_FILL_COLOR_BGR=16777215
DIGITIZER_WIDTH={tile_px}
DIGITIZER_HEIGHT={tile_px}
IMAGE_CONCAT_FACTOR=0
{sections}""",
        encoding="utf-8",
    )
    parts = [tile, *beside.values()]
    starts = [8 + sum(map(len, parts[:at])) for at in range(len(parts))]
    (folder / "Data0000.dat").write_bytes(b"8 bytes." + b"".join(parts))
    # Offsets lie behind the version and the identifier.
    index = bytearray(b"01.02" + _ID.encode())
    roots_at = len(index)
    index += bytes(8)

    def add(*numbers: int) -> int:
        at = len(index)
        index.extend(struct.pack(f"<{len(numbers)}i", *numbers))
        return at

    page = add(1, 0, 0, starts[0], len(tile), 0)
    levels = add(add(0, page))
    other = add(0, add(1, 0, 0, 0, starts[0], 5, 0))
    records = [
        add(0, add(1, 0, 0, 0, start, len(data), 0))
        for start, data in zip(starts[1:], parts[1:], strict=True)
    ]
    beside_at = add(other, *records)
    struct.pack_into("<2i", index, roots_at, levels, beside_at)
    (folder / "Index.dat").write_bytes(index)
    return path
