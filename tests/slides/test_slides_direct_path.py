"""The direct path gives OpenSlide's own pixels, and tells a spoilt tile from a good one."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from openslide import OpenSlide

from viewer.slides import TileError, open_slide
from viewer.slides.readers import tile_decoders
from viewer.slides.readers.openslide.source import open_with_openslide
from viewer.slides.readers.openslide.verification import open_verified
from viewer.slides.readers.tiff.source import open_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides import Level, RgbImage


def openslide_tile(slide: OpenSlide, level: int, grid: Level, column: int, row: int) -> RgbImage:
    """By the public API; only where the tile's corner is a whole level-0 pixel."""
    corner = column * grid.tile_width_px, row * grid.tile_height_px
    at = tuple(round(side * grid.downsample) for side in corner)
    region = slide.read_region((at[0], at[1]), level, grid.tile_size_px(column, row))
    return np.asarray(region.convert("RGB"))


def write_jpeg_tiff(path: Path, pixels: RgbImage) -> Path:
    tifffile.imwrite(
        path,
        pixels,
        tile=(128, 128),
        photometric="rgb",
        compression="jpeg",
        metadata=None,
    )
    return path


def tissue(sample_slide: Path, width: int = 500, height: int = 400) -> RgbImage:
    with OpenSlide(sample_slide) as slide:
        return np.array(slide.read_region((300, 900), 0, (width, height)).convert("RGB"))


def test_every_tile_of_the_sample_is_openslides(sample_slide: Path) -> None:
    direct = open_slide(sample_slide)
    assert direct.info.reader == "direct JPEG TIFF"
    grid = direct.levels[0]
    with OpenSlide(sample_slide) as slide:
        for row in range(grid.rows):
            for column in range(grid.columns):
                ours = direct.read_tile(0, column, row)
                assert ours.flags.c_contiguous
                assert ours.dtype == np.uint8
                np.testing.assert_array_equal(
                    ours, openslide_tile(slide, 0, grid, column, row), f"{column}, {row}"
                )
    direct.close()


def test_jpeg_2000_is_openslides(shared_slide: Callable[[str], Path]) -> None:
    path = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    direct = open_slide(path)
    assert direct.info.reader == "direct JPEG 2000 TIFF"
    grid = direct.levels[0]
    places = [(0, 0), (3, 4), (grid.columns - 1, 5), (6, grid.rows - 1), (9, 9)]
    with OpenSlide(path) as slide:
        for column, row in places:
            np.testing.assert_array_equal(
                direct.read_tile(0, column, row), openslide_tile(slide, 0, grid, column, row)
            )
        # Only the first tile of level 1 begins at a whole level-0 pixel.
        np.testing.assert_array_equal(
            direct.read_tile(1, 0, 0), openslide_tile(slide, 1, direct.levels[1], 0, 0)
        )
    direct.close()


def test_jpeg_2000_in_ycbcr_is_openslides(tmp_path: Path, sample_slide: Path) -> None:
    """Aperio's compression 33003 leaves the change of colors to the reader."""
    colors = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    tile = imagecodecs.jpeg2k_encode(colors, level=0, codecformat="j2k", mct=False, reversible=True)
    path = tmp_path / "ycbcr.svs"
    tifffile.imwrite(
        path,
        iter([bytes(tile)]),
        shape=(256, 256, 3),
        dtype=np.uint8,
        tile=(256, 256),
        photometric="rgb",
        compression=33003,
        description="Aperio Image Library v11.2.1\r\n256x256 (256x256) J2K/YUV16 Q=70",
        metadata=None,
    )
    source = open_verified(path)
    assert source is not None
    with OpenSlide(path) as slide:
        np.testing.assert_array_equal(
            source.read_tile(0, 0, 0), openslide_tile(slide, 0, source.levels[0], 0, 0)
        )
    assert source.info.reader == "direct JPEG 2000 TIFF"
    source.close()


