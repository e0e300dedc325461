"""Label and macro are shown by their own color profile, where they have one."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from dicom_steps import write_slide
from little_cms import ADOBE, by_little_cms
from PIL import Image

from viewer.slides import open_slide
from viewer.slides.displayed import displayed_beside
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides import SlideSource

WIDE = imagecodecs.cms_profile(
    "rgb", whitepoint=(0.3127, 0.329, 1.0), gamma=1.4,
    primaries=(0.7, 0.3, 1.0, 0.2, 0.7, 1.0, 0.14, 0.05, 1.0),
)  # fmt: skip
"""Another profile that changes colors."""
COLOR = (180, 90, 120)


def _assert_shown(source: SlideSource, name: str, profile: bytes | None) -> None:
    stored = source.read_associated(name)
    shown = displayed_beside(source.info, name, stored)
    expected = stored if profile is None else by_little_cms(Image.fromarray(stored), profile)
    np.testing.assert_array_equal(shown, expected)
    assert profile is None or (shown != stored).any()
    raw = displayed_beside(source.info, name, stored, uses_icc=False)
    np.testing.assert_array_equal(raw, stored)


@pytest.mark.parametrize("photometric", ["rgb", "minisblack", "separated"])
def test_those_of_a_tiff(tmp_path: Path, photometric: str) -> None:
    path = tmp_path / "slide.tif"
    shape = {"rgb": (64, 96, 3), "minisblack": (64, 96), "separated": (64, 96, 4)}[photometric]
    label = np.full(shape, 90, np.uint8)
    if label.ndim == 3:
        label[..., 0] = 20
    with tifffile.TiffWriter(path) as out:
        tissue = np.full((512, 512, 3), COLOR, np.uint8)
        out.write(tissue, photometric="rgb", tile=(256, 256), iccprofile=ADOBE, metadata=None)
        out.write(
            label, photometric=photometric, description="label", iccprofile=WIDE, metadata=None
        )
        out.write(tissue[:64], photometric="rgb", description="macro", metadata=None)
    with closing(open_slide(path)) as source:
        assert set(source.info.associated) == {"label", "macro"}
        # One of inks has been made RGB already, as well as that can be.
        _assert_shown(source, "label", ADOBE if photometric == "separated" else WIDE)
        _assert_shown(source, "macro", ADOBE)


def test_those_of_a_dicom_folder(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    folder = tmp_path / "case"
    shutil.copytree(shared_slide("dicom-folder/CMU-1-Small-Region"), folder)
    profiles = {"LABEL": WIDE, "OVERVIEW": None, "THUMBNAIL": None, "VOLUME": ADOBE}
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        profile = profiles[dataset.ImageType[2]]
        optics = dataset.OpticalPathSequence[0]
        optics.pop("ICCProfile", None)
        if profile is not None:
            optics.ICCProfile = profile
        dataset.save_as(path)
    with closing(open_slide(folder)) as source:
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "label", WIDE)
        _assert_shown(source, "macro", ADOBE)


def test_those_of_a_dicom_slide_with_focal_planes(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    template = shared_slide("slides/sm_image.dcm")
    volume = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    optics = pydicom.dcmread(template).OpticalPathSequence
    optics[0].ICCProfile = ADOBE
    write_slide(tmp_path / "a.dcm", template, volume, OpticalPathSequence=optics)
    optics[0].ICCProfile = WIDE
    write_slide(
        tmp_path / "b.dcm", template, volume[:1, :128], OpticalPathSequence=optics,
        ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"], SpecimenLabelInImage="YES",
    )  # fmt: skip
    with closing(open_here(tmp_path / "a.dcm", first=FIRST)) as source:
        assert source.info.reader == "wsidicom"
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "label", WIDE)
