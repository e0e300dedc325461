"""GIF, JPEG 2000, PNG of 16 bits, palettes, CMYK and turned images, against other decoders."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from little_cms import by_little_cms
from picture_steps import JP2_ORDERS, SRGB, jp2_of, write_ordered_jp2
from PIL import Image, ImageCms, ImageOps
from tiff_steps import assert_shows, gray, on_white, opacity, picture, whole

from viewer.slides import (
    DamagedSlideError,
    NoSuchImageError,
    SlideError,
    UnsupportedSlideError,
    open_slide,
)
from viewer.slides.readers.image.jpeg_xl import jpeg_xl_header
from viewer.slides.readers.image.source import open_image


def test_gif(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).quantize(64)
    image.save(tmp_path / "a.gif")
    assert assert_shows(tmp_path / "a.gif", np.asarray(image.convert("RGB"))) == ()
    image.save(tmp_path / "b.gif", save_all=True, append_images=[image.rotate(180)])
    notes = assert_shows(tmp_path / "b.gif", np.asarray(image.convert("RGB")))
    assert notes == ("Shown: frame 1 of 2.",)


@pytest.mark.parametrize("codecformat", ["jp2", "j2k"])
def test_jpeg_2000(tmp_path: Path, codecformat: str) -> None:
    deep = picture().astype(np.uint16) * 257
    rgba = np.concatenate([picture(), opacity()], 2)
    options = {"level": 0, "codecformat": codecformat, "reversible": True}
    path = tmp_path / f"a.{codecformat}"
    path.write_bytes(imagecodecs.jpeg2k_encode(picture(), **options))
    assert_shows(path, picture())
    path.write_bytes(imagecodecs.jpeg2k_encode(deep, **options))
    assert_shows(path, picture(), 1)
    path.write_bytes(imagecodecs.jpeg2k_encode(deep >> 4, bitspersample=12, **options))
    assert_shows(path, picture(), 1)
    path.write_bytes(imagecodecs.jpeg2k_encode(rgba, **options))
    assert_shows(path, on_white(picture(), opacity()), 1)
    deep = (rgba.astype(np.uint16) * 257) >> 4
    path.write_bytes(imagecodecs.jpeg2k_encode(deep, bitspersample=12, **options))
    assert_shows(path, on_white(picture(), opacity()), 1)


def test_png_of_16_bits(tmp_path: Path) -> None:
    deep = picture().astype(np.uint16) * 257
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(deep))
    assert assert_shows(path, picture(), 1) == ()
    alpha = opacity().astype(np.uint16) * 257
    path.write_bytes(imagecodecs.png_encode(np.concatenate([deep, alpha], 2)))
    assert_shows(path, on_white(picture(), opacity()), 1)
    path.write_bytes(imagecodecs.png_encode(deep[..., 0] // 16))
    (note,) = open_slide(path).info.notes
    assert note.startswith("Stretched for display: values from ")


def test_the_profile_and_the_bits_of_a_jpeg_2000(tmp_path: Path) -> None:
    """A profile of 70 KB stands before the code, which alone tells how many bits there are."""
    deep = (picture().astype(np.uint16) * 257) >> 4
    coded = imagecodecs.jpeg2k_encode(
        deep, level=0, codecformat="jp2", reversible=True, bitspersample=12
    )
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = struct.pack(">I", 70_000) + profile[4:].ljust(70_000 - 4, b"\0")
    box = struct.pack(">I4sBBB", len(profile) + 11, b"colr", 2, 0, 0) + profile
    at = coded.index(b"colr") - 4
    old = int.from_bytes(coded[at : at + 4], "big")
    header = coded.index(b"jp2h") - 4
    size = int.from_bytes(coded[header : header + 4], "big") - old + len(box)
    path = tmp_path / "a.jp2"
    path.write_bytes(
        coded[:header] + struct.pack(">I", size) + coded[header + 4 : at] + box + coded[at + old :]
    )
    assert_shows(path, picture(), 1)
    with closing(open_slide(path)) as source:
        assert source.info.icc_profile == profile
    few = (picture() >> 4).astype(np.uint8)
    path.write_bytes(imagecodecs.jpeg2k_encode(few, level=0, reversible=True, bitspersample=4))
    assert_shows(path, few * np.uint8(17))


@pytest.mark.parametrize("order", JP2_ORDERS)
def test_the_channels_of_a_jpeg_2000(tmp_path: Path, order: str) -> None:
    path, expected = write_ordered_jp2(tmp_path / "a.jp2", order)
    assert_shows(path, expected, 1)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_palette_of_a_jpeg_2000(tmp_path: Path, bits: int) -> None:
    """Entries with opacity as their fourth column, and without."""
    entries = (picture()[..., 0] >> 4).astype(np.uint8)
    palette = np.random.default_rng(3).integers(0, 256, (16, 4), np.uint8)
    for columns in (3, 4):
        table = struct.pack(">HB", 16, columns) + bytes([7] * columns)
        boxes = [
            b"pclr" + table + palette[:, :columns].tobytes(),
            b"cmap" + b"".join(struct.pack(">HBB", 0, 1, column) for column in range(columns)),
        ]
        shown = palette[entries][..., :3]
        if columns == 4:
            rows = ((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))
            boxes.append(b"cdef\0\4" + b"".join(struct.pack(">HHH", *row) for row in rows))
            shown = on_white(shown, palette[entries][..., 3:])
        path = jp2_of(tmp_path / f"{columns}.jp2", entries, SRGB, *boxes, bits=bits)
        assert assert_shows(path, shown, 1) == ()


def png_of(path: Path, samples: np.ndarray, bits: int, key: tuple[int, ...]) -> Path:
    """Write a PNG of gray or RGB by hand, of which one color is transparent (tRNS)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    height, width, count = samples.shape
    ones = samples[..., np.newaxis] >> np.arange(bits - 1, -1, -1) & 1
    rows = np.packbits(ones.reshape(height, -1).astype(np.uint8), axis=1)
    data = np.concatenate([np.zeros((height, 1), np.uint8), rows], 1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, 2 if count == 3 else 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", struct.pack(f">{count}H", *key))
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_gray_of_a_png_that_is_transparent(tmp_path: Path, bits: int) -> None:
    full = (1 << bits) - 1
    stored = picture()[..., 1].astype(int) * full // 255
    key = int(stored[230, 350])
    low, high = (stored.min(), stored.max()) if bits == 16 else (0, full)
    expected = gray(np.rint((stored - low) * 255 / (high - low)).astype(np.uint8))
    expected[stored == key] = 255
    assert_shows(png_of(tmp_path / "a.png", stored[..., np.newaxis], bits, (key,)), expected, 1)


def test_a_color_of_16_bits_that_is_transparent(tmp_path: Path) -> None:
    stored = picture().astype(int) * 256 + 7
    expected = picture()
    is_key = (expected == expected[80, 100]).all(axis=2)
    expected[is_key] = 255
    path = png_of(tmp_path / "a.png", stored, 16, tuple(int(part) for part in stored[80, 100]))
    assert_shows(path, expected, 1)


def test_palettes_with_a_transparent_entry(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).quantize(16)
    path = tmp_path / "a.png"
    image.save(path)
    assert_shows(path, np.asarray(image.convert("RGB")))
    image.save(path, transparency=3)
    seen = np.asarray(Image.open(path).convert("RGBA"))
    assert_shows(path, on_white(seen[..., :3], seen[..., 3:]), 1)


def test_cmyk_jpeg_with_and_without_a_profile(tmp_path: Path) -> None:
    inks = Image.fromarray(picture()).convert("CMYK")
    inks.save(tmp_path / "a.jpg", quality=95)
    paper = 255 - np.asarray(Image.open(tmp_path / "a.jpg")).astype(float)
    expected = np.rint(paper[..., :3] * paper[..., 3:] / 255).astype(np.uint8)
    notes = assert_shows(tmp_path / "a.jpg", expected, 1)
    assert notes == ("CMYK without a usable ICC profile: its colors are an approximation.",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_by_exif(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "a.png", "a.webp"):
        path = tmp_path / name
        Image.fromarray(picture()).save(path, exif=exif, quality=95)
        assert_shows(path, np.asarray(ImageOps.exif_transpose(Image.open(path).convert("RGB"))))


def test_gray_with_opacity(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    two = np.concatenate([picture()[..., :1], opacity()], 2)
    Image.fromarray(two, "LA").save(path)
    assert_shows(path, on_white(gray(picture()[..., 0]), opacity()), 1)


def test_profiles_are_handed_on_even_where_they_do_not_fit(tmp_path: Path) -> None:
    """What shows the slide says that such a profile cannot be used."""
    path = tmp_path / "a.png"
    for space in ("sRGB", "LAB"):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
        Image.fromarray(picture()).save(path, icc_profile=profile)
        assert open_slide(path).info.icc_profile == profile


def test_there_is_one_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    open_slide(path, image=0).close()
    with pytest.raises(NoSuchImageError, match="it holds one, number 0"):
        open_slide(path, image=1)


def test_a_broken_cmyk_profile_costs_no_tile(tmp_path: Path) -> None:
    broken = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    broken[16:20] = b"CMYK"
    inks = Image.fromarray(picture()).convert("CMYK")
    inks.save(tmp_path / "a.jpg", quality=95, icc_profile=bytes(broken))
    inks.save(tmp_path / "a.tif", icc_profile=bytes(broken))
    for name in ("a.jpg", "a.tif"):
        paper = 255 - np.asarray(Image.open(tmp_path / name)).astype(float)
        expected = np.rint(paper[..., :3] * paper[..., 3:] / 255).astype(np.uint8)
        (note,) = assert_shows(tmp_path / name, expected, 1)
        assert note.startswith("CMYK without a usable ICC profile")


def test_cmyk_through_its_profile_is_little_cms(tmp_path: Path) -> None:
    found = sorted(Path("/usr/share/color/icc").rglob("*cmyk*.icc"))
    if not found:
        pytest.skip("no ICC profile of inks is installed: ghostscript brings one")
    profile = found[0].read_bytes()
    inks = Image.fromarray(picture()).convert("CMYK")
    inks.save(tmp_path / "a.tif", icc_profile=profile)
    inks.save(tmp_path / "a.jpg", icc_profile=profile, quality=95)
    for name in ("a.tif", "a.jpg"):
        stored = Image.open(tmp_path / name)
        notes = assert_shows(tmp_path / name, by_little_cms(stored, profile), 1)
        assert notes == ("CMYK is shown through its ICC profile.",)
        assert open_slide(tmp_path / name).info.icc_profile is None


@pytest.mark.parametrize("name", ["a.ppm", "a.bmp", "a.tga", "a.webp"])
def test_lossless_pictures_of_pillow(tmp_path: Path, name: str) -> None:
    Image.fromarray(picture()).save(tmp_path / name, lossless=True)
    assert assert_shows(tmp_path / name, picture()) == ()
    misnamed = (tmp_path / name).rename(tmp_path / f"a.{'jpg' if name != 'a.tga' else 'vda'}")
    assert_shows(misnamed, picture())


@pytest.mark.parametrize("name", ["a.tga", "a.webp", "a.avif"])
def test_opacity_of_pictures(tmp_path: Path, name: str) -> None:
    rgba = np.concatenate([picture(), opacity()], 2)
    Image.fromarray(rgba).save(tmp_path / name, lossless=True, quality=100)
    seen = np.asarray(Image.open(tmp_path / name).convert("RGBA"))
    assert np.abs(seen[..., 3:].astype(int) - opacity()).max() <= 4
    assert_shows(tmp_path / name, on_white(seen[..., :3], seen[..., 3:]), 1)


@pytest.mark.parametrize("kind", ["colors", "palette"])
@pytest.mark.parametrize("alpha_bits", [0, 8])
def test_opacity_of_a_tga_counts_where_its_header_says_so(
    tmp_path: Path, kind: str, alpha_bits: int
) -> None:
    path = tmp_path / "a.tga"
    color = picture()[..., :3] if kind == "colors" else np.repeat(picture()[..., :1], 3, 2)
    levels = np.concatenate([np.repeat(np.arange(256)[:, np.newaxis], 3, 1), [[0]] * 256], 1)
    table = levels.astype(np.uint8).tobytes() if kind == "palette" else b""
    clear = np.zeros_like(color[..., :1])
    pixels = np.concatenate([color[..., ::-1], clear], 2) if not table else color[..., 0]
    height, width = color.shape[:2]
    map_kind, image_kind, bits = (1, 1, 8) if table else (0, 2, 32)
    head = struct.pack("<BBBHHB", 0, map_kind, image_kind, 0, 256 * map_kind, 32 * map_kind)
    head += struct.pack("<HHHHBB", 0, 0, width, height, bits, 0x20 | alpha_bits)
    path.write_bytes(head + table + pixels.tobytes())
    assert_shows(path, np.full_like(color, 255) if alpha_bits else color)


def test_a_rare_form_of_a_bmp_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    head = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 32, 3, 16, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 82, 0, 0, 66) + head + masks + bytes(16))
    with pytest.raises(UnsupportedSlideError, match=r"rare form .* save it as PNG or TIFF"):
        open_slide(path)


def test_gray_and_bilevel_pnm(tmp_path: Path) -> None:
    shade = picture()[..., 1]
    Image.fromarray(shade).save(tmp_path / "a.pgm")
    assert_shows(tmp_path / "a.pgm", gray(shade))
    Image.fromarray(shade > 120).save(tmp_path / "a.pbm")
    assert_shows(tmp_path / "a.pbm", gray((shade > 120).astype(np.uint8) * 255))
    deep = shade.astype(">u2") * 16
    (tmp_path / "b.pgm").write_bytes(b"P5\n420 300\n4095\n" + deep.astype(">u2").tobytes())
    (note,) = open_slide(tmp_path / "b.pgm").info.notes
    assert note.startswith("Stretched for display: values from ")


@pytest.mark.parametrize("container", [False, True])
def test_jpeg_xl(tmp_path: Path, container: bool) -> None:
    path = tmp_path / "a.jxl"
    options = {"lossless": True, "usecontainer": container}
    path.write_bytes(imagecodecs.jpegxl_encode(picture(), **options))
    assert jpeg_xl_header(path) == (420, 300, False, 0, 8)
    (note,) = assert_shows(path, picture())
    assert note == "Shown as sRGB: color profiles of JPEG XL are not read."
    rgba = np.concatenate([picture(), opacity()], 2)
    path.write_bytes(imagecodecs.jpegxl_encode(rgba, **options))
    assert jpeg_xl_header(path) == (420, 300, False, 1, 8)
    assert_shows(path, on_white(picture(), opacity()), 1)
    path.write_bytes(imagecodecs.jpegxl_encode(picture().astype(np.uint16) * 257, **options))
    assert_shows(path, picture(), 1)
    path.write_bytes(imagecodecs.jpegxl_encode(picture()[..., 1].copy(), **options))
    assert_shows(path, gray(picture()[..., 1]))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedSlideError, match=r"^a\.jxl is an image that cannot be decoded"):
        open_slide(path)