def test_ycbcr_jpeg_of_generic_tiff_is_openslides(tmp_path: Path, sample_slide: Path) -> None:
    path = write_jpeg_tiff(tmp_path / "plain.tif", tissue(sample_slide))
    assert open_verified(path) is None  # plain TIFF is not OpenSlide's
    source = open_tiff(path)
    assert source is not None
    grid = source.levels[0]
    with OpenSlide(path) as slide:
        for row in range(grid.rows):
            for column in range(grid.columns):
                np.testing.assert_array_equal(
                    source.read_tile(0, column, row), openslide_tile(slide, 0, grid, column, row)
                )
    source.close()


def test_the_referee_prefers_openslide_where_they_differ(
    sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that swaps two colors must never reach the screen."""
    decode: Callable[..., RgbImage] = imagecodecs.jpeg8_decode

    def swapped(*args: object, **kwargs: object) -> RgbImage:
        return np.ascontiguousarray(decode(*args, **kwargs)[..., ::-1])

    monkeypatch.setattr(imagecodecs, "jpeg8_decode", swapped)
    source = open_verified(sample_slide)
    assert source is not None
    assert source.info.reader == "OpenSlide (aperio)"
    source.close()


@pytest.mark.parametrize(
    "name",
    [
        "OS-1-detail.ome.tif",
        "OS-2-ndpi.ome.tif",
        "OS-2-vsi.ome.tif",
        "instanseg_HE_example.tif",
    ],
)
def test_ome_tiff_gives_tifffiles_pixels(name: str, shared_slide: Callable[[str], Path]) -> None:
    path = shared_slide(f"not-openslide/{name}")
    source = open_slide(path)
    expected = tifffile.imread(path)
    grid = source.levels[0]
    whole = np.empty_like(expected)
    for row in range(grid.rows):
        for column in range(grid.columns):
            x, y = column * grid.tile_width_px, row * grid.tile_height_px
            tile = source.read_tile(0, column, row)
            whole[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    np.testing.assert_array_equal(whole, expected)
    assert source.info.vendor == "ome-tiff"
    source.close()


def test_pyramid_in_sub_ifds(tmp_path: Path, sample_slide: Path) -> None:
    pixels = tissue(sample_slide)
    path = tmp_path / "pyramid.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        options = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate"}
        tiff.write(
            pixels,
            subifds=2,
            metadata={
                "axes": "YXS",
                "PhysicalSizeX": 250,
                "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 0.25,
            },
            **options,
        )
        tiff.write(pixels[::2, ::2], subfiletype=1, **options)
        tiff.write(pixels[::4, ::4], subfiletype=1, **options)
    source = open_tiff(path)
    assert source is not None
    assert [level.downsample for level in source.levels] == [1.0, 2.0, 4.0]
    assert source.info.optics.mpp_um == pytest.approx((0.25, 0.25))
    np.testing.assert_array_equal(source.read_tile(1, 1, 1), pixels[::2, ::2][128:256, 128:250])
    source.close()


def test_sparse_tiles_are_background(tmp_path: Path, sample_slide: Path) -> None:
    path = write_jpeg_tiff(tmp_path / "sparse.tif", tissue(sample_slide))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[0].aspage()
        counts = list(page.databytecounts)
        counts[0] = 0
        page.tags["TileByteCounts"].overwrite(counts)
    source = open_tiff(path)
    assert source is not None
    assert (source.read_tile(0, 0, 0) == 255).all()
    assert not (source.read_tile(0, 1, 1) == 255).all()
    source.close()


def _with_spoilt_tile(path: Path, index: int, data: bytes) -> None:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0].aspage()
        offset, size = page.dataoffsets[index], page.databytecounts[index]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data[:size].ljust(size, b"\0"))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8 no picture follows", b"II*\0"])
def test_one_spoilt_tile_harms_no_other(tmp_path: Path, sample_slide: Path, data: bytes) -> None:
    path = tmp_path / "spoilt.svs"
    shutil.copy(sample_slide, path)
    _with_spoilt_tile(path, 12, data)
    source = open_slide(path)
    column, row = 12 % source.levels[0].columns, 12 // source.levels[0].columns
    with pytest.raises(TileError, match="cannot be read: its"):
        source.read_tile(0, column, row)
    assert source.read_tile(0, column + 1, row).shape == (240, 240, 3)
    source.close()


def test_a_bad_tile_does_not_kill_openslides_others(tmp_path: Path, sample_slide: Path) -> None:
    path = tmp_path / "spoilt.svs"
    shutil.copy(sample_slide, path)
    _with_spoilt_tile(path, 12, b"")
    source = open_with_openslide(path)
    assert source is not None
    good = source.read_tile(0, 0, 0)
    column, row = 12 % source.levels[0].columns, 12 // source.levels[0].columns
    failures: list[Exception] = []

    def read_bad() -> None:
        for _ in range(5):
            with pytest.raises(TileError):
                source.read_tile(0, column, row)

    def read_good() -> None:
        try:
            for _ in range(10):
                np.testing.assert_array_equal(source.read_tile(0, 0, 0), good)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for work in (read_bad, read_good, read_good)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    source.close()


def test_a_slide_truncated_while_open(tmp_path: Path, sample_slide: Path) -> None:
    path = tmp_path / "shrinking.svs"
    shutil.copy(sample_slide, path)
    source = open_slide(path)
    last = source.levels[0].columns - 1, source.levels[0].rows - 1
    source.read_tile(0, *last)
    os.truncate(path, 500_000)
    with pytest.raises(TileError, match="was changed on the disk"):
        source.read_tile(0, *last)
    source.close()


def test_a_slide_that_vanishes_while_open(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    path = tmp_path / "vanishing.svs"
    shutil.copy(shared_slide("slides/unreadable.svs"), path)
    source = open_slide(path)
    path.unlink()
    for _ in range(2):
        with pytest.raises(TileError):
            source.read_tile(0, 0, 0)
    source.close()


def test_closed_sources_say_so(sample_slide: Path) -> None:
    for source in (open_slide(sample_slide), open_with_openslide(sample_slide)):
        assert source is not None
        source.close()
        source.close()
        with pytest.raises(TileError, match="closed"):
            source.read_tile(0, 0, 0)


def test_closing_while_reading_frees_the_file(sample_slide: Path) -> None:
    source = open_verified(sample_slide)
    assert source is not None
    grid = source.levels[0]
    unexpected: list[Exception] = []
    started = threading.Barrier(3)

    def read() -> None:
        started.wait()
        try:
            for index in range(1000):
                source.read_tile(0, index % grid.columns, index % grid.rows)
        except TileError as error:
            if error.reason != "the slide has been closed":
                unexpected.append(error)
        except Exception as error:
            unexpected.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    started.wait()
    source.close()
    for thread in threads:
        thread.join()
    assert unexpected == []


def test_each_color_of_ycbcr_is_openslides(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSlide adds tables: halves are rounded away from zero, green is cut off at 16 bits."""
    chroma = np.arange(-128, 128)
    red, blue = (np.sign(chroma) * ((np.abs(chroma) * each + 500) // 1000) for each in (1402, 1772))
    by_cr = np.round(-0.71414 * 65536 * chroma).astype(np.int64)
    by_cb = np.round(-0.34414 * 65536 * chroma).astype(np.int64) + (1 << 15)
    cb, cr = np.mgrid[:256, :256]
    green = (by_cb[cb] + by_cr[cr]) >> 16
    for luma in range(256):
        planes = np.stack([np.full_like(cb, luma), cb, cr]).astype(np.uint8)
        monkeypatch.setattr(
            tile_decoders, "jpeg2k_decode", lambda _, planes=planes, **_more: planes
        )
        wanted = np.stack([luma + red[cr], luma + green, luma + blue[cb]], axis=2)
        assert np.array_equal(tile_decoders._jpeg2000_ycbcr(b""), np.clip(wanted, 0, 255))
