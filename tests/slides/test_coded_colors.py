"""Colors that a picture states without an ICC profile are shown as sRGB, and that is said."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageCms
from tiff_steps import assert_shows, picture

from viewer.slides import open_slide
from viewer.slides.color_profile import profile_problem

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_this_process")

_LINEAR = b"gAMA" + struct.pack(">I", 100_000)
_USUAL = b"gAMA" + struct.pack(">I", 45_455)
_SRGB = b"cHRM" + struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_WIDE = b"cHRM" + struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)


def png_with(path: Path, *chunks: bytes, profile: bytes | None = None) -> Path:
    """Write a PNG with these chunks behind its header."""
    stored = io.BytesIO()
    Image.fromarray(picture()).save(stored, "PNG", icc_profile=profile)
    data = stored.getvalue()
    at = 8 + 25  # behind the signature and IHDR
    more = b"".join(
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each))
        for each in chunks
    )
    path.write_bytes(data[:at] + more + data[at:])
    return path


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ((_USUAL,), ""),
        ((_USUAL, _SRGB), ""),
        ((b"sRGB\0", _LINEAR), ""),
        ((b"cICP\x01\x0d\0\x01", _LINEAR), ""),
        ((_LINEAR,), "Shown as sRGB: its gamma 1 (PNG without ICC profile) is not read."),
        ((_USUAL, _WIDE), "Shown as sRGB: its primaries (PNG"),
        ((_LINEAR, _WIDE), "Shown as sRGB: its gamma 1 and its primaries (PNG"),
        ((b"cICP\x09\x10\0\x01",), "Its colors are HDR (PQ);"),
        ((b"cICP\x09\x12\0\x01",), "Its colors are HDR (HLG);"),
        ((b"cICP\x0c\x0d\0\x01",), "Shown as sRGB: its color space (primaries Display P3,"),
    ],
)
def test_colors_of_a_png(tmp_path: Path, chunks: tuple[bytes, ...], said: str) -> None:
    notes = assert_shows(png_with(tmp_path / "a.png", *chunks), picture())
    assert len(notes) == bool(said)
    assert not said or notes[0].startswith(said)


def test_an_icc_profile_says_it_instead(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = png_with(tmp_path / "a.png", _LINEAR, _WIDE, profile=profile)
    with closing(open_slide(path)) as source:
        assert source.info.notes == ()
        assert source.info.icc_profile == profile


def test_high_dynamic_range_of_an_avif(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.fromarray(picture()).save(path, quality=90)
    with closing(open_slide(path)) as source:
        assert source.info.notes == ()
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", 9, 16)
    path.write_bytes(data)
    with closing(open_slide(path)) as source:
        (note,) = source.info.notes
    assert note.startswith("Its colors are HDR (PQ);")


def test_a_jpeg_of_inks_without_a_marker_of_adobe(tmp_path: Path) -> None:
    stored = io.BytesIO()
    Image.fromarray(picture()).convert("CMYK").save(stored, "JPEG", quality=95)
    data = stored.getvalue()
    at = data.index(b"\xff\xee")
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :])
    with closing(open_slide(path)) as source:
        approximate, inks = source.info.notes
    assert approximate.startswith("CMYK without a usable ICC profile")
    assert inks.startswith("This JPEG does not say whether its inks are stored inverted")


def _in_segments(profile: bytes, numbers: tuple[int, ...], count: int) -> bytes:
    """Return a JPEG with parts of a profile by their numbers, of three that there are."""
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", quality=95)
    size = -(-len(profile) // 3)
    parts = b""
    for number in numbers:
        part = profile[(number - 1) * size : number * size]
        body = b"ICC_PROFILE\0" + bytes((number, count)) + part
        parts += b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    data = file.getvalue()
    return data[:2] + parts + data[2:]


@pytest.mark.parametrize(
    ("numbers", "count", "is_whole"),
    [
        ((1, 2, 3), 3, True),
        ((3, 1, 2), 3, True),
        ((1, 3), 3, False),
        ((1, 2, 3), 4, False),
        ((1, 1, 2), 3, False),
        ((1, 2, 2, 3), 3, False),
    ],
)
def test_a_profile_in_segments_of_a_jpeg(
    tmp_path: Path, numbers: tuple[int, ...], count: int, is_whole: bool
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(_in_segments(profile, numbers, count))
    with closing(open_slide(path)) as source:
        assert (source.info.icc_profile == profile) == is_whole
        problem = profile_problem(source.info.icc_profile)
        assert ("cannot be used (it is damaged)" in problem) != is_whole


def test_a_damaged_profile_of_a_png_is_said(tmp_path: Path) -> None:
    path = png_with(tmp_path / "a.png", b"iCCPx\0\0" + b"no stream of zlib")
    with closing(open_slide(path)) as source:
        assert "(it is damaged)" in profile_problem(source.info.icc_profile)


def test_long_profiles_and_texts_of_a_png_are_read(tmp_path: Path) -> None:
    text = b"zTXtx\0\0" + zlib.compress(bytes(3 << 20))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(3 << 20)
    path = png_with(tmp_path / "a.png", text, profile=profile)
    with closing(open_slide(path)) as source:
        assert source.info.icc_profile == profile
