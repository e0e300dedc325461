"""A secret in each place of a TIFF where a number, a tile or a table has room for one."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from marked_slides import SECRET, found_secrets, jpeg_tiles, tissue

from viewer.slides.writing.jpeg_streams import segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SECRET = SECRET.encode()
_OPTIONS = {"ome": True, "photometric": "rgb", "tile": (256, 256)}
_UNPACKED: dict[int, Callable[[bytes], bytes]] = {
    1: bytes,
    5: lambda data: bytes(imagecodecs.lzw_decode(data)),
    8: lambda data: zlib.decompressobj().decompress(data),
    50000: lambda data: bytes(imagecodecs.zstd_decode(data)),
}


def copied(slide: Path) -> Path:
    """Copy a slide by the command, and search the copy as it is and unpacked."""
    copy = slide.with_name(f"copy-{slide.name}")
    done = coverslip("deidentify", slide, copy)
    assert done.returncode == 0, done.stderr
    assert found_secrets(copy.read_bytes()) == []
    assert found_secrets(done.stderr.encode()) == []
    with tifffile.TiffFile(copy) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        pages += [sub.aspage() for page in pages if page.pages for sub in page.pages]
        for page in pages:
            for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                tiff.filehandle.seek(int(offset))
                data = tiff.filehandle.read(int(size))
                unpacked = _UNPACKED.get(int(page.compression), bytes)(data)
                assert found_secrets(unpacked) == []
    return copy


def with_first_tile(path: Path, changed: Callable[[bytes], bytes]) -> None:
    """Let the first tile be another, which lies behind all else."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages.first
        tiff.filehandle.seek(int(page.dataoffsets[0]))
        data = changed(tiff.filehandle.read(int(page.databytecounts[0])))
        sizes = [len(data), *map(int, page.databytecounts[1:])]
        page.tags[325].overwrite(tuple(sizes))
        place = tiff.filehandle.seek(0, 2) or tiff.filehandle.tell()
        tiff.filehandle.write(data)
        page.tags[324].overwrite((place, *map(int, page.dataoffsets[1:])))


@pytest.mark.parametrize(
    ("compression", "changed"),
    [
        ("deflate", lambda data: zlib.compress(zlib.decompress(data) + _SECRET)),
        ("lzw", lambda data: imagecodecs.lzw_encode(imagecodecs.lzw_decode(data) + _SECRET)),
        ("zstd", lambda data: data + imagecodecs.zstd_encode(_SECRET)),
    ],
)
def test_tiles_unpack_to_their_pixels_and_no_more(
    tmp_path: Path, compression: str, changed: Callable[[bytes], bytes]
) -> None:
    slide, pixels = tmp_path / "a.ome.tif", tissue(512, 512)
    tifffile.imwrite(slide, pixels, compression=compression, **_OPTIONS)
    with_first_tile(slide, changed)
    assert np.array_equal(tifffile.imread(copied(slide)), pixels)


def test_a_last_strip_ends_with_its_rows(tmp_path: Path) -> None:
    slide, pixels = tmp_path / "a.ome.tif", tissue(512, 400)
    tifffile.imwrite(slide, pixels, ome=True, photometric="rgb", rowsperstrip=256)
    with tifffile.TiffFile(slide, mode="r+") as tiff:
        page = tiff.pages.first
        offset, size = int(page.dataoffsets[1]), int(page.databytecounts[1])
        tiff.filehandle.seek(offset)
        data = tiff.filehandle.read(size)
        page.tags[279].overwrite((int(page.databytecounts[0]), size + len(_SECRET)))
        tiff.filehandle.seek(0, 2)
        place = tiff.filehandle.tell()
        tiff.filehandle.write(data + _SECRET)
        page.tags[273].overwrite((int(page.dataoffsets[0]), place))
    assert np.array_equal(tifffile.imread(copied(slide)), pixels)


_WORDS = _SECRET[:24]


