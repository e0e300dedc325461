"""TIFF and Zarr of random layouts, drawn from a seed, against tifffile and zarr on their own.

Some TIFFs are put together byte by byte, with what `random_tiffs` says of their pixels.

The suite draws a few; `-m slow` draws hundreds. A failure names its seed.
"""

from __future__ import annotations

import random
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from msgspec.structs import replace
from random_tiffs import RandomTiff, write_jpeg_tiff, write_random_tiff, write_rare_tiff
from tiff_steps import whole
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr_steps import pyramid, write_image

from viewer.limits import TILE_PIECES
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.readers.jpeg_tiles import PlainJpegDecoder, stored_jpeg_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import SlideSource

    _Write = Callable[[Path, int], RandomTiff]

open_slide = partial(open_here, first=FIRST)
"""As the process of a slide opens it, in this one."""

_READERS = "viewer.slides.readers"
_WITH_PARTS = (
    "tiff.parted", "tiff.rows", "ome_zarr.source", "ome_zarr.arrays", "ome_zarr.unpacking",
)  # fmt: skip
"""Modules that read large chunks in parts."""

_FEW, _SOME, _MANY = range(12), range(30), range(1000, 1400)
_TYPES = ("u1", "u2", "u4", "i2", "i4", "f4", "f8")
_LOSSLESS = ("zlib", "lzw", "packbits", "zstd", "lzma", "none")


