"""Strips and tiles of many megabytes are decoded a few rows at a time, whatever their codec."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_builder import CMYK, JPEG, RGB, YCBCR, Directory, write_directories
from tiff_steps import gray, picture, whole

from viewer.slides import TileError
from viewer.slides.byte_lru import ByteLru
from viewer.slides.opening_here import open_here as open_slide
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.tiff.rows import _DeflatedRows
from viewer.slides.readers.tiff.sequential_rows import SequentialRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_TIFF = "viewer.slides.readers.tiff"
_CODECS = (None, "deflate", "lzw", "packbits", "zstd", "lzma")


@pytest.fixture(autouse=True)
def is_all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every strip and tile read as one of a gigabyte is, in small pieces."""
    small = {
        "rows.LARGE_STRIP_BYTES": 1,
        "rows.LARGE_BYTES": 1,
        "rows.SEQUENTIAL_BYTES": 1,
        "rows._SNAPSHOT_BYTES": 8192,
        "rows._INPUT_BYTES": 100,
        "block_rows._INDEX_BYTES": 10_000,
        "lzw_rows._INPUT_BYTES": 2000,
        "packbits_rows._INPUT_BYTES": 300,
        "compressed_rows._INPUT_BYTES": 100,
        "sequential_rows.PART_BYTES": 5000,
    }
    for name, value in small.items():
        monkeypatch.setattr(f"{_TIFF}.{name}", value)
    monkeypatch.setattr("viewer.slides.readers.large_chunks.PART_BYTES", 8192)
    large_chunks().clear()

    def read_plane(*_: object) -> None:
        raise AssertionError("a strip was decoded as a whole")

    monkeypatch.setattr(f"{_TIFF}.parted.PartedChunks._piece", read_plane)


def _write(path: Path, image: NDArray[Any], **options: Any) -> Path:
    options = {"photometric": "rgb" if image.shape[-1] == 3 else None, **options}
    tifffile.imwrite(path, image, metadata=None, **options)
    return path


def _shows_in_any_order(path: Path, expected: NDArray[Any], tolerance: int = 0) -> None:
    with closing(open_slide(path)) as source:
        assert np.abs(whole(source).astype(int) - expected).max() <= tolerance
    with closing(open_slide(path)) as source:
        wide, tall = source.levels[0].tile_width_px, source.levels[0].tile_height_px
        for column, row in ((1, 1), (0, 0), (1, 0), (0, 1)):
            tile = source.read_tile(0, column, row)
            wanted = expected[tall * row :, wide * column :][:tall, :wide]
            assert np.abs(tile.astype(int) - wanted).max() <= tolerance


@pytest.mark.parametrize("compression", _CODECS)
@pytest.mark.parametrize("samples", ["contig", "separate"])
def test_huge_strips_are_read_by_rows(
    tmp_path: Path, compression: str | None, samples: str
) -> None:
    """As a single strip of an image of many gigabytes is, and with a predictor."""
    for rows in (300, 111):
        path = _write(
            tmp_path / "a.tif",
            picture() if samples == "contig" else np.moveaxis(picture(), 2, 0),
            photometric="rgb",
            planarconfig=samples,
            rowsperstrip=rows,
            compression=compression,
            predictor=compression not in (None, "packbits"),
        )
        _shows_in_any_order(path, picture())


@pytest.mark.parametrize("compression", _CODECS)
def test_huge_tiles_are_read_by_rows(tmp_path: Path, compression: str | None) -> None:
    path = _write(tmp_path / "a.tif", picture(), tile=(208, 224), compression=compression)
    _shows_in_any_order(path, picture())


@pytest.mark.parametrize("compression", ["packbits", "zstd"])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_samples_of_several_bytes(tmp_path: Path, compression: str, dtype: str) -> None:
    values = np.random.default_rng(1).integers(0, 60_000, (300, 420)).astype(dtype)
    for order in "<>":
        path = tmp_path / "a.tif"
        options: Any = {"byteorder": order, "compression": compression, "rowsperstrip": 200}
        tifffile.imwrite(path, values, photometric="minisblack", metadata=None, **options)
        with closing(open_slide(path)) as source:
            tile = source.read_channels(0, 1, 0, (0,))
        np.testing.assert_array_equal(tile[0], values[:256, 256:])


