"""Picture files too large for memory are read a few rows at a time, with the same pixels."""

from __future__ import annotations

import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from tiff_steps import gray, on_white, opacity, picture, whole

from viewer.slides import TileError
from viewer.slides.errors import UnsupportedSlideError
from viewer.slides.opener import open_here
from viewer.slides.readers.large_chunks import large_chunks

if TYPE_CHECKING:
    from pathlib import Path

_READERS = "viewer.slides.readers"
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
    monkeypatch.setattr(f"{_READERS}.image_size.MOST_BYTES", 1)
    monkeypatch.setattr(f"{_READERS}.large_chunks.PART_BYTES", 8192)
    monkeypatch.setattr(f"{_READERS}.tiff.sequential_rows.PART_BYTES", 5000)
    monkeypatch.setattr(f"{_READERS}.image_rows._INPUT_BYTES", 100)
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


@pytest.mark.parametrize("kind", ["interlaced", "progressive", "palette", "inks"])
def test_what_has_no_rows_is_refused_where_memory_has_no_room(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a.jpg" if kind in ("progressive", "inks") else "a.png")
    color = Image.fromarray(picture())
    if kind == "progressive":
        color.save(path, progressive=True)
    elif kind == "inks":
        color.convert("CMYK").save(path)
    elif kind == "palette":
        color.quantize(64).save(path)
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