def _values(rng: random.Random, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    if dtype[0] == "f":
        return (numbers.random(shape) * 300 - 20).astype(dtype)
    bounds = np.iinfo(dtype)
    return numbers.integers(bounds.min, bounds.max, shape, dtype=dtype, endpoint=True)


def _stored(source: SlideSource, level: int, channels: tuple[int, ...]) -> NDArray[Any]:
    """Return all of a level as it is stored, (channels, height, width)."""
    grid = source.levels[level]
    return np.concatenate(
        [
            np.concatenate(
                [source.read_channels(level, x, y, channels) for x in range(grid.columns)], axis=2
            )
            for y in range(grid.rows)
        ],
        axis=1,
    )


@contextmanager
def _as_large(rng: random.Random) -> Generator[None]:
    """Have chunks of some kilobytes read as those of a gigabyte are, in half of the cases."""
    with pytest.MonkeyPatch.context() as patch:
        if rng.random() < 0.5:
            for module in _WITH_PARTS:
                patch.setattr(f"{_READERS}.{module}.LARGE_BYTES", rng.choice((1, 4000)))
            patch.setattr(f"{_READERS}.large_chunks.PART_BYTES", rng.choice((500, 5000)))
            # Parts of a row each, which no real slide has.
            patch.setattr(f"{_READERS}.tiff.source.TILE_PIECES", replace(TILE_PIECES, most=1 << 20))
            if rng.random() < 0.7:
                for name in ("SEQUENTIAL_BYTES", "LARGE_STRIP_BYTES"):
                    patch.setattr(f"{_READERS}.tiff.rows.{name}", 1)
                patch.setattr(f"{_READERS}.tiff.sequential_rows.PART_BYTES", 3000)
        yield


def _check_tiff(path: Path, seed: int) -> None:
    """Write a pyramid of one to three levels, and compare each with what tifffile reads."""
    rng = random.Random(seed)
    dtype = rng.choice(_TYPES)
    is_rgb = dtype == "u1" and rng.random() < 0.6
    width, height = rng.randrange(40, 700), rng.randrange(40, 700)
    compression = rng.choice(_LOSSLESS)
    options: dict[str, Any] = {
        "photometric": "rgb" if is_rgb else "minisblack",
        "compression": None if compression == "none" else compression,
        "predictor": dtype[0] != "f"
        and compression in ("zlib", "lzw", "zstd")
        and rng.random() < 0.4,
        "resolution": (1e4 / 0.25, 1e4 / 0.5),
        "resolutionunit": "CENTIMETER",
        "metadata": None,
    }
    if is_rgb and rng.random() < 0.3:
        options["planarconfig"] = "separate"
    if rng.random() < 0.6:
        options["tile"] = (16 * rng.randrange(1, 20), 16 * rng.randrange(1, 20))
    else:
        options["rowsperstrip"] = rng.randrange(1, height + 1)
    shape = (height, width, 3) if is_rgb else (height, width)
    finest = _values(rng, shape, dtype)
    levels = [finest[:: 2**n, :: 2**n] for n in range(rng.randrange(1, 4))]
    in_sub_directories = rng.random() < 0.5
    order: Any = rng.choice("<>")
    with tifffile.TiffWriter(path, bigtiff=rng.random() < 0.3, byteorder=order) as writer:
        for index, values in enumerate(levels):
            kind = 1 if index else 0
            stored = np.moveaxis(values, -1, 0) if "planarconfig" in options else values
            ifds = len(levels) - 1 if in_sub_directories and not index else 0
            writer.write(
                np.ascontiguousarray(stored), subfiletype=kind, subifds=ifds or None, **options
            )
    with (
        _as_large(rng),
        closing(open_slide(path)) as source,
        tifffile.TiffFile(path) as theirs,
    ):
        first: Any = theirs.pages.first
        pages: list[Any] = [
            first,
            *((first.pages or ()) if in_sub_directories else theirs.pages[1:]),
        ]
        assert [(each.width_px, each.height_px) for each in source.levels][: len(pages)] == [
            (page.imagewidth, page.imagelength) for page in pages
        ]
        assert source.info.optics.mpp_um == pytest.approx((0.25, 0.5), rel=1e-3)
        for index, page in enumerate(pages):
            expected = np.asarray(page.asarray())
            if not is_rgb:
                expected = expected[np.newaxis]
            elif "planarconfig" not in options:
                expected = np.moveaxis(expected, -1, 0)
            channels = tuple(range(len(expected)))
            assert np.array_equal(_stored(source, index, channels), expected), (seed, index)


def _check_built_tiff(path: Path, seed: int, write: _Write) -> None:
    """Write a TIFF byte by byte, and compare its levels with what was written."""
    made = write(path, seed)
    with _as_large(random.Random(seed)), closing(open_slide(path)) as source:
        optics = source.info.optics
        expected_um = None if made.mpp_um is None else pytest.approx(made.mpp_um, rel=1e-6)
        assert (optics.mpp_um, optics.objective_power) == (expected_um, made.power), made.words
        sizes = [(level.width_px, level.height_px) for level in source.levels]
        assert sizes[: len(made.values)] == [each.shape[1::-1] for each in made.values], made.words
        for index, values in enumerate(made.values):
            is_gap = made.missing[index][..., np.newaxis]
            if not source.info.axes.is_rgb:
                stored = np.moveaxis(np.where(is_gap, 0, values), 2, 0)
                channels = tuple(range(len(stored)))
                assert np.array_equal(_stored(source, index, channels), stored), made.words
                continue
            shown = made.shown[index]
            if shown is None:
                stretched = source.info.display_range
                assert stretched is not None, made.words
                shown = made.stretched(values, *stretched)
            expected = np.where(is_gap, 255, shown)
            _check_direct(path, source, index, expected, made.words)
            # Colors and opacity are rounded each for itself.
            assert np.abs(whole(source, index) - expected).max() <= 2, made.words


def _check_direct(
    path: Path, source: SlideSource, index: int, expected: NDArray[Any], words: str
) -> None:
    """Compare the tiles that the window decodes itself, without their reader."""
    direct, grid = stored_jpeg_tiles(source)[index], source.levels[index]
    if direct is None:
        return
    decode = PlainJpegDecoder(direct.decoder, grid.tile_width_px, grid.tile_height_px)
    data = path.read_bytes()
    places = zip(
        np.frombuffer(direct.offsets, np.int64).tolist(),
        np.frombuffer(direct.byte_counts, np.int64).tolist(),
        strict=True,
    )
    for number, (offset, size) in enumerate(places):
        row, column = divmod(number, grid.columns)
        tile = decode(data[offset : offset + size], for_screen=False) if size else None
        if tile is None:
            continue
        left, top = column * grid.tile_width_px, row * grid.tile_height_px
        width, height = grid.tile_size_px(column, row)
        right = expected[top : top + height, left : left + width]
        assert np.abs(tile[:height, :width] - right).max() <= 2, words


def _check_zarr(path: Path, seed: int, *, is_plain: bool = False) -> None:
    """Write an OME-Zarr of any axes, and compare each level with what zarr reads.

    Plain chunks hold nothing but values, in the order of the axes.
    """
    rng = random.Random(seed)
    version = rng.choice(("0.4", "0.5"))
    dtype = rng.choice(_TYPES)
    axes = "".join(axis for axis in "tcz" if rng.random() < 0.4) + "yx"
    sizes = {axis: rng.randrange(1, 4) for axis in "tcz"}
    sizes |= {"y": rng.randrange(40, 500), "x": rng.randrange(40, 500)}
    values = _values(rng, tuple(sizes[axis] for axis in axes), dtype)
    options: dict[str, Any] = {"chunk_px": 16 * rng.randrange(2, 16)}
    if version == "0.4":
        options["order"] = rng.choice("CF")
        options["chunk_key_encoding"] = {"name": "v2", "separator": rng.choice("./")}
    else:
        options["compressors"] = rng.choice((None, ZstdCodec(), GzipCodec(), BloscCodec()))
        options["serializer"] = BytesCodec(endian=rng.choice(("little", "big")))
        if rng.random() < 0.3:
            turned = tuple(rng.sample(range(len(axes)), len(axes)))
            options["filters"] = [TransposeCodec(order=turned)]
    if is_plain:
        options |= {"compressors": None, "filters": None}
        options |= {"order": "C"} if version == "0.4" else {}
    um = rng.choice((0.1, 0.25, 1.0))
    write_image(path, pyramid(values, rng.randrange(1, 4)), axes, version=version, um=um, **options)
    with _as_large(rng), closing(open_slide(path)) as source:
        assert source.info.optics.mpp_um == pytest.approx((um, um))
        count = sizes["c"] if "c" in axes else 1
        for index, grid in enumerate(source.levels):
            array = zarr.open_array(str(path / str(index)), mode="r")
            expected = np.asarray(
                array[tuple(slice(0, 1) if each in "tz" else slice(None) for each in axes)]
            )
            expected = expected.reshape(count, grid.height_px, grid.width_px)
            assert np.array_equal(_stored(source, index, tuple(range(count))), expected), seed


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_tiffs(tmp_path: Path, seed: int) -> None:
    _check_tiff(tmp_path / "a.tif", seed)


@pytest.mark.parametrize("seed", _SOME)
def test_some_tiffs_that_are_put_together_by_hand(tmp_path: Path, seed: int) -> None:
    _check_built_tiff(tmp_path / "a.tif", seed, write_random_tiff)


@pytest.mark.parametrize("seed", _SOME)
def test_some_tiffs_of_jpeg(tmp_path: Path, seed: int) -> None:
    _check_built_tiff(tmp_path / "a.tif", seed, write_jpeg_tiff)


@pytest.mark.parametrize("seed", _SOME)
def test_some_tiffs_of_rare_samples(tmp_path: Path, seed: int) -> None:
    _check_built_tiff(tmp_path / "a.tif", seed, write_rare_tiff)


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_zarrs(tmp_path: Path, seed: int) -> None:
    _check_zarr(tmp_path / "a.zarr", seed)


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_zarrs_without_compression(tmp_path: Path, seed: int) -> None:
    _check_zarr(tmp_path / "a.zarr", seed, is_plain=True)


@pytest.mark.slow
def test_many_tiffs(tmp_path: Path) -> None:
    for seed in _MANY:
        _check_tiff(tmp_path / f"{seed}.tif", seed)


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_random_tiff, write_jpeg_tiff, write_rare_tiff])
def test_many_tiffs_that_are_put_together_by_hand(tmp_path: Path, write: _Write) -> None:
    for seed in _MANY:
        _check_built_tiff(tmp_path / f"{seed}.tif", seed, write)


@pytest.mark.slow
def test_many_zarrs(tmp_path: Path) -> None:
    for seed in _MANY:
        _check_zarr(tmp_path / f"{seed}.zarr", seed)
        _check_zarr(tmp_path / f"{seed}.plain.zarr", seed, is_plain=True)