@pytest.mark.parametrize("compression", ["deflate", "lzw", "packbits", "zstd", "lzma"])
def test_a_damaged_huge_strip_is_told(tmp_path: Path, compression: str) -> None:
    # Of noise some codecs make other noise, with an error only behind the last row.
    image = picture() if compression in ("deflate", "lzw") else _noise()
    path = _write(tmp_path / "a.tif", image, rowsperstrip=300, compression=compression)
    with tifffile.TiffFile(path) as tiff:
        middle = tiff.pages.first.dataoffsets[0] + tiff.pages.first.databytecounts[0] // 2
    data = bytearray(path.read_bytes())
    data[middle : middle + 2000] = b"\xff\0" * 1000
    path.write_bytes(data)
    with (
        closing(open_slide(path)) as source,
        pytest.raises(TileError, match=r"damaged|ends too soon"),
    ):
        source.read_tile(0, 1, 1)


@pytest.mark.parametrize("compression", ["deflate", "zstd", "lzma"])
def test_a_huge_strip_is_decompressed_to_its_damage_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    """Each tile below would take as long as all above it, only to be refused."""
    path = _write(tmp_path / "a.tif", _noise(), rowsperstrip=300, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages.first
        page.tags["StripByteCounts"].overwrite(page.databytecounts[0] * 95 // 100)
    kind = _DeflatedRows if compression == "deflate" else SequentialRows
    read = kind.read
    lowest: list[int] = []

    def noted(self: Any, strip: int, first_row: int, rows: int) -> bytes:
        lowest.append(first_row)
        return read(self, strip, first_row, rows)

    monkeypatch.setattr(kind, "read", noted)
    with closing(open_slide(path)) as source:
        for _ in range(3):
            with pytest.raises(TileError, match="ends too soon"):
                source.read_tile(0, 1, 1)
    assert lowest.count(max(lowest)) == 1


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 8, picture().shape, np.uint8)


@pytest.mark.parametrize("compression", ["packbits", "zstd", "lzma"])
def test_a_huge_strip_that_is_cut_short_is_told(tmp_path: Path, compression: str) -> None:
    path = _write(tmp_path / "a.tif", _noise(), rowsperstrip=300, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages.first
        page.tags["StripByteCounts"].overwrite(page.databytecounts[0] * 95 // 100)
    with closing(open_slide(path)) as source:
        if compression != "zstd":  # whose last block holds a third of the image
            np.testing.assert_array_equal(source.read_tile(0, 0, 0), _noise()[:256, :256])
        with pytest.raises(TileError, match=r"damaged|ends too soon"):
            source.read_tile(0, 1, 1)


def _jpeg(image: NDArray[Any], **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=90, **options)
    return data.getvalue()


def _decoded(data: bytes, space: str | None = None) -> NDArray[Any]:
    image = imagecodecs.jpeg8_decode(data, colorspace=space, outcolorspace=space and "RGB")
    return gray(image) if image.ndim == 2 else image


def _write_jpegs(
    path: Path, parts: list[bytes], photometric: int, side: int, tiled: bool, tables: bytes = b""
) -> None:
    """Put JPEGs into a TIFF, strips of `side` rows or square tiles of it."""
    height, width, _ = picture().shape
    samples = {1: 1, CMYK: 4}.get(photometric, 3)
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {256: ("I", [width]), 257: ("I", [height])}
    tags |= {258: ("H", [8] * samples), 259: ("H", [JPEG]), 262: ("H", [photometric])}
    tags |= {277: ("H", [samples])}
    tags |= {322: ("I", [side]), 323: ("I", [side])} if tiled else {278: ("I", [side])}
    if tables:
        tags[347] = ("B", list(tables))
    write_directories(path, [Directory(tags, parts, is_tiled=tiled)], "<", is_big=False)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("is_progressive", [False, True])
@pytest.mark.parametrize("tiled", [False, True])
def test_jpegs_are_read_by_rows(
    tmp_path: Path, subsampling: int, is_progressive: bool, tiled: bool
) -> None:
    path = tmp_path / "a.tif"
    padded = np.pad(picture(), ((0, 148), (0, 28), (0, 0)), mode="edge")
    places = [(0, 0), (0, 224), (224, 0), (224, 224)] if tiled else [(0, 0), (224, 0)]
    across = 224 if tiled else 420
    parts = [
        _jpeg(
            np.ascontiguousarray(padded[top : top + 224, left : left + across]),
            subsampling=subsampling,
            progressive=is_progressive,
        )
        for top, left in places
    ]
    expected = np.zeros_like(padded)
    for part, (top, left) in zip(parts, places, strict=True):
        expected[top : top + 224, left : left + across] = _decoded(part)
    _write_jpegs(path, parts, YCBCR, 224, tiled)
    _shows_in_any_order(path, expected[:300, :420])


def test_colors_of_a_huge_jpeg_are_what_its_data_says(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    plain = imagecodecs.jpeg8_encode(
        picture(), level=95, colorspace="RGB", outcolorspace="RGB", subsampling="444"
    )
    with_marker = _jpeg(picture(), subsampling=0)
    in_gray = _jpeg(np.ascontiguousarray(picture()[..., 1]), subsampling=2)
    for data, photometric, space in ((plain, RGB, "RGB"), (with_marker, RGB, None)):
        _write_jpegs(path, [bytes(data)], photometric, 300, tiled=False)
        _shows_in_any_order(path, _decoded(bytes(data), space))
    _write_jpegs(path, [in_gray], 1, 300, tiled=False)
    _shows_in_any_order(path, _decoded(in_gray))


@pytest.mark.parametrize(("adobe_transform", "space"), [(0, "CMYK"), (2, "YCCK")])
def test_inks_of_a_huge_jpeg(tmp_path: Path, adobe_transform: int, space: str) -> None:
    inks = np.dstack([picture(), picture()[::-1, :, :1]])
    data = bytearray(
        imagecodecs.jpeg8_encode(inks, level=90, colorspace="CMYK", outcolorspace="CMYK")
    )
    data[data.index(b"Adobe") + 11] = adobe_transform
    stored = imagecodecs.jpeg8_decode(bytes(data), colorspace=space, outcolorspace="CMYK")
    paper = 255 - stored.astype(int)
    path = tmp_path / "a.tif"
    _write_jpegs(path, [bytes(data)], CMYK, 300, tiled=False)
    _shows_in_any_order(path, ((paper[..., :3] * paper[..., 3:] + 127) // 255).astype(np.uint8))


def test_jpeg_tiles_whose_tables_stand_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    data = _jpeg(picture(), subsampling=2)
    # The tables are all between the start with its marker of JFIF and the frame.
    first, frame = data.index(b"\xff\xdb"), data.index(b"\xff\xc0")
    scan = data.index(b"\xff\xda")
    codes = data.index(b"\xff\xc4")
    assert first < frame < codes < scan
    tables = data[:2] + data[first:frame] + data[codes:scan] + b"\xff\xd9"
    part = data[:first] + data[frame:codes] + data[scan:]
    _write_jpegs(path, [part], YCBCR, 300, tiled=False, tables=tables)
    _shows_in_any_order(path, _decoded(data))


def test_a_huge_jpeg_that_is_cut_short_or_too_small_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    whole_one, small = _jpeg(picture()), _jpeg(np.ascontiguousarray(picture()[:200]))
    for data, words in ((whole_one[:-2000], "cut short"), (small, "wrong size")):
        _write_jpegs(path, [data], YCBCR, 300, tiled=False)
        with closing(open_slide(path)) as source, pytest.raises(TileError, match=words):
            source.read_tile(0, 0, 0)


@pytest.mark.parametrize("compression", ["zstd", "jpeg"])
def test_what_memory_has_no_room_for_is_decoded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setattr(large_chunks(), "held", ByteLru[Any](20_000))
    monkeypatch.setattr(f"{_TIFF}.stack_axes.KEPT_BYTES", 1)
    monkeypatch.setattr(f"{_TIFF}.sequential_rows._MOST_STREAMS", 2)
    path = _write(tmp_path / "a.tif", picture(), tile=(96, 96), compression=compression)
    with tifffile.TiffFile(path) as tiff:
        expected = tiff.pages.first.asarray()
    with closing(open_slide(path)) as source:
        for _ in range(2):
            np.testing.assert_array_equal(whole(source), expected)
        assert large_chunks().held.held_bytes <= 20_000


@pytest.mark.parametrize("kind", ["coarse inks", "planes", "other cut"])
def test_other_jpegs_are_still_decoded_as_a_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"compression": "jpeg", "rowsperstrip": 300}
    if kind == "coarse inks":
        inks = np.dstack([picture(), picture()[..., :1]])
        data = imagecodecs.jpeg8_encode(inks, colorspace="CMYK", outcolorspace="YCCK")
        _write_jpegs(path, [bytes(data)], CMYK, 300, tiled=False)
    elif kind == "planes":
        planes = np.moveaxis(picture(), 2, 0)
        _write(path, planes, photometric="rgb", planarconfig="separate", **options)
    else:
        data = bytearray(_jpeg(picture(), subsampling=0))
        frame = data.index(b"\xff\xc0")
        # All components twice as fine across: the same image, stated in another way.
        data[frame + 11 : frame + 20 : 3] = b"\x21" * 3
        _write_jpegs(path, [bytes(data)], YCBCR, 300, tiled=False)
    with closing(open_slide(path)) as source:
        assert whole(source).shape == picture().shape
