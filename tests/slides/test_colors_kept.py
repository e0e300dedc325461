"""Copies are shown in the colors of what they were made of, or it is said that they are not."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import marked_slides
import numpy as np
import pydicom
import pytest
import tifffile
from little_cms import ADOBE, by_little_cms
from numpy.typing import NDArray
from PIL import Image, ImageCms

from viewer.slides import open_slide
from viewer.slides.displayed import AS_STORED, BY_PROFILE, colors_given, displayed
from viewer.slides.readers.openslide.unread_profiles import unread_profile
from viewer.slides.region import read_level
from viewer.slides.writing.convert import convert
from viewer.slides.writing.deidentify import deidentify

COLOR = (180, 90, 120)
JPEG_ROUNDING = 3


def shown(path: Path) -> tuple[NDArray[np.uint8], str]:
    """The full size as the window opens it, and what its colors are said to be."""
    with closing(open_slide(path)) as source:
        return displayed(source.info, read_level(source, 0)), colors_given(source.info)


@pytest.mark.parametrize(
    "target", [("out.ome.tif", None), ("out.ome.zarr", None), ("out", "dicom")]
)
@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_a_converted_slide_keeps_them_or_says_so(
    tmp_path: Path, target: tuple[str, str | None], compression: str | None
) -> None:
    pixels = np.full((700, 900, 3), COLOR, np.uint8)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", compression=compression,
        iccprofile=ADOBE, resolution=(40_000, 40_000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    name, kind = target
    done = convert(path, tmp_path / name, kind=kind)
    picture, colors = shown(done.path)
    is_said = any("ICC profile" in each for each in [*done.lossy, *done.dropped])
    is_kept = not name.endswith("zarr")
    with tifffile.TiffFile(path) as file:
        stored = file.pages.first.asarray()
    expected = by_little_cms(Image.fromarray(stored), ADOBE) if is_kept else stored
    assert np.abs(picture.astype(int) - expected).max() <= JPEG_ROUNDING
    assert (colors, is_said) == ((BY_PROFILE, False) if is_kept else (AS_STORED, True))


@pytest.mark.parametrize("kind", ["dicom", "ome-tiff"])
@pytest.mark.parametrize("space", [b"GRAY", b""])
def test_of_a_profile_that_cannot_be_used_it_is_said_what_is_written(
    tmp_path: Path, space: bytes, kind: str
) -> None:
    profile = bytearray(ADOBE)
    profile[16:20] = space or profile[16:20]
    broken = bytes(profile) if space else bytes(profile[:200])
    path = tmp_path / "slide.tif"
    pixels = np.full((300, 300, 3), COLOR, np.uint8)
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", iccprofile=broken,
        resolution=(40_000, 40_000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    done = convert(path, tmp_path / ("out" if kind == "dicom" else "out.ome.tif"), kind=kind)
    (said,) = (each for each in done.lossy if "profile" in each)
    assert said.startswith("The slide's color profile cannot be used (")
    picture, colors = shown(done.path)
    assert np.abs(picture.astype(int) - pixels).max() <= JPEG_ROUNDING
    if kind == "dicom":
        assert said.endswith("DICOM demands an ICC profile: sRGB is written.")
        assert colors == BY_PROFILE
        dataset = pydicom.dcmread(done.path / "level-0.dcm", stop_before_pixels=True)
        written = ImageCms.ImageCmsProfile(io.BytesIO(dataset.OpticalPathSequence[0].ICCProfile))
        assert "sRGB" in ImageCms.getProfileName(written)
    else:
        assert colors == said


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.svs", marked_slides.write_svs),
        ("a.tiff", marked_slides.write_philips),
        ("a.ome.tif", marked_slides.write_ome),
    ],
)
def test_a_deidentified_copy_keeps_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path], Path],
) -> None:
    monkeypatch.setattr(marked_slides, "profile", lambda: ADOBE)
    slide = write(tmp_path / name)
    copy, _ = deidentify(slide, tmp_path / f"copy{name[1:]}")
    with tifffile.TiffFile(slide) as file:
        stored = file.pages.first.asarray()
    picture, colors = shown(copy)
    assert colors == BY_PROFILE
    assert np.array_equal(picture, by_little_cms(Image.fromarray(stored), ADOBE))


@pytest.mark.parametrize("vendor", ["hamamatsu", "leica", "philips", "trestle", "ventana"])
@pytest.mark.parametrize("holds", [True, False])
def test_profiles_that_openslide_leaves_out_are_those_of_the_full_size(
    tmp_path: Path, vendor: str, holds: bool
) -> None:
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as tiff:  # such as a BIF, where the label comes first
        small = np.zeros((64, 64, 3), np.uint8)
        tiff.write(small, photometric="rgb", iccprofile=marked_slides.profile())
        large = np.zeros((256, 256, 3), np.uint8)
        tiff.write(large, photometric="rgb", iccprofile=ADOBE if holds else None)
    assert unread_profile(path, vendor, {}) == (ADOBE if holds else None)
    assert unread_profile(path, "aperio", {}) is None
    path.write_bytes(path.read_bytes()[:100])
    assert unread_profile(path, vendor, {}) is None


def test_the_profile_of_an_ndpi_beyond_4_gib_is_read_as_tifffile_reads_it(tmp_path: Path) -> None:
    path, at = tmp_path / "a.ndpi", (1 << 32) + 5000
    tags = [(256, 4, 1, 300), (257, 4, 1, 200), (34675, 7, len(ADOBE), at)]
    entries = b"".join(struct.pack("<HHII", *tag[:3], tag[3] & 0xFFFFFFFF) for tag in tags)
    uppers = struct.pack("<3I", *(tag[3] >> 32 for tag in tags))
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<Q", 100))
        file.seek(100)
        file.write(struct.pack("<H", len(tags)) + entries + bytes(8) + uppers)
        file.seek(at)  # a hole: nothing of it lies on the disk
        file.write(ADOBE)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.tags.valueof(34675) == ADOBE
    assert unread_profile(path, "hamamatsu", {}) == ADOBE


def test_the_profile_in_the_xml_of_a_philips_tiff_is_used(tmp_path: Path) -> None:
    coded = base64.b64encode(ADOBE).decode()
    path = tmp_path / "slide.tiff"
    path.write_bytes(b"no TIFF")
    for text, expected in (
        (coded, ADOBE),
        (f'"{coded}"', ADOBE),
        (coded[:-3] + "!", None),
        ("", None),
    ):
        properties = {"philips.DICOM_ICCPROFILE": text}
        assert unread_profile(path, "philips", properties) == expected