@pytest.mark.parametrize("extra", [1, 2, 4])
def test_a_gray_jpeg_xl_with_other_channels(tmp_path: Path, extra: int) -> None:
    path = tmp_path / "a.jxl"
    planes = np.stack([np.roll(picture()[..., 1], 40 * n, axis=1) for n in range(1 + extra)])
    path.write_bytes(imagecodecs.jpegxl_encode(planes, lossless=True, planar=True))
    notes = assert_shows(path, gray(planes[0]))
    said = "One more sample is not shown." if extra == 1 else f"{extra} more samples are not shown."
    assert said in notes


@pytest.mark.parametrize("suffix", [".jpg", ".mpo"])
def test_a_jpeg_with_others_behind_it_is_a_jpeg(tmp_path: Path, suffix: str) -> None:
    path, plain = tmp_path / f"a{suffix}", tmp_path / "plain.jpg"
    image = Image.fromarray(picture())
    image.save(path, "MPO", save_all=True, append_images=[image.rotate(180)])
    image.save(plain)
    assert "Shown: frame 1 of 2." in assert_shows(path, np.asarray(Image.open(plain)))
    with closing(open_slide(path)) as source:
        assert source.info.properties["image.format"] == "JPEG"


def test_a_channel_beside_the_colors_of_a_jpeg_xl_is_said_to_be_left_out(tmp_path: Path) -> None:
    """Of a picture with opacity its header is made to say that this is depth."""
    pixels = np.random.default_rng(3).integers(0, 255, (64, 96, 4), np.uint8)
    code = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1))
    bits = "".join(f"{byte:08b}"[::-1] for byte in code[2:5])
    at, depth_of_8_bits = 17, "0100000000"
    assert bits[at] == "1", "opacity, as usual"
    bits = (bits[:at] + depth_of_8_bits + bits[at + 1 : at + 6]).ljust(32, "0")
    header = bytes(int(bits[n : n + 8][::-1], 2) for n in range(0, len(bits), 8))
    path = tmp_path / "a.jxl"
    path.write_bytes(code[:2] + header + code[5:])
    notes = assert_shows(path, pixels[..., :3])
    assert "One more sample is not shown." in notes


