"""A secret in each place of a DICOM slide where numbers, codes, UIDs or frames have room."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from cli_steps import coverslip
from marked_slides import SECRET, found_secrets
from pydicom.sequence import Sequence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SECRET = SECRET.encode().ljust(104)
_CASE = "4711081"
_NUMBER = "00047.11081260"


@pytest.fixture
def slide(shared_slide: Callable[[str], Path]) -> pydicom.Dataset:
    return pydicom.dcmread(shared_slide("slides/sm_image.dcm"))


def copied(slide: pydicom.Dataset, folder: Path) -> tuple[pydicom.Dataset, str]:
    """Copy a file by the command, search all bytes of the copy, and return it and what was said."""
    slide.save_as(folder / "a.dcm")
    done = coverslip("deidentify", folder / "a.dcm", folder / "copy.dcm", "--overwrite")
    assert done.returncode == 0, done.stderr
    data = (folder / "copy.dcm").read_bytes()
    assert found_secrets(data) == []
    assert _CASE.encode() not in data
    assert _NUMBER.encode() not in data
    return pydicom.dcmread(folder / "copy.dcm"), done.stderr


def test_numbers_that_count_studies_and_more_of_them_than_needed_go(
    slide: pydicom.Dataset, tmp_path: Path
) -> None:
    floats = np.frombuffer(_SECRET, np.float32).tolist()
    slide.SeriesNumber = slide.AcquisitionNumber = slide.InstanceNumber = _CASE
    slide.NumberOfSeriesRelatedInstances = _CASE
    slide.RescaleSlope = _NUMBER
    slide.ImagedVolumeDepth = floats
    slide.add_new(0x00220035, "FL", floats)
    slide.add_new(0x00480021, "FD", np.frombuffer(_SECRET, np.float64).tolist())
    measures = slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    spacing = [float(each) for each in measures.PixelSpacing]
    measures.SliceThickness = _CASE + ".5e9"
    optics = slide.OpticalPathSequence[0]
    optics.ObjectiveLensPower = "0000000000020.00"
    copy, _ = copied(slide, tmp_path)
    measures = copy.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(each) for each in measures.PixelSpacing] == pytest.approx(spacing)
    assert "SliceThickness" not in measures
    assert "ImagedVolumeDepth" not in copy
    assert str(copy.OpticalPathSequence[0].ObjectiveLensPower) == "20"
    assert copy.InstanceNumber == copy.SeriesNumber == 1
    assert copy.NumberOfFrames == slide.NumberOfFrames


def test_codes_and_uids_that_the_standard_does_not_know_go(
    slide: pydicom.Dataset, tmp_path: Path
) -> None:
    uid = f"1.2.840.10008.{_CASE}"
    slide.FrameOfReferenceUID = uid
    slide.SharedFunctionalGroupsSequence[0].SOPClassUID = uid
    optics = slide.OpticalPathSequence[0]
    known = pydicom.Dataset()
    known.CodeValue, known.CodingSchemeDesignator = "111748", "DCM"
    known.CodeMeaning = SECRET
    invented = pydicom.Dataset()
    invented.CodeValue, invented.CodingSchemeDesignator = _CASE, "SCT"
    invented.CodeMeaning = "A stain"
    optics.LightPathFilterTypeStackCodeSequence = Sequence([known, invented])
    copy, _ = copied(slide, tmp_path)
    codes = copy.OpticalPathSequence[0].LightPathFilterTypeStackCodeSequence
    assert [each.CodeValue for each in codes] == ["111748"]
    assert codes[0].CodeMeaning != SECRET


def test_tables_of_segments_hold_as_many_colors_as_they_say(
    slide: pydicom.Dataset, tmp_path: Path
) -> None:
    optics = slide.OpticalPathSequence[0]
    optics.add_new(0x00281101, "US", [256, 0, 16])
    optics.SegmentedRedPaletteColorLookupTableData = _SECRET
    optics.add_new(0x00281102, "US", [256, 0, 16])
    ramp = struct.pack("<6H", 0, 1, 0, 1, 255, 65_535)
    optics.SegmentedGreenPaletteColorLookupTableData = ramp
    copy, _ = copied(slide, tmp_path)
    optics = copy.OpticalPathSequence[0]
    assert "SegmentedRedPaletteColorLookupTableData" not in optics
    assert optics.SegmentedGreenPaletteColorLookupTableData == ramp


def test_bytes_behind_pixels_that_are_not_compressed_go(
    slide: pydicom.Dataset, tmp_path: Path
) -> None:
    pixels = slide.PixelData
    slide.PixelData = pixels + _SECRET
    copy, said = copied(slide, tmp_path)
    assert copy.PixelData == pixels
    assert "bytes behind an image" in said
    slide.PixelData = pixels[:-2]
    slide.save_as(tmp_path / "a.dcm")
    done = coverslip("deidentify", tmp_path / "a.dcm", tmp_path / "other.dcm")
    assert done.returncode == 2
    assert "cut short" in done.stderr


def _with_label(slide: Any) -> None:
    slide.SpecimenLabelInImage = "Yes"


def _of_another_kind(slide: Any) -> None:
    slide.ImageType = ["ORIGINAL", "PRIMARY", "SLIDE", "NONE"]


def _macro(slide: Any) -> None:
    slide.ImageType = ["DERIVED", "PRIMARY", "macro", "NONE"]


def _label_by_its_frames(slide: Any) -> None:
    frame = pydicom.Dataset()
    frame.FrameType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    groups = slide.SharedFunctionalGroupsSequence[0]
    groups.WholeSlideMicroscopyImageFrameTypeSequence = Sequence([frame])


@pytest.mark.parametrize("change", [_with_label, _of_another_kind, _macro, _label_by_its_frames])
def test_images_that_may_show_the_label_are_left_out(
    slide: pydicom.Dataset, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    change(slide)
    slide.save_as(tmp_path / "a.dcm")
    done = coverslip("deidentify", tmp_path / "a.dcm", tmp_path / "copy.dcm")
    assert done.returncode == 2
    assert "holds no image of tissue" in done.stderr
    assert not (tmp_path / "copy.dcm").exists()


def test_text_that_is_burned_in_is_told(slide: pydicom.Dataset, tmp_path: Path) -> None:
    slide.BurnedInAnnotation = "YES"
    assert "burned into its pixels" in copied(slide, tmp_path)[1]
