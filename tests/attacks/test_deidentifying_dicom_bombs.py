"""DICOM files of next to nothing that ask for gigabytes when they are de-identified."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import tifffile
from measured_runs import MOST_MB, assert_not_deidentified
from pydicom.uid import JPEG2000, JPEGBaseline8Bit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_PIXELS = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
_PRIVATE = struct.pack("<HH2sHI", 0x0027, 0x1001, b"UN", 0, 3 << 30)
_EMPTY = _ITEM + bytes(4)


def item(size_bytes: int) -> bytes:
    return _ITEM + struct.pack("<I", size_bytes)


@pytest.fixture
def header(shared_slide: Callable[[str], Path], tmp_path: Path) -> bytes:
    """Return all of a DICOM slide of one frame before its pixels, said to be compressed."""
    slide = pydicom.dcmread(shared_slide("slides/sm_image.dcm"))
    slide.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    slide.NumberOfFrames = 1
    del slide.PixelData
    slide.save_as(tmp_path / "header.dcm")
    return (tmp_path / "header.dcm").read_bytes()


@pytest.mark.parametrize(
    ("before", "hole_bytes", "after", "sentence"),
    [
        (_PIXELS + _EMPTY + item(3 << 30), 3 << 30, _END, "takes 3,221,225,472 bytes"),
        (_PIXELS + item(3 << 30), 3 << 30, 2 * _EMPTY + _END, "cannot be told apart"),
        (_PRIVATE, 3 << 30, _PIXELS + 2 * _EMPTY + _END, "header of more than"),
        (_PIXELS + _EMPTY * 5_000_000, 0, _END, "of more than 4,194,304 pieces"),
    ],
    ids=["frame", "offsets", "attribute", "pieces"],
)
def test_lengths_are_not_believed(
    tmp_path: Path, header: bytes, before: bytes, hole_bytes: int, after: bytes, sentence: str
) -> None:
    slide = tmp_path / "a.dcm"
    if "told apart" in sentence:
        header = header.replace(b"IS\x02\x001 ", b"IS\x02\x003 ")
    with slide.open("wb") as file:
        file.write(header + before)
        file.seek(hole_bytes, os.SEEK_CUR)
        file.write(after)
    (tmp_path / "header.dcm").unlink()
    assert_not_deidentified(slide, sentence, MOST_MB if hole_bytes else 700)


def test_sequences_in_sequences_without_end_are_refused(tmp_path: Path, header: bytes) -> None:
    nested = struct.pack("<HH2sHI", 0x0040, 0x0560, b"SQ", 0, 0xFFFFFFFF) + item(0xFFFFFFFF)
    slide = tmp_path / "a.dcm"
    slide.write_bytes(header + nested * 20_000)
    (tmp_path / "header.dcm").unlink()
    assert_not_deidentified(slide, "a.dcm is damaged")


@pytest.mark.parametrize("is_dicom", [True, False])
def test_jpeg_2000_in_jpeg_2000_without_end_is_refused(
    tmp_path: Path, header: bytes, *, is_dicom: bool
) -> None:
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    data = b"".join([(signature + b"\0\0\0\0jp2c") for _ in range(5_000)])
    if is_dicom:
        old, new = JPEGBaseline8Bit.encode(), JPEG2000.encode()
        slide = tmp_path / "a.dcm"
        pixels = _PIXELS + _EMPTY + item(len(data)) + data + _END
        slide.write_bytes(header.replace(old, new.ljust(len(old), b"\0")) + pixels)
        (tmp_path / "header.dcm").unlink()
        assert_not_deidentified(slide, "One of its frames is damaged")
        return
    slide = tmp_path / "a.ome.tif"
    tifffile.imwrite(slide, np.zeros((64, 64), np.uint8), ome=True, rowsperstrip=64)
    with tifffile.TiffFile(slide, mode="r+") as tiff:
        page = tiff.pages.first
        page.tags[259].overwrite(34712)
        page.tags[273].overwrite(slide.stat().st_size)
        page.tags[279].overwrite(len(data))
    with slide.open("ab") as file:
        file.write(data)
    assert_not_deidentified(slide, "One of its tiles is damaged")
