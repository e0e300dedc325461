"""Makes files that are small on the disk and ask for more than a machine has."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
SAMPLES, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 277, 322, 323, 324, 325
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_SIZES = 273, 278, 279
JPEG, DEFLATE = 7, 8


def tiff(path: Path, tags: dict[int, int], data: bytes = b"", next_at: int = 0) -> Path:
    """Write a TIFF of one directory at 8, whose tags hold a value each, and data after it."""
    size = 2 + 12 * len(tags) + 4
    data_at = 8 + size
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, data_at if value == -1 else value)
        for tag, value in sorted(tags.items())
    )
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags))
    path.write_bytes(head + entries + struct.pack("<I", next_at) + data)
    return path


def endless(path: Path, what: str) -> Path:
    """Make a "pipe" that nobody writes to, or a link to a device that never ends."""
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


def tiled_tiff(path: Path, side_px: int, tile_px: int, data: bytes, compression: int) -> Path:
    tags = {
        WIDTH: side_px, HEIGHT: side_px, BITS: 8, COMPRESSION: compression, PHOTOMETRIC: 1,
        SAMPLES: 1, TILE_WIDTH: tile_px, TILE_HEIGHT: tile_px, TILE_OFFSETS: -1,
        TILE_SIZES: len(data),
    }  # fmt: skip
    return tiff(path, tags, data)


def tiff_of_directories(path: Path, sizes_px: Sequence[tuple[int, int]]) -> Path:
    """Write a TIFF of a directory for each size, all of which hold the same strip."""
    strip = bytes(100)
    start = 8 + len(strip)
    parts = [struct.pack("<2sHI", b"II", 42, start), strip]
    for number, (width, height) in enumerate(sizes_px, 1):
        tags = {
            WIDTH: width, HEIGHT: height, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1,
            STRIP_OFFSETS: 8, SAMPLES: 1, ROWS_PER_STRIP: height, STRIP_SIZES: len(strip),
        }  # fmt: skip
        size = 2 + 12 * len(tags) + 4
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
        following = start + number * size if number < len(sizes_px) else 0
        parts += [struct.pack("<H", len(tags)), entries, struct.pack("<I", following)]
    path.write_bytes(b"".join(parts))
    return path


def png(path: Path, side_px: int, color_type: int = 0, bits: int = 8) -> Path:
    """Write a square PNG of zeros, packed row by row."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    row = bytes(1 + side_px * samples * bits // 8)
    packer = zlib.compressobj(9)
    data = b"".join([*(packer.compress(row) for _ in range(side_px)), packer.flush()])

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", side_px, side_px, bits, color_type, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3)) if color_type == 3 else b""
    chunks = [chunk(b"IHDR", head), palette, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def claimed_png(path: Path, side_px: int, *, is_interlaced: bool = True) -> Path:
    """Write a PNG whose head claims a large side and whose data is that of a small one.

    Those that are not interlaced are read by rows, whatever their size.
    """
    data = bytearray(png(path, 64, 2).read_bytes())
    data[28] = is_interlaced
    data[16:24] = struct.pack(">II", side_px, side_px)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(bytes(data))
    return path


def jpeg(path: Path, side_px: int) -> Path:
    """Write a JPEG whose head claims a large side and whose data is that of a small one."""
    data = bytearray(imagecodecs.jpeg8_encode(np.zeros((64, 64, 3), np.uint8)))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side_px, side_px)
    path.write_bytes(bytes(data))
    return path


def zip_of_zeros(path: Path, name: str, size_bytes: int, *, before: bytes = b"") -> Path:
    """Write a zip file of one member that unpacks to `before` and spaces."""
    packed, check, length = _packed(before, b" ", size_bytes)
    named = name.encode()
    about = (20, 0, zipfile.ZIP_DEFLATED, 0, 33, check, len(packed), length, len(named), 0)
    member = struct.pack("<5H3I2H", *about)
    local = b"PK\3\4" + member + named
    listed = b"PK\1\2" + struct.pack("<H", 20) + member + bytes(14) + named
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(listed), len(local + packed), 0)
    path.write_bytes(local + packed + listed + end)
    return path


def gzip_of(path: Path, letter: bytes, size_bytes: int, *, before: bytes = b"") -> Path:
    """Write a gzip file that unpacks to `before` and a letter, again and again."""
    packed, check, length = _packed(before, letter, size_bytes)
    head = b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff"
    path.write_bytes(head + packed + struct.pack("<2I", check, length))
    return path


@cache
def _packed(before: bytes, letter: bytes, size_bytes: int) -> tuple[bytes, int, int]:
    """Return deflated data, and the checksum and length of what it unpacks to.

    After a full flush the same is packed as the same, so a mebibyte is packed once.
    """
    block, count = letter * (1 << 20), size_bytes >> 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first, part = (
        packer.compress(each) + packer.flush(zlib.Z_FULL_FLUSH) for each in (before, block)
    )
    check = zlib.crc32(before)
    for _ in range(count):
        check = zlib.crc32(block, check)
    return first + part * count + packer.flush(), check, len(before) + (count << 20)


def random_polygon(path: Path, vertices: int) -> Path:
    """Write GeoJSON of one polygon whose edges cross one another everywhere."""
    points = np.random.default_rng(0).uniform(0, 5000, (vertices, 2)).tolist()
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*points, points[0]]]},
        "properties": {"classification": {"name": "Tumor", "color": [255, 0, 0]}},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def stacked_parts(path: Path, kind: str) -> Path:
    """Write GeoJSON of an outline of equal "parts", nested "boxes" or "holes", and a sound one."""
    count = 20_000 if kind == "boxes" else 100_000
    square = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    places = [[square]] * count if kind == "parts" else [[square] * count]
    if kind == "boxes":
        most = 2 * count
        places = [
            [[[n, n], [most - n, n], [most - n, most - n], [n, most - n], [n, n]]]
            for n in range(count)
        ]
    geometries = [{"type": "MultiPolygon", "coordinates": each} for each in (places, [[square]])]
    features = [{"type": "Feature", "geometry": each, "properties": {}} for each in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def many_classes(path: Path, count: int) -> Path:
    """Write GeoJSON of small squares, each of a class of its own."""
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, 0], [x + 1, 0], [x + 1, 1], [x, 1], [x, 0]]],
            },
            "properties": {"classification": {"name": f"Class {x}", "color": [x % 256, 0, 0]}},
        }
        for x in range(count)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def long_texts(path: Path, *, is_said_to_be_shared: bool = True) -> Path:
    """Write a Parquet file of one long text, which stands in each of 65,536 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(1 << 16, np.int32)), pa.array(["x" * (1 << 18)])
    )
    zeros = pa.array(np.zeros(1 << 16))
    table = pa.table({"class": texts, "x": zeros, "y": zeros, "score": zeros})
    pq.write_table(table, path, store_schema=is_said_to_be_shared)
    return path