@pytest.mark.parametrize(
    ("code", "kind", "values"),
    [
        (320, "H", list(struct.unpack("<768H", (_SECRET * 30)[:1536]))),
        (340, "B", list(_WORDS[:16])),
        (341, "d", list(struct.unpack("<2d", _WORDS[:16]))),
        (529, "2I", list(struct.unpack("<6I", _WORDS))),
        (532, "2I", list(struct.unpack("<12I", _WORDS * 2))),
        (531, "B", list(_WORDS[:8])),
        (530, "Q", list(struct.unpack("<2Q", _WORDS[:16]))),
    ],
)
def test_tags_of_the_structure_hold_as_many_numbers_as_their_kind(
    tmp_path: Path, code: int, kind: str, values: list[float]
) -> None:
    slide, pixels = tmp_path / "a.ome.tif", tissue(512, 512)
    count = len(values) // (2 if kind == "2I" else 1)
    tifffile.imwrite(slide, pixels, extratags=[(code, kind, count, values, True)], **_OPTIONS)
    assert found_secrets(slide.read_bytes())
    copy = copied(slide)
    with tifffile.TiffFile(copy) as tiff:
        assert code not in tiff.pages.first.tags
    assert np.array_equal(tifffile.imread(copy), pixels)


def test_weights_and_references_of_ycbcr_stay(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    weights, black_white = [299, 1000, 587, 1000, 114, 1000], [0, 1, 255, 1] + [128, 1, 255, 1] * 2
    tags = [(529, "2I", 3, weights, True), (532, "2I", 6, black_white, True)]
    tifffile.imwrite(slide, tissue(512, 512), extratags=tags, **_OPTIONS)
    with tifffile.TiffFile(copied(slide)) as tiff:
        assert {529, 532} <= set(tiff.pages.first.tags.keys())


def _segment(code: int, text: bytes) -> bytes:
    return bytes((0xFF, code)) + struct.pack(">H", len(text) + 2) + text


def test_shared_tables_and_tile_headers_lose_comments_and_applications(tmp_path: Path) -> None:
    slide, texts = tmp_path / "a.svs", b"".join(_segment(code, _SECRET) for code in (0xFE, 0xE5))
    shared, tiles = b"", list[bytes]()
    for tile in jpeg_tiles(tissue(512, 512), 256, marked=False):
        parts = [(each.marker, tile[each.start : each.end]) for each in segments(tile)]
        shared = b"".join(part for marker, part in parts if marker in (0xDB, 0xC4))
        rest = b"".join(part for marker, part in parts[1:] if marker not in (0xDB, 0xC4))
        tiles.append(tile[:2] + texts + rest)
    tables = tiles[0][:2] + texts + shared + texts + b"\xff\xd9" + _SECRET
    tifffile.imwrite(
        slide, iter(tiles), shape=(512, 512, 3), dtype=np.uint8, tile=(256, 256),
        photometric="ycbcr", subsampling=(2, 2), compression="jpeg", jpegtables=tables,
        description="Aperio Image Library v12\r\n512x512|AppMag = 40|MPP = 0.25", metadata=None,
    )  # fmt: skip
    before = tifffile.imread(slide)
    copy = copied(slide)
    assert np.array_equal(tifffile.imread(copy), before)


def test_an_ndpi_keeps_known_numbers_and_known_models(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = tmp_path / "a.ndpi"
    data = bytearray(shared_slide("slides/test3-DAPI-2-387.ndpi").read_bytes())
    with tifffile.TiffFile(shared_slide("slides/test3-DAPI-2-387.ndpi")) as tiff:
        tags = tiff.pages.first.tags
        for code, text in ((272, b"C4711-08"), (65426, _WORDS)):
            place = tags[code].valueoffset
            data[place : place + len(text)] = text
        numbers = {code: (tags[code].offset, 4711_0815 + code) for code in (65433, 65443)}
        for place, number in numbers.values():
            data[place + 8 : place + 12] = struct.pack("<I", number)
    slide.write_bytes(data)
    copy = copied(slide)
    held = copy.read_bytes()
    assert b"C4711" not in held
    assert not any(struct.pack("<I", number) in held for _, number in numbers.values())
    with tifffile.TiffFile(copy) as tiff:
        tags = [page.aspage().tags for page in tiff.pages]
        assert [65426 in each for each in tags] == [False, True, True, True]
        assert not any(272 in each for each in tags)