@pytest.mark.parametrize(
    ("depth", "sentence"),
    [("100" + "0000", "too large to hold in memory"), ("001" + "00000", "cannot be decoded")],
    ids=["of 32 bits", "of 10 bits"],
)
def test_a_jpeg_xl_is_refused_by_the_depth_that_it_claims(
    tmp_path: Path, depth: str, sentence: str
) -> None:
    """Beside its header, of 12,000 px a side, nothing is there to be decoded."""
    path = tmp_path / "a.jxl"
    side = f"{12_000 - 1:018b}"[::-1]
    bits = "0" + "01" + side + "100" + "00" + depth + "1" + "00"
    path.write_bytes(b"\xff\x0a" + int(bits[::-1], 2).to_bytes(12, "little"))
    with pytest.raises(SlideError, match=sentence):
        open_slide(path)


@pytest.mark.parametrize("shape", [(256, 512), (8, 200), (3000, 3000), (200, 1), (640, 360)])
def test_the_size_of_a_jpeg_xl_is_told_by_its_header(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    path = tmp_path / "a.jxl"
    path.write_bytes(imagecodecs.jpegxl_encode(np.zeros(shape, np.uint8), effort=1))
    assert jpeg_xl_header(path) == (*shape[::-1], False, 0, 8)


def test_a_jpeg_xl_that_claims_too_much_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jxl"
    claim = 0b11 << 1 | (1 << 29) << 3 | 1 << 33  # height 2^29 + 1, as wide as high
    path.write_bytes(b"\xff\x0a" + claim.to_bytes(12, "little"))
    with pytest.raises(UnsupportedSlideError, match="too large to hold in memory"):
        open_slide(path)


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture, .*: save it as TIFF or PNG"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "a damaged AVIF picture, .*: copy it again"),
        (b"8BPS\0\1", "a Photoshop document"),
        (imagecodecs.jpegls_encode(picture()), "a JPEG-LS picture"),
        (
            imagecodecs.jpeg_encode(picture()[..., 1].astype(np.uint16), bitspersample=12),
            "a JPEG of 12 bits",
        ),
        (
            imagecodecs.jpeg2k_encode(np.zeros((20, 30, 5), np.uint8), codecformat="jp2"),
            "a JPEG 2000 picture .* other than 1 to 4 components",
        ),
        (b"P7\nWIDTH 4\n", "a PAM picture"),
        (b"\x0a\x05\x01\x08", "a PCX picture"),
        (b"\x01\xda\x01\x01", "an SGI picture"),
        (b"\0\0\x01\0\x01\0", "an icon"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, .*: export its image as OME-TIFF"),
        (b"\n<!DOCTYPE html><title>Sign in</title>", "a web page, .*: the download .* failed"),
        (b"\x1f\x8b\x08", "a gzip archive, .*: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS.*: run `git lfs pull`"),
    ],
)
def test_what_is_no_slide_is_named_with_what_to_do(tmp_path: Path, begin: bytes, said: str) -> None:
    path = tmp_path / "a.svs"
    path.write_bytes(begin + bytes(2_000))
    with pytest.raises(UnsupportedSlideError, match=rf"^a\.svs is .*{said}"):
        open_slide(path)


