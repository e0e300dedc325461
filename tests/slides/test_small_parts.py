"""Images of so many scans or pieces that showing a tile would take minutes."""

from __future__ import annotations

import io
import json
import struct
import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_steps import picture

from viewer.annotations.formats.exchange import MASK
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.limits import JPEG_SCANS, TILE_PIECES, Limit
from viewer.slides import DamagedSlideError, TileError, UnsupportedSlideError, open_slide
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.readers.jpeg_markers import SCAN, check_scans
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from pathlib import Path

SIDE_PX = 256
MARK = bytes((0xFF, SCAN))


def progressive(scans: int = 0) -> bytes:
    """Return a progressive JPEG, with its last scan as often again as it takes."""
    file = io.BytesIO()
    pixels = np.resize(picture(), (SIDE_PX, SIDE_PX, 3))
    Image.fromarray(pixels).save(file, "JPEG", progressive=True, quality=90)
    data = file.getvalue()
    last = data[data.rindex(MARK) : -2]
    return data[:-2] + last * max(0, scans - data.count(MARK)) + data[-2:]


def test_what_lies_behind_the_end_of_a_jpeg_or_in_its_segments_is_no_scan() -> None:
    data = progressive()
    comment = MARK * 20_000
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    check_scans(data[:2] + segment + data[2:] + MARK * (JPEG_SCANS.most + 1))
    check_scans(progressive(JPEG_SCANS.most))
    with pytest.raises(ChunkError, match="more than 200 scans, which no picture needs"):
        check_scans(progressive(JPEG_SCANS.most + 1))


@pytest.mark.parametrize("scans", [JPEG_SCANS.most, JPEG_SCANS.most + 1])
def test_a_tile_of_too_many_scans_says_so(tmp_path: Path, scans: int) -> None:
    path, data = tmp_path / "a.tif", progressive(scans)
    tifffile.imwrite(
        path, iter([data]), shape=(SIDE_PX, SIDE_PX, 3), dtype=np.uint8, tile=(SIDE_PX, SIDE_PX),
        photometric="ycbcr", compression="jpeg",
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        if scans <= JPEG_SCANS.most:
            assert source.read_tile(0, 0, 0).shape == (SIDE_PX, SIDE_PX, 3)
            return
        with pytest.raises(TileError, match="more than 200 scans"):
            source.read_tile(0, 0, 0)


def test_a_picture_of_too_many_scans_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(progressive(JPEG_SCANS.most + 1))
    with pytest.raises(DamagedSlideError, match="more than 200 scans"):
        open_slide(path)
    path.write_bytes(progressive(JPEG_SCANS.most))
    open_slide(path).close()


def test_a_tiff_of_tiny_tiles_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    pixels = np.resize(picture(), (SIDE_PX, SIDE_PX, 3))
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(16, 16))
    open_here(path, first=FIRST).close()
    few = Limit(255, TILE_PIECES.text)
    monkeypatch.setattr("viewer.slides.readers.tiff.source.TILE_PIECES", few)
    with pytest.raises(UnsupportedSlideError, match=r"made of 256 of them \(max\. 255\); convert"):
        open_here(path, first=FIRST)


@pytest.mark.parametrize("chunk_px", [4, 8])
def test_a_zarr_of_tiny_chunks_is_refused(tmp_path: Path, chunk_px: int) -> None:
    path = tmp_path / "a.zarr"
    (path / "0").mkdir(parents=True)
    about = {"zarr_format": 2, "shape": [1000, 1000], "chunks": [chunk_px] * 2, "dtype": "|u1"}
    about |= {"order": "C", "compressor": None, "filters": None, "fill_value": 0}
    (path / "0" / ".zarray").write_text(json.dumps(about))
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    multiscale = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    (path / ".zattrs").write_text(json.dumps({"multiscales": [multiscale]}))
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    if chunk_px == 8:
        open_slide(path).close()
        return
    with pytest.raises(UnsupportedSlideError, match="made of 4,096 of them"):
        open_slide(path)


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.resize(picture(), (SIDE_PX, SIDE_PX, 3))).save(file, kind, **options)
    return file.getvalue()


