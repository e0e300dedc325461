"""GIF, JPEG 2000, PNG of 16 bits, palettes, CMYK and turned images, against other decoders."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from tiff_steps import assert_shows, gray, on_white, opacity, picture

from viewer.slides import NoSuchImageError, open_slide


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
    srgb = ImageCms.createProfile("sRGB")
    for name in ("a.tif", "a.jpg"):
        stored = Image.open(tmp_path / name)
        shown = ImageCms.profileToProfile(
            stored,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
        assert shown is not None
        notes = assert_shows(tmp_path / name, np.asarray(shown), 1)
        assert notes == ("CMYK is shown through its ICC profile.",)
        assert open_slide(tmp_path / name).info.icc_profile is None
