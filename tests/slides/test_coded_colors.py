"""Colors that a picture states without an ICC profile are shown as sRGB, and that is said."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from tiff_steps import assert_shows, picture

from viewer.slides import open_slide
from viewer.slides.colors.profile import profile_problem

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_this_process")

_ORIENTATION = 274
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


def _camera(space: int | None, name: str | None) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = 1
    exif.get_ifd(0x8769)[0xA001] = space
    if name is not None:
        exif.get_ifd(0x8769)[0xA005] = {1: name}
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize(
    ("space", "name", "is_said"),
    [(1, None, False), (2, None, True), (0xFFFF, "R03", True), (1, "R98", False)],
)
def test_adobe_rgb_of_a_camera(
    tmp_path: Path, suffix: str, space: int, name: str | None, is_said: bool
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(picture()).save(path, exif=_camera(space, name))
    with closing(open_slide(path)) as source:
        said = ("Shown as sRGB: its colors are Adobe RGB (EXIF without ICC profile).",)
        assert source.info.notes == (said if is_said else ())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(path, exif=_camera(space, name), icc_profile=profile)
    with closing(open_slide(path)) as source:
        assert source.info.notes == ()


def _fractions(*values: float) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * 10_000), 10_000))


_PRIMARIES_OF_NTSC = (319, 5, 6, _fractions(0.67, 0.33, 0.21, 0.71, 0.14, 0.08), True)
_PRIMARIES_OF_SRGB = (319, 5, 6, _fractions(0.64, 0.33, 0.30, 0.60, 0.15, 0.06), True)
_WHITE_OF_PAPER = (318, 5, 2, _fractions(0.3457, 0.3585), True)


def _curve(power: float, count: int) -> tuple[int, int, int, list[int], bool]:
    one = [round((value / 255) ** power * 65535) for value in range(256)]
    return (301, 3, 256 * count, one * count, True)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([_PRIMARIES_OF_SRGB, _curve(2.2, 3)], ""),
        ([_PRIMARIES_OF_NTSC], "its primaries (TIFF without ICC profile) are not read."),
        ([_WHITE_OF_PAPER], "its primaries (TIFF"),
        ([_curve(1, 1)], "its curve (TIFF without ICC profile) is not read."),
        ([_curve(1.8, 3), _PRIMARIES_OF_NTSC], "its curve and its primaries (TIFF"),
        ([(319, 5, 6, _fractions(*[0.0] * 6), True)], ""),
        ([(532, 5, 6, _fractions(*[0, 255] * 3), True)], ""),
        ([(532, 5, 6, _fractions(*[16, 235] * 3), True)], "its black and white (TIFF without ICC"),
    ],
)
def test_colors_of_a_tiff(tmp_path: Path, tags: list[Any], said: str) -> None:
    path = tmp_path / "a.tif"
    about: dict[str, Any] = {"photometric": "rgb", "metadata": None, "extratags": tags}
    tifffile.imwrite(path, picture(), **about)
    with closing(open_slide(path)) as source:
        assert len(source.info.notes) == bool(said)
        assert not said or source.info.notes[0].startswith(f"Shown as sRGB: {said}")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tifffile.imwrite(path, picture(), iccprofile=profile, **about)
    with closing(open_slide(path)) as source:
        assert source.info.notes == ()


def test_the_profile_within_a_bmp(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.bmp"
    pixels = picture()
    rows = np.pad(
        pixels[::-1, :, ::-1].reshape(len(pixels), -1), ((0, 0), (0, -pixels.shape[1] % 4))
    )
    size = struct.pack("<IiiHHIIiiII", 124, *pixels.shape[1::-1], 1, 24, 0, 0, 0, 0, 0, 0)
    header = size + bytes(16) + b"DEBM" + bytes(48) + struct.pack("<4I", 4, 124, len(profile), 0)
    start = 14 + len(header) + len(profile)
    head = struct.pack("<2sIHHI", b"BM", start + rows.size, 0, 0, start)
    path.write_bytes(head + header + profile + rows.tobytes())
    with closing(open_slide(path)) as source:
        assert source.info.icc_profile == profile
        assert_shows(path, pixels)
    path.write_bytes(head + header.replace(b"DEBM", b"BGRs") + profile + rows.tobytes())
    with closing(open_slide(path)) as source:
        assert source.info.icc_profile is None


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