def _bomb(kind: str, count: int) -> bytes:
    """A picture with so many parts of no or few bytes in its head."""
    match kind:
        case "PNG":
            data = _saved("PNG")
            return data[:33] + _chunk(b"tEXt", b"a\0b") * count + data[33:]
        case "JPEG":
            data = _saved("JPEG")
            return data[:2] + b"\xff\xed\0\2" * count + data[2:]
        case "fill":
            data = _saved("JPEG")
            return data[:2] + b"\xff" * count + data[2:]
        case "GIF":
            data = _saved("GIF")
            at = 13 + (3 << (data[10] & 7) + 1)
            return data[:at] + b"!\xfe\1a\0" * count + data[at:]
        case _:
            data = _saved("WEBP", lossless=True)
            body = data[8:] + b"abcd\0\0\0\0" * count
            return data[:4] + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "fill", "GIF", "WEBP"])
def test_a_picture_of_parts_without_number_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{'jpeg' if kind == 'fill' else kind.lower()}"
    path.write_bytes(_bomb(kind, 2_000_000))
    began_s = time.process_time()
    with pytest.raises(DamagedSlideError, match=r"is made of [0-9,]+ parts of a few bytes"):
        open_here(path)
    assert time.process_time() - began_s < 2.0  # it took 15 to 60
    path.write_bytes(_bomb(kind, 100))
    with closing(open_here(path)) as source:
        assert source.read_tile(0, 0, 0).shape[2] == 3


def test_pictures_of_many_parts_of_some_length_are_opened(tmp_path: Path) -> None:
    """As programs write them: blocks of GIF have 255 bytes, chunks of PNG kilobytes."""
    pixels = np.random.default_rng(4).integers(0, 255, (2000, 2200), np.uint8)
    gif, png = tmp_path / "a.gif", tmp_path / "a.png"
    Image.fromarray(pixels).save(gif)
    assert gif.stat().st_size > 255 * 10_000
    data = _saved("PNG")
    begin = data.index(b"IDAT") - 4
    size = int.from_bytes(data[begin : begin + 4], "big")
    coded = data[begin + 8 : begin + 8 + size]
    pieces = [coded[at : at + 16] for at in range(0, len(coded), 16)]
    parts = b"".join(_chunk(b"IDAT", each) for each in pieces)
    png.write_bytes(data[:begin] + parts + data[begin + 12 + size :])
    for path in (gif, png):
        with closing(open_here(path)) as source:
            assert source.read_tile(0, 0, 0).shape[2] == 3


def test_a_mask_of_parts_without_number_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    data = file.getvalue()
    path = tmp_path / "mask.png"
    path.write_bytes(data[:33] + _chunk(b"tEXt", b"a\0b") * 200_000 + data[33:])
    with pytest.raises(AnnotationFileError, match="parts of a few bytes"):
        list(MASK.read(path, []))


def test_images_below_a_directory_without_number_are_left_out_with_a_sentence(
    tmp_path: Path,
) -> None:
    """As many as a file of a few megabytes can name: to look at each took a minute."""
    path, count = tmp_path / "a.ome.tif", 400_000
    pixels = np.resize(picture(), (512, 512, 3))
    with tifffile.TiffWriter(path, ome=False) as tiff:
        tiff.write(pixels, tile=(64, 64), photometric="rgb", subifds=1)
        tiff.write(pixels[::2, ::2], tile=(64, 64), photometric="rgb", subfiletype=1)
    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages.first.tags[330]
        (below,) = entry.value
    data = bytearray(path.read_bytes())
    at = entry.offset
    data[at + 4 : at + 12] = struct.pack("<II", count, len(data))
    path.write_bytes(bytes(data) + struct.pack("<I", below) * count)
    began_s = time.process_time()
    with closing(open_here(path)) as source:
        assert [level.downsample for level in source.levels[:2]] == [1, 2]
        notes = " ".join(source.info.notes)
        assert source.read_tile(1, 0, 0).shape == (256, 256, 3)
    assert "Only the first 256 of 400,000 images below one directory" in notes
    assert time.process_time() - began_s < 3.0
