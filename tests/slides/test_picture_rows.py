"""Picture files too large for memory are read a few rows at a time, with the same pixels."""

from __future__ import annotations

import itertools
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from picture_steps import READERS, assert_as_in_memory
from PIL import Image, ImageOps
from random_pngs import BITS, random_png
from tiff_steps import gray, on_white, opacity, picture, whole

from viewer.limits import Limit
from viewer.slides import TileError
from viewer.slides.errors import UnsupportedSlideError
from viewer.slides.opening_here import open_here
from viewer.slides.readers.large_chunks import large_chunks

_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("RGB", {"quality": 90}),
    "jpeg of gray": ("L", {"quality": 90}),
    "jpeg turned": ("RGB", {"quality": 90}),
    "png": ("RGB", {}),
    "png of gray": ("L", {}),
    "png with opacity": ("RGBA", {}),
    "png of gray with opacity": ("LA", {}),
    "bmp": ("RGB", {}),
    "bmp of gray": ("L", {}),
    "ppm": ("RGB", {}),
    "pgm": ("L", {}),
    "tga": ("RGB", {}),
}


@pytest.fixture(autouse=True)
def is_all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pictures read as those of many gigabytes are."""
    monkeypatch.setattr(f"{READERS}.image.size.MOST_BYTES", 1)
    monkeypatch.setattr(f"{READERS}.large_chunks.PART_BYTES", 8192)
    monkeypatch.setattr(f"{READERS}.tiff.sequential_rows.PART_BYTES", 5000)
    monkeypatch.setattr(f"{READERS}.image.png_rows._INPUT_BYTES", 100)
    large_chunks().clear()


def _image(mode: str) -> Image.Image:
    color = Image.fromarray(picture())
    if mode.endswith("A"):
        color.putalpha(Image.fromarray(opacity()[..., 0]))
    return color.convert(mode)


@pytest.mark.parametrize("kind", _KINDS)
def test_pixels_are_those_of_the_whole_picture(tmp_path: Path, kind: str) -> None:
    mode, options = _KINDS[kind]
    path = tmp_path / f"a.{kind.split()[0]}"
    image = _image(mode)
    if "turned" in kind:
        options = {**options, "exif": image.getexif()}
        options["exif"][0x0112] = 6
    image.save(path, **options)
    with Image.open(path) as stored:
        upright = ImageOps.exif_transpose(stored)
        assert upright is not None
        if mode.endswith("A"):
            samples = np.asarray(upright.convert("RGBA"))
            expected = on_white(samples[..., :3], samples[..., 3:])
        else:
            expected = np.asarray(upright.convert("RGB"))
    with closing(open_here(path)) as source:
        assert "by rows" in source.info.reader
        assert np.abs(whole(source).astype(int) - expected).max() <= mode.endswith("A")
        tile = source.read_tile(0, 1, 0)
        assert np.abs(tile.astype(int) - expected[:256, 256:512]).max() <= mode.endswith("A")
        stored_way = np.rot90(expected) if "turned" in kind else expected
        reduced = np.asarray(Image.fromarray(stored_way).reduce(8)).astype(int)
        reduced = np.rot90(reduced, -1) if "turned" in kind else reduced
        assert np.abs(whole(source, 1) - reduced).max() <= 1


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_png_that_lies_on_its_side(tmp_path: Path, is_behind: bool) -> None:
    path, image = tmp_path / "a.png", _image("RGB")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    if is_behind:
        last = data.index(b"IEND") - 4
        data = data[:start] + data[end:last] + data[start:end] + data[last:]
    path.write_bytes(data)
    with closing(open_here(path)) as source:
        assert "by rows" in source.info.reader
        assert np.array_equal(whole(source), np.rot90(picture(), -1))


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_one_that_is_cut_short_says_which_tile(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (300, 420, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 20])
    good, bad = ((0, 0), (0, 1))
    if suffix == "bmp":  # whose rows come from below
        good, bad = bad, good
        with closing(open_here(path)) as source, pytest.raises(TileError, match="ends before"):
            source.read_tile(0, *bad)
        return
    with closing(open_here(path)) as source:
        np.testing.assert_array_equal(source.read_tile(0, *good), noise[:256, :256])
        with pytest.raises(TileError, match="ends"):
            source.read_tile(0, *bad)


@pytest.mark.parametrize(
    ("kind", "bits", "has_clear"),
    [(kind, *each) for kind in BITS for each in itertools.product(BITS[kind], (False, True))],
)
def test_pngs_of_all_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, bits: int, has_clear: bool
) -> None:
    """Each row has one of the five filters, by chance."""
    for seed in range(3):
        path = tmp_path / f"{seed}.png"
        png = random_png(seed, kind, bits, has_clear=has_clear, is_interlaced=False)
        path.write_bytes(png.data)
        assert_as_in_memory(path, "by rows", monkeypatch)


def test_a_png_whose_extremes_stand_last_is_stretched_as_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.full((300, 200), 700, np.uint16)
    values[-1] = 900
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path)
    assert_as_in_memory(path, "by rows", monkeypatch)


def _inks(adobe_transform: int, *, is_coarse: bool = False) -> bytes:
    """Return a JPEG of CMYK, or of YCCK where Adobe's transform is 2."""
    inks = np.concatenate([picture(), picture()[::-1, :, :1]], axis=2)
    inks[:40] = np.random.default_rng(0).integers(0, 256, inks[:40].shape)
    space = "YCCK" if is_coarse else "CMYK"  # of which libjpeg makes chroma coarse
    data = bytearray(
        imagecodecs.jpeg8_encode(inks, level=90, colorspace="CMYK", outcolorspace=space)
    )
    data[data.index(b"Adobe") + 11] = adobe_transform
    return bytes(data)


