"""Folders of DICOM files as slides: opened whole, several series, parts that are missing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array
from pydicom.uid import CTImageStorage

from viewer.slides import (
    IncompleteSlideError,
    NoSuchImageError,
    UnsupportedSlideError,
    open_slide,
)
from viewer.slides.dicom.header import dicom_header
from viewer.slides.files.slide_folders import folder_kind
from viewer.slides.tray import slides_at, slides_in
from viewer.studies.finding import identity_of, project_slides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FOLDER = "dicom-folder/CMU-1-Small-Region"


def test_header_is_what_pydicom_reads(shared_slide: Callable[[str], Path]) -> None:
    files = sorted(shared_slide(_FOLDER).iterdir())
    files += [shared_slide(f"slides/{name}") for name in ("sm_image.dcm", "boxes_1.dcm")]
    files += [shared_slide("not-openslide/test_wsi.dcm")]
    for path in files:
        ours, theirs = dicom_header(path), pydicom.dcmread(path, stop_before_pixels=True)
        assert ours is not None
        assert ours.series == theirs.SeriesInstanceUID
        assert ours.image_type == tuple(theirs.ImageType)
        assert (ours.columns, ours.rows) == (
            theirs.TotalPixelMatrixColumns, theirs.TotalPixelMatrixRows,
        )  # fmt: skip
        assert ours.optical_paths == theirs.get("NumberOfOpticalPaths", 0)
        assert ours.concatenation == theirs.get("ConcatenationUID", "")
        assert ours.transfer_syntax == theirs.file_meta.TransferSyntaxUID


def test_folder_opens_whole(shared_slide: Callable[[str], Path]) -> None:
    folder = shared_slide(_FOLDER)
    source = open_slide(folder)
    assert source.path == folder
    assert set(source.info.associated) == {"label", "macro", "thumbnail"}
    assert source.levels[0].width_px == 2220
    assert source.levels[0].height_px == 2967
    assert source.info.optics.mpp_um == pytest.approx((0.499, 0.499))
    volume = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    theirs = pixel_array(volume, index=4 * 10 + 4)
    assert np.abs(source.read_tile(0, 4, 4).astype(int) - theirs).mean() < 2
    # It is called as each of its files is, so that nothing kept of it is lost.
    assert source.info.identity == identity_of(volume)
    source.close()


def test_folder_is_one_slide_of_its_parent(
    tmp_path: Path, shared_slide: Callable[[str], Path], sample_slide: Path
) -> None:
    shutil.copytree(shared_slide(_FOLDER), tmp_path / "case 1")
    (tmp_path / "case 1" / "readme.txt").write_text("by courier")
    shutil.copy(sample_slide, tmp_path / "case 2.svs")
    (tmp_path / "notes").mkdir()
    assert [path.name for path in slides_in(tmp_path)] == ["case 1", "case 2.svs"]
    assert slides_at(tmp_path / "case 1") == [tmp_path / "case 1"]
    assert folder_kind(tmp_path) is None
    refused: list[str] = []
    listed = list(project_slides([tmp_path], tmp_path, refused))
    assert [slide.name for slide in listed] == ["case 1", "case 2.svs"]
    assert not refused


def test_an_empty_file_is_named(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    shutil.copy(shared_slide("slides/sm_image.dcm"), tmp_path / "a.dcm")
    (tmp_path / "b.dcm").touch()
    with pytest.raises(IncompleteSlideError, match=r"^The file b\.dcm of .* is empty; copy it"):
        open_slide(tmp_path)


def test_several_series_are_images_of_the_folder(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    for name in ("sm_image.dcm", "boxes_0.dcm", "boxes_1.dcm", "camelyon-multiframe.dcm"):
        shutil.copy(shared_slide(f"slides/{name}"), tmp_path)
    source = open_slide(tmp_path)
    sizes = [(entry.width_px, entry.height_px) for entry in source.info.images]
    assert sorted(sizes) == [(16, 16), (50, 50), (1152, 700)]
    assert sizes[source.info.image] == (1152, 700)
    source.close()
    small = open_slide(tmp_path, sizes.index((50, 50)))
    assert small.levels[0].width_px == 50
    assert small.info.identity == identity_of(tmp_path / "sm_image.dcm")
    small.close()
    with pytest.raises(NoSuchImageError, match="no image 3: it holds 3 images, numbered 0 to 2"):
        open_slide(tmp_path, 3)


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        ("CT", "is a DICOM file of the modality CT and no whole-slide image; choose a file of a "),
        ("", "is a DICOM file and no whole-slide image; choose a file of a slide"),
        ("ANN", "holds annotations of a slide in DICOM: open the slide, and import the file there"),
    ],
)
@pytest.mark.parametrize("preamble", [b"\0" * 128, b"II*\0\x08\0\0\0" + b"\0" * 120])
def test_dicom_that_is_no_slide_is_called_that(
    tmp_path: Path, shared_slide: Callable[[str], Path], modality: str, said: str, preamble: bytes
) -> None:
    """The image of another machine is no damaged slide, also where it begins like a TIFF."""
    image = pydicom.dcmread(shared_slide("slides/sm_image.dcm"))
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.Modality, image.preamble = modality, preamble
    image.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(UnsupportedSlideError, match=f"^a.dcm {said}"):
        open_slide(tmp_path / "a.dcm")


def test_what_is_a_label_alone_says_so(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    with pytest.raises(IncompleteSlideError, match=r"^test_wsi\.dcm is the label of a slide alone"):
        open_slide(shared_slide("not-openslide/test_wsi.dcm"))
    for path in shared_slide(_FOLDER).iterdir():
        header = dicom_header(path)
        assert header is not None
        if not header.is_volume:
            shutil.copy(path, tmp_path)
    with pytest.raises(IncompleteSlideError, match="holds the label and overview and thumbnail of"):
        open_slide(tmp_path)