@pytest.mark.parametrize("kind", ["color", "palette", "deep", "turned"])
def test_a_large_picture_has_an_overview(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    """Made in one pass, so that its overview need not be put together from all of its tiles."""
    monkeypatch.setattr("viewer.slides.readers.image.chunks.LARGE_PX", 1 << 16)
    path, image = tmp_path / "a.png", picture()
    if kind == "deep":
        path.write_bytes(imagecodecs.png_encode(image.astype(np.uint16) * 257))
    elif kind == "palette":
        palette = Image.fromarray(image).quantize(64)
        palette.save(path)
        image = np.asarray(palette.convert("RGB"))
    else:
        exif = Image.Exif()
        exif[0x0112] = 6 if kind == "turned" else 1
        Image.fromarray(image).save(path, exif=exif)
    right = np.asarray(Image.fromarray(image).reduce(8))
    if kind == "turned":
        right, image = np.rot90(right, -1), np.rot90(image, -1)
    source = open_image(path)
    assert source is not None
    with closing(source):
        assert [level.stored_tiles_per_tile for level in source.levels] == [1, 64]
        shown = whole(source, 1)
        assert shown.shape == right.shape
        assert np.abs(shown.astype(int) - right).max() <= 1
        assert np.abs(whole(source).astype(int) - image).max() <= 1