@pytest.mark.parametrize("adobe_transform", [0, 1, 2])
def test_inks_of_a_jpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adobe_transform: int
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(_inks(adobe_transform))
    assert_as_in_memory(path, "by rows", monkeypatch)


def test_inks_of_a_jpeg_through_their_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sorted(Path("/usr/share/color/icc").rglob("*cmyk*.icc"))
    if not found:
        pytest.skip("no ICC profile of inks is installed: ghostscript brings one")
    path = tmp_path / "a.jpg"
    image = _image("RGB").convert("CMYK")
    image.save(path, quality=90, icc_profile=found[0].read_bytes())
    assert_as_in_memory(path, "by rows", monkeypatch)


@pytest.mark.parametrize("is_lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, is_lossless: bool
) -> None:
    path = tmp_path / "a.webp"
    _image(mode).save(path, lossless=is_lossless, quality=80)
    assert_as_in_memory(path, "by rows", monkeypatch)
    monkeypatch.setattr(f"{READERS}.image.webp_rows._STEP_BYTES", 100)
    monkeypatch.setattr(f"{READERS}.image.webp_rows._BEHIND_BYTES", 4096)
    assert_as_in_memory(path, "by rows", monkeypatch)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        *itertools.product(["bmp", "tga"], ["1", "P", "L", "RGB", "RGBA"]),
        *(("tga", "LA"), ("pbm", "1"), ("pgm", "L"), ("ppm", "RGB")),
    ],
)
def test_pixels_that_are_stored_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, mode: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    _image(mode).save(path)
    assert_as_in_memory(path, "by rows", monkeypatch)


@pytest.mark.parametrize("is_from_right", [False, True])
@pytest.mark.parametrize("has_opacity", [False, True])
@pytest.mark.parametrize("attributes", [None, 0, 3])
def test_tga_by_its_header(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_from_right: bool,
    has_opacity: bool,
    attributes: int | None,
) -> None:
    path = tmp_path / "a.tga"
    _image("RGBA").save(path)
    data = bytearray(path.read_bytes())
    data[17] = (data[17] & 0x20) | 0x10 * is_from_right | 8 * has_opacity
    if attributes is not None:
        data = data[:-26]
        extension = len(data)
        data += bytes(494) + bytes([attributes])
        data += extension.to_bytes(4, "little") + bytes(4) + b"TRUEVISION-XFILE.\0"
    path.write_bytes(data)
    assert_as_in_memory(path, "by rows", monkeypatch)


@pytest.mark.parametrize("head", ["P5 420 300 65535 ", "Pf 420 300 -1 ", "Pf 420 300 1 "])
def test_grays_of_many_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    values = picture()[..., 0].astype(np.uint16) * 37 + 1000
    values[7, 9] = 60_000
    kind = ">u2" if head.startswith("P5") else ">f4" if " 1 " in head else "<f4"
    path = tmp_path / ("a.pgm" if head.startswith("P5") else "a.pfm")
    path.write_bytes(head.replace(" ", "\n").encode() + values.astype(kind).tobytes())
    assert_as_in_memory(path, "by rows", monkeypatch)


def test_what_is_left_of_a_dark_png_that_is_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (300, 420), np.uint16)
    path = tmp_path / "a.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 20])
    with closing(open_here(path)) as source:
        assert source.info.display_range is not None
        assert source.read_tile(0, 0, 0).max() > 200
        with pytest.raises(TileError, match="ends"):
            source.read_tile(0, 0, 1)


def test_a_progressive_jpeg_is_read_by_rows_where_memory_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(path, progressive=True, quality=90)
    assert_as_in_memory(path, "by rows", monkeypatch)


@pytest.mark.parametrize("kind", ["interlaced", "progressive", "coarse inks", "moving", "gif"])
def test_what_has_no_rows_is_refused_where_memory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    suffix = {"interlaced": "png", "moving": "webp", "gif": "gif"}.get(kind, "jpg")
    path = tmp_path / f"a.{suffix}"
    color = Image.fromarray(picture())
    if kind == "progressive":
        color.save(path, progressive=True)
        monkeypatch.setattr(
            f"{READERS}.image.rows.TILE_BYTES", Limit(path.stat().st_size + 300_000, "")
        )
    elif kind == "coarse inks":
        path.write_bytes(_inks(2, is_coarse=True))
    elif kind == "moving":
        color.save(path, save_all=True, append_images=[color.transpose(Image.Transpose.ROTATE_180)])
    elif kind == "gif":
        color.save(path)
    else:
        color.save(path)
        data = bytearray(path.read_bytes())
        data[28] = 1
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
    with pytest.raises(UnsupportedSlideError, match="too large to hold in memory"):
        open_here(path)


def test_grays_stay_gray(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()[..., 1].copy()).save(path)
    with closing(open_here(path)) as source:
        np.testing.assert_array_equal(whole(source), gray(picture()[..., 1]))
