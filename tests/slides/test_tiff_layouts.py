"""Every layout of a TIFF shows the pixels that an independent decoding gives."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from tiff_steps import assert_shows, gray, on_white, opacity, picture, whole

from viewer.slides import TileError, open_slide

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_this_process")

TILINGS = [None, (128, 128), (64, 48), (512, 512)]
LOSSLESS = [None, "deflate", "lzw", "zstd", "packbits", "lzma", "jpeg2000", "png"]


def write(path: Path, pixels: np.ndarray[Any, Any], **options: Any) -> Path:
    tifffile.imwrite(path, pixels, **{"photometric": "rgb", "metadata": None, **options})
    return path


@pytest.mark.parametrize("tile", TILINGS)
@pytest.mark.parametrize("compression", LOSSLESS)
def test_lossless_codecs(tmp_path: Path, compression: str | None, tile: Any) -> None:
    options = {"compression": compression, "tile": tile, "rowsperstrip": None if tile else 37}
    assert_shows(write(tmp_path / "a.tif", picture(), **options), picture())


@pytest.mark.parametrize("tile", TILINGS)
@pytest.mark.parametrize("compression", ["jpeg", "webp", "jpegxl", "jpegxr"])
def test_lossy_codecs(tmp_path: Path, compression: str, tile: Any) -> None:
    path = write(tmp_path / "a.tif", picture(), compression=compression, tile=tile)
    assert_shows(path, tifffile.imread(path))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_byte_orders_and_predictors(
    tmp_path: Path, byteorder: Any, bigtiff: bool, predictor: bool, tile: Any
) -> None:
    deep = picture().astype(np.uint16) * 257
    path = write(
        tmp_path / "a.tif",
        deep,
        byteorder=byteorder,
        bigtiff=bigtiff,
        predictor=predictor,
        compression="lzw",
        tile=tile,
    )
    assert assert_shows(path, picture(), 1) == ()


@pytest.mark.parametrize("compression", [None, "lzw", "jpeg"])
@pytest.mark.parametrize("tile", TILINGS)
def test_planar_samples(tmp_path: Path, compression: str | None, tile: Any) -> None:
    path = write(
        tmp_path / "a.tif",
        np.moveaxis(picture(), 2, 0),
        planarconfig="separate",
        compression=compression,
        tile=tile,
    )
    assert_shows(path, np.moveaxis(tifffile.imread(path), 0, -1))


@pytest.mark.parametrize("tile", [None, (128, 128)])
@pytest.mark.parametrize(
    "scaled",
    [
        picture().astype(np.uint16) * 257,
        (picture().astype(np.uint32) * 4095 // 255).astype(np.uint16),
        picture().astype(np.uint32) * 16_843_009,
        picture().astype(np.float32) / 255,
        picture().astype(np.float32),
        picture().astype(np.float64) / 255,
        (picture() / 255).astype(np.float16),
    ],
    ids=["16", "12 in 16", "32", "float", "float to 255", "double", "half"],
)
def test_deep_colors_keep_their_balance(
    tmp_path: Path, scaled: np.ndarray[Any, Any], tile: Any
) -> None:
    assert_shows(write(tmp_path / "a.tif", scaled, tile=tile), picture(), 1)


@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_deep_gray_is_stretched_and_said(tmp_path: Path, tile: Any) -> None:
    deep = (picture()[..., 0].astype(np.uint16) - 50) * 16
    path = write(tmp_path / "a.tif", deep, photometric="minisblack", tile=tile)
    low, high = int(deep.min()), int(deep.max())
    expected = np.rint((deep.astype(float) - low) * 255 / (high - low)).astype(np.uint8)
    notes = assert_shows(path, gray(expected), 1)
    assert notes == (f"Stretched for display: 16-bit values from {low:,} to {high:,}.",)


def test_a_range_that_a_smaller_level_tells_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.slides.readers.tiff.page_colors.WHOLE_LEVEL_PX", 100_000)
    monkeypatch.setattr("viewer.slides.readers.tiff.source.WHOLE_LEVEL_PX", 100_000)
    deep = np.full((300, 420), 500, np.uint16)
    deep[::3] = 100
    deep[151, 201] = 4000  # which the smaller level does not hold
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            values = np.ascontiguousarray(deep[::step, ::step])
            out.write(values, tile=(128, 128), subfiletype=step - 1, metadata=None)
    with closing(open_slide(path)) as source:
        (note,) = source.info.notes
        assert len(source.levels) > 1
    assert "values from 100 to 500, as a smaller level or a part has them; those" in note


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_packed_bits(tmp_path: Path, bits: int) -> None:
    most = (1 << bits) - 1
    values = (picture()[..., 0].astype(np.uint32) * most // 255).astype(
        np.uint8 if bits <= 8 else np.uint16
    )
    path = write(tmp_path / "a.tif", values, photometric="minisblack", bitspersample=bits)
    low, high = (0, most) if bits < 8 else (int(values.min()), int(values.max()))
    expected = np.rint((values.astype(float) - low) * 255 / (high - low)).astype(np.uint8)
    assert_shows(path, gray(expected), 1)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "packbits", "deflate"])
def test_single_bits(tmp_path: Path, compression: str | None, photometric: str) -> None:
    bits = picture()[..., 0] > 128
    path = write(tmp_path / "a.tif", bits, photometric=photometric, compression=compression)
    white = bits if photometric == "minisblack" else ~bits
    assert_shows(path, gray(white * np.uint8(255)))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_codecs(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(picture()[..., 0] > 128).save(path, compression=compression)
    assert_shows(path, gray((picture()[..., 0] > 128) * np.uint8(255)))


@pytest.mark.parametrize("colors", [2, 16, 200])
def test_palettes_of_pillow(tmp_path: Path, colors: int) -> None:
    image = Image.fromarray(picture()).quantize(colors)
    image.save(tmp_path / "a.tif")
    assert_shows(tmp_path / "a.tif", np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("scale", [257, 1])
@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_palettes_of_any_scale(tmp_path: Path, scale: int, tile: Any) -> None:
    colormap = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16)
    index = picture()[..., 0]
    path = tmp_path / "a.tif"
    write(path, index, photometric="palette", colormap=colormap * scale, tile=tile)
    assert_shows(path, np.moveaxis(colormap[:, index], 0, -1).astype(np.uint8))


def printed(inks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    paper = 255 - inks.astype(float)
    return np.rint(paper[..., :3] * paper[..., 3:4] / 255).astype(np.uint8)


@pytest.mark.parametrize("layout", ["strips", "tiles", "planar", "16 bits"])
def test_cmyk(tmp_path: Path, layout: str) -> None:
    inks = np.asarray(Image.fromarray(picture()).convert("CMYK")).copy()
    inks[..., 3] = 30
    path = tmp_path / "a.tif"
    match layout:
        case "planar":
            planes = np.moveaxis(inks, 2, 0)
            write(path, planes, photometric="separated", planarconfig="separate")
        case "16 bits":
            write(path, inks.astype(np.uint16) * 257, photometric="separated")
        case _:
            tile = (128, 128) if layout == "tiles" else None
            write(path, inks, photometric="separated", tile=tile, compression="lzw")
    notes = assert_shows(path, printed(inks), 1)
    assert notes == ("CMYK without a usable ICC profile: its colors are an approximation.",)


@pytest.mark.parametrize("tile", [None, (128, 128)])
@pytest.mark.parametrize(
    "compression", [None, "deflate", "lzw", "zstd", "webp", "jpeg2000", "jpegxl", "png"]
)
def test_alpha_lies_on_white(tmp_path: Path, compression: str | None, tile: Any) -> None:
    rgba = np.concatenate([picture(), opacity()], 2)
    options: dict[str, Any] = {"compression": compression, "tile": tile}
    if compression == "webp":
        options["compressionargs"] = {"lossless": True}
    path = write(tmp_path / "a.tif", rgba, extrasamples=["unassalpha"], **options)
    assert_shows(path, on_white(picture(), opacity()), 1)


@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_associated_alpha_is_not_multiplied_twice(tmp_path: Path, tile: Any) -> None:
    multiplied = np.rint(picture() * (opacity() / 255)).astype(np.uint8)
    rgba = np.concatenate([multiplied, opacity()], 2)
    path = write(tmp_path / "a.tif", rgba, extrasamples=["assocalpha"], tile=tile)
    assert_shows(path, on_white(picture(), opacity()), 1)


def test_alpha_of_other_kinds(tmp_path: Path) -> None:
    expected = on_white(picture(), opacity())
    rgba = np.concatenate([picture(), opacity()], 2)
    alpha: dict[str, Any] = {"extrasamples": ["unassalpha"]}
    assert_shows(write(tmp_path / "16.tif", rgba.astype(np.uint16) * 257, **alpha), expected, 1)
    planes = np.moveaxis(rgba, 2, 0)
    assert_shows(write(tmp_path / "p.tif", planes, planarconfig="separate", **alpha), expected, 1)
    two = rgba[..., [0, 3]]
    path = write(tmp_path / "g.tif", two, photometric="minisblack", **alpha)
    assert_shows(path, on_white(gray(picture()[..., 0]), opacity()), 1)
    path = write(tmp_path / "u.tif", rgba, extrasamples=["unspecified"])
    assert assert_shows(path, picture()) == ("One more sample is not shown.",)


@pytest.mark.parametrize("tile", [None, (128, 128)])
def test_color_under_the_name_of_gray(tmp_path: Path, tile: Any) -> None:
    named: dict[str, Any] = {"photometric": "minisblack", "tile": tile}
    contiguous: dict[str, Any] = {"planarconfig": "contig", **named}
    said = ("Its samples are stored as gray: three of them are shown as red, green and blue.",)
    assert assert_shows(write(tmp_path / "3.tif", picture(), **contiguous), picture()) == said
    rgba = np.concatenate([picture(), opacity()], 2)
    expected = on_white(picture(), opacity())
    assert assert_shows(write(tmp_path / "4.tif", rgba, **contiguous), expected, 1) == said
    planes = np.moveaxis(picture(), 2, 0)
    assert_shows(write(tmp_path / "p.tif", planes, planarconfig="separate", **named), picture())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("tile", [None, (128, 128), (128, 256)])
@pytest.mark.parametrize("planar", [False, True])
def test_the_whole_image_is_turned(
    tmp_path: Path, orientation: int, tile: Any, planar: bool
) -> None:
    path = tmp_path / "a.tif"
    write(
        path,
        np.moveaxis(picture(), 2, 0) if planar else picture(),
        planarconfig="separate" if planar else "contig",
        tile=tile,
        extratags=[(274, "H", 1, orientation, True)],
    )
    image = Image.fromarray(picture())
    image.getexif()[0x112] = orientation
    assert_shows(path, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("tile", [(128, 128), None, (64, 64)])
def test_missing_parts_are_clear_glass_and_damaged_ones_fail(tmp_path: Path, tile: Any) -> None:
    path = write(tmp_path / "a.tif", picture(), tile=tile, rowsperstrip=64, compression="zstd")
    name = "TileByteCounts" if tile else "StripByteCounts"
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[0].aspage()
        counts = list(page.databytecounts)
        last_at = page.dataoffsets[-1]
        counts[0] = 0
        page.tags[name].overwrite(counts)
    with path.open("r+b") as file:
        file.seek(last_at)
        file.write(b"no data of any tile")
    source = open_slide(path)
    grid = source.levels[0]
    side = tile[0] if tile else 64
    width = side if tile else 420
    first = source.read_tile(0, 0, 0)
    assert (first[:side, :width] == 255).all()
    with pytest.raises(TileError, match="damaged"):
        source.read_tile(0, grid.columns - 1, grid.rows - 1)
    good = source.read_tile(0, grid.columns - 1, 0)
    x = (grid.columns - 1) * grid.tile_width_px
    expected = picture()[: good.shape[0], x:].copy()
    if tile is None:
        expected[:64] = 255
    np.testing.assert_array_equal(good, expected)
    source.close()


def test_jpeg_of_12_bits(tmp_path: Path) -> None:
    deep = (picture()[..., 0].astype(np.uint16) * 4095 // 255).astype(np.uint16)
    data = imagecodecs.jpeg_encode(deep, level=98, bitspersample=12)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        iter([bytes(data)]),
        shape=deep.shape,
        dtype=np.uint16,
        bitspersample=12,
        rowsperstrip=deep.shape[0],
        photometric="minisblack",
        compression=7,
        metadata=None,
    )
    decoded = imagecodecs.jpeg_decode(data, bitspersample=12).astype(float)
    low, high = decoded.min(), decoded.max()
    assert_shows(path, gray(np.rint((decoded - low) * 255 / (high - low)).astype(np.uint8)), 1)


@pytest.mark.parametrize("orientation", [1, 6])
def test_overviews_of_wide_strips_are_made_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    wide = np.tile(picture(), (3, 6, 1))
    tags = [(274, "H", 1, orientation, True)]
    path = write(tmp_path / "a.tif", wide, rowsperstrip=50, compression="deflate", extratags=tags)
    with tifffile.TiffFile(path) as tiff:
        torn_at = tiff.pages[0].aspage().dataoffsets[5]
    with path.open("r+b") as file:
        file.seek(torn_at)
        file.write(b"torn torn torn")
    monkeypatch.setattr("viewer.slides.readers.tiff.overview.LARGE_PX", 1000)
    source = open_slide(path)
    reduced = np.asarray(Image.fromarray(wide).reduce(8))
    if orientation == 6:
        reduced = np.rot90(reduced, -1)
    index = next(i for i, g in enumerate(source.levels) if g.downsample == pytest.approx(8, 0.01))
    assert source.levels[index].stored_tiles_per_tile == 64
    grid = source.levels[index]
    rows = [
        np.hstack([source.read_tile(index, c, r) for c in range(grid.columns)])
        for r in range(grid.rows)
    ]
    made = np.vstack(rows)
    upright = np.rot90(made) if orientation == 6 else made
    expected = np.rot90(reduced) if orientation == 6 else reduced
    torn = slice(250 // 8, -(-300 // 8))
    np.testing.assert_array_equal(np.delete(upright, torn, 0), np.delete(expected, torn, 0))
    inside = upright[torn][1:-1]
    assert set(np.unique(inside)) <= set(range(120, 191))
    assert len(np.unique(inside)) > 1
    source.close()


def test_overviews_of_large_tiles_are_made_tile_by_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of tiles of 8,192 px would take a gigabyte, twice."""
    wide = np.tile(picture(), (3, 6, 1))
    path = write(tmp_path / "a.tif", wide, tile=(512, 1024), compression="deflate")
    with tifffile.TiffFile(path) as tiff:
        torn_at = tiff.pages[0].aspage().dataoffsets[1]
    with path.open("r+b") as file:
        file.seek(torn_at)
        file.write(b"torn torn torn")
    monkeypatch.setattr("viewer.slides.readers.tiff.overview.LARGE_PX", 1000)
    monkeypatch.setattr("viewer.slides.readers.tiff.overview._WIDE_PX", 1024)
    source = open_slide(path)
    index = next(i for i, g in enumerate(source.levels) if g.downsample == pytest.approx(8, 0.01))
    assert source.levels[index].stored_tiles_per_tile == 64
    made, expected = whole(source, index), np.asarray(Image.fromarray(wide).reduce(8)).copy()
    source.close()
    torn = np.zeros(made.shape[:2], bool)
    torn[:64, 128:256] = True
    np.testing.assert_array_equal(made[~torn], expected[~torn])
    assert set(np.unique(made[torn])) <= set(range(120, 191))
    assert len(np.unique(made[torn])) > 1


def test_a_strip_that_claims_much_and_holds_nothing_is_told(tmp_path: Path) -> None:
    side = 60_000  # to hatch it at full size took minutes
    tags = [
        (256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 200),
        (277, 3, 1), (278, 4, side), (279, 4, 4000),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", code, kind, 1, value) for code, kind, value in tags)
    path = tmp_path / "claims.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(5000))
    source = open_slide(path)
    made = next(i for i, level in enumerate(source.levels) if level.width_px == side // 16)
    with pytest.raises(TileError, match="damaged"):
        source.read_tile(made, 0, 0)
    source.close()
