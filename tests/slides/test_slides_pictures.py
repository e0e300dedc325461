"""Plain pictures and small TIFFs, in all their kinds of pixels."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from viewer.slides import DamagedSlideError, TileError, UnsupportedSlideError, open_slide
from viewer.slides.opening_here import open_here
from viewer.slides.readers.image import size as image_size
from viewer.slides.readers.sample_colors import ColorModel, SampleColors, display_range

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import RgbImage


def picture(width: int = 300, height: int = 200) -> RgbImage:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def first_tile(path: Path) -> RgbImage:
    source = open_slide(path)
    tile = source.read_tile(0, 0, 0)
    assert source.info.optics.mpp_um is None
    source.close()
    return tile


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_lossless_pictures(tmp_path: Path, suffix: str) -> None:
    pixels = picture()
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(pixels).save(path, dpi=(300, 300), lossless=True)
    source = open_slide(path)
    np.testing.assert_array_equal(source.read_tile(0, 1, 0), pixels[:200, 256:])
    assert source.info.optics.mpp_um is None
    source.close()


def test_jpeg_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(picture()).save(path, exif=exif, dpi=(72, 72))
    source = open_slide(path)
    assert (source.levels[0].width_px, source.levels[0].height_px) == (200, 300)
    source.close()


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([picture(), np.zeros((200, 300), np.uint8)])
    rgba[:, :100, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    tile = first_tile(tmp_path / "alpha.png")
    np.testing.assert_array_equal(tile[:, :100], rgba[:, :100, :3])
    assert (tile[:, 100:] == 255).all()


def test_palette_and_gray_and_bits(tmp_path: Path) -> None:
    gray = Image.fromarray(picture()[..., 0])
    for mode in ("L", "P", "1"):
        path = tmp_path / f"{mode}.png"
        gray.convert(mode).save(path)
        expected = np.asarray(gray.convert(mode).convert("RGB"))[:200, :256]
        np.testing.assert_array_equal(first_tile(path), expected)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    image.save(tmp_path / "cmyk.jpg", quality=95)
    red, green, blue = first_tile(tmp_path / "cmyk.jpg").mean(axis=(0, 1))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_sixteen_bits_are_scaled_by_the_datas_range(tmp_path: Path) -> None:
    deep = np.linspace(1000, 3000, 256 * 256).reshape(256, 256).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    for name in ("deep.png", "deep.tif"):
        tile = first_tile(tmp_path / name)
        assert tile[0, 0].tolist() == [0, 0, 0]
        assert tile[-1, -1].tolist() == [255, 255, 255]


def test_floats_with_gaps(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 100 * 100, dtype=np.float32).reshape(100, 100)
    values[0, 0] = np.nan
    values[50, 50] = np.inf
    samples = values[..., np.newaxis]
    shown = display_range([samples], ColorModel.GRAY, 32)
    assert shown == (float(values[0, 1]), 1.0)
    tile = SampleColors(ColorModel.GRAY, shown).rgb(samples)
    assert tile[0, 0, 0] == 0
    assert tile[50, 50, 0] == 255
    assert tile[-1, -1, 0] == 255


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "jpeg"])
@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_tiff_of_any_coding(
    tmp_path: Path, compression: str | None, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", compression=compression, tile=tile)
    expected = tifffile.imread(path)
    source = open_slide(path)
    grid = source.levels[0]
    rows = [
        np.hstack([source.read_tile(0, column, row) for column in range(grid.columns)])
        for row in range(grid.rows)
    ]
    np.testing.assert_array_equal(np.vstack(rows), expected)
    source.close()


def test_tiff_kinds(tmp_path: Path) -> None:
    pixels = picture(128, 128)
    gray = pixels[..., 0]
    planar = tmp_path / "planar.tif"
    tifffile.imwrite(planar, np.moveaxis(pixels, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(first_tile(planar), pixels)
    white_is_zero = tmp_path / "miniswhite.tif"
    tifffile.imwrite(white_is_zero, gray, photometric="miniswhite")
    np.testing.assert_array_equal(first_tile(white_is_zero)[..., 0], 255 - gray)
    palette = tmp_path / "palette.tif"
    colormap = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(palette, gray, photometric="palette", colormap=colormap)
    np.testing.assert_array_equal(first_tile(palette), np.moveaxis(colormap[:, gray] // 257, 0, -1))
    stack = tmp_path / "stack.ome.tif"
    tifffile.imwrite(stack, np.stack([gray, 255 - gray]), metadata={"axes": "CYX"})
    np.testing.assert_array_equal(first_tile(stack)[..., 0], gray)


def test_resolution_that_is_a_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "scaled.tif"
    tifffile.imwrite(
        path, picture(), photometric="rgb", resolution=(40_000, 20_000), resolutionunit=3
    )
    source = open_slide(path)
    assert source.info.optics.mpp_um == pytest.approx((0.25, 0.5))
    source.close()


@pytest.mark.parametrize("dpi", [72, 96, 300, 1200, 2400])
def test_resolution_that_is_for_a_printer(tmp_path: Path, dpi: int) -> None:
    path = tmp_path / "printed.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", resolution=(dpi, dpi), resolutionunit=2)
    first_tile(path)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    "kind", ["fax.tif", "no-unit.tif", "fax.jpg", "no-unit.jpg", "no-unit.png"]
)
def test_pixels_of_unknown_size_that_are_not_square(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    path = tmp_path / kind
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(picture())
    if path.suffix == ".tif":
        tifffile.imwrite(
            path, picture(), photometric="rgb", resolution=(196, 98), metadata=None,
            resolutionunit=2 if kind == "fax.tif" else 1,
            extratags=[(274, 3, 1, orientation, True)],
        )  # fmt: skip
    elif kind == "fax.jpg":
        image.save(path, dpi=(196, 98), exif=exif)
    elif path.suffix == ".jpg":
        image.save(path, exif=exif)
        data = path.read_bytes()
        path.write_bytes(data[:13] + struct.pack(">BHH", 0, 2, 1) + data[18:])
    else:
        image.save(path, dpi=(300, 300), exif=exif)
        data = path.read_bytes()
        at = data.index(b"pHYs")
        chunk = b"pHYs" + struct.pack(">IIB", 2, 1, 0)
        path.write_bytes(data[:at] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[at + 17 :])
    with closing(open_here(path)) as source:
        assert source.info.optics.mpp_um is None
        ratio = "0.5" if orientation == 1 else "2"
        said = f"Its pixels are not square ({ratio} times as wide as high): shapes are shown "
        assert any(note.startswith(said) for note in source.info.notes)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_resolution_of_a_picture_that_is_a_pixel_size(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    """Libvips and ImageJ write it so; what is told of rows is of columns once it is turned."""
    path = tmp_path / f"scaled.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    dpi = (25_400 / 0.5, 25_400 / 0.25 if suffix != "jpg" else 25_400 / 0.4)
    Image.fromarray(picture()).save(path, dpi=dpi, exif=exif)
    expected = (0.5, 25_400 / dpi[1])
    if orientation == 6 and suffix != "bmp":
        expected = expected[::-1]
    with closing(open_slide(path)) as source:
        assert source.info.optics.mpp_um == pytest.approx(expected, rel=1e-3)
        assert source.info.notes[0].startswith("Its pixels are not square")


@pytest.mark.parametrize("kind", ["JPEG", "aspect alone", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_both_sides_of_a_resolution_in_exif(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a.picture"
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B] = orientation, 40_000.0, 20_000.0
    exif[0x0128] = 3  # per centimeter
    image = Image.fromarray(picture())
    image.save(path, "JPEG" if kind == "aspect alone" else kind, exif=exif, lossless=True)
    if kind == "JPEG":  # without JFIF, as cameras write it
        data = path.read_bytes()
        assert data[6:10] == b"JFIF"
        path.write_bytes(data[:2] + data[20:])
    with closing(open_here(path)) as source:
        expected = (0.25, 0.5) if orientation == 1 else (0.5, 0.25)
        assert source.info.optics.mpp_um == pytest.approx(expected)
        assert any("not square" in note for note in source.info.notes)


def test_too_large_without_a_pyramid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header alone decides, before any pixel is decoded; a GIF is not read by rows."""
    monkeypatch.setattr(image_size, "MOST_BYTES", 10_000)
    Image.fromarray(picture()).convert("P").save(tmp_path / "large.gif")
    with pytest.raises(UnsupportedSlideError, match="vips tiffsave"):
        open_here(tmp_path / "large.gif")


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_huge_header_takes_no_memory(tmp_path: Path, mode: str) -> None:
    """A BMP that claims 40,000 x 40,000 px and brings a few bytes."""
    path = tmp_path / "huge.bmp"
    Image.fromarray(picture(4, 4)).convert(mode).save(path)
    data = bytearray(path.read_bytes())
    data[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(data)
    before = psutil.Process().memory_info().rss
    with closing(open_slide(path)) as source, pytest.raises(TileError):
        source.read_tile(0, 0, 0)
    assert psutil.Process().memory_info().rss - before < 300e6


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_cut_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(picture()).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedSlideError, match="cannot be decoded"):
        open_slide(path)
