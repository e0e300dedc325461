"""DICOM slides of which all is deflated, big-endian, or without the kinds of values."""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pydicom
import pytest
from dicom_steps import write_slide
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from viewer import limits
from viewer.annotations.formats.dicom import slide_headers
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.limits import Limit
from viewer.slides import TileError, UnsupportedSlideError, open_slide
from viewer.slides.dicom.header import dicom_header
from viewer.slides.dicom.plain_form import plain_form
from viewer.slides.readers.dicom import files as dicom_files
from viewer.slides.readers.dicom.source import open_dicom
from viewer.slides.region import read_level
from viewer.slides.writing.deidentify import deidentify
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMS = [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian]
by_form = pytest.mark.parametrize("form", FORMS, ids=["deflated", "big endian", "implicit"])


def stored_as(path: Path, form: UID, kind: str | None = None) -> Path:
    """Write a DICOM file in explicit little endian again in another form, by pydicom."""
    slide = pydicom.dcmread(path)
    slide.file_meta.TransferSyntaxUID = form
    is_words = (kind or slide["PixelData"].VR) == "OW"
    slide["PixelData"].VR = kind or slide["PixelData"].VR
    if form == ExplicitVRBigEndian and is_words:
        slide.PixelData = np.frombuffer(slide.PixelData, "<u2").astype(">u2").tobytes()
    slide.decode()  # so that it writes numbers, not the bytes that it read
    is_little, is_implicit = form.is_little_endian, form.is_implicit_VR
    pydicom.dcmwrite(path, slide, little_endian=is_little, implicit_vr=is_implicit)
    return path


@by_form
@pytest.mark.parametrize("kind", ["OB", "OW"])
def test_colors(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], form: UID, kind: str
) -> None:
    path = stored_as(write_slide(tmp_path / "a.dcm", template, picture), form, kind)
    for place in (path, tmp_path):
        with closing(open_slide(place)) as source:
            assert np.array_equal(read_level(source, 0), picture[0])
            assert source.info.optics.mpp_um == pytest.approx((0.499, 0.499))
            assert source.info.icc_profile is not None
            assert source.info.properties["dicom.TransferSyntaxUID"] == form
    frames = pydicom.dcmread(path).pixel_array
    assert np.array_equal(frames[0], picture[0, :128, :128])


@by_form
def test_channels_of_16_bits(tmp_path: Path, template: Path, form: UID) -> None:
    cells = np.random.default_rng(3).integers(0, 4000, (3, 2, 200, 300), dtype=np.uint16)
    written = write_slide(tmp_path / "a.dcm", template, cells, names=("DAPI", "FITC", "Cy5"))
    with closing(open_slide(stored_as(written, form))) as source:
        assert [each.name for each in source.info.axes.channels] == ["DAPI", "FITC", "Cy5"]
        for z in range(2):
            tiles = source.read_channels(0, 1, 0, (0, 1, 2), z)
            assert np.array_equal(tiles, cells[:, z, :128, 128:256])


@by_form
def test_palette(tmp_path: Path, template: Path, form: UID) -> None:
    """Its table of colors has numbers of two bytes, too."""
    entries = np.random.default_rng(4).integers(0, 16, (1, 1, 200, 300), dtype=np.uint8)
    colors = np.random.default_rng(5).integers(0, 256, (16, 3), dtype=np.uint8)
    path = write_slide(tmp_path / "a.dcm", template, entries)
    slide = pydicom.dcmread(path)
    slide.PhotometricInterpretation = "PALETTE COLOR"
    for index in range(3):
        column = colors[:, index].astype("<u2") * 257
        if form == ExplicitVRBigEndian:
            column = column.byteswap()
        slide.add_new(0x00281101 + index, "US", [16, 0, 16])
        slide.add_new(0x00281201 + index, "OW", column.tobytes())
    slide.save_as(path)
    with closing(open_slide(stored_as(path, form))) as source:
        assert np.array_equal(read_level(source, 0), colors[entries[0, 0]])


@pytest.mark.parametrize("form", FORMS[:2], ids=["deflated", "big endian"])
def test_the_plain_form_is_the_file_of_before(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], form: UID
) -> None:
    before = write_slide(tmp_path / "a.dcm", template, picture)
    plain_bytes = before.read_bytes()
    about = dicom_header(before)
    assert about is not None
    stored = stored_as(before, form).read_bytes()
    begin = 132 + 12 + int.from_bytes(stored[140:144], "little")
    rewritten = bytes(plain_form(stored, begin, form, 10 << 20))
    assert rewritten[begin:] == plain_bytes[plain_bytes.index(b"\x08\0\x08\0CS") :]
    assert len(plain_form(stored, begin, form, 70_000)) == 70_000
    assert dicom_header(before) == msgspec.structs.replace(about, transfer_syntax=form)


def test_a_deflated_slide_that_is_cut_short(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    form = DeflatedExplicitVRLittleEndian
    path = stored_as(write_slide(tmp_path / "a.dcm", template, picture), form)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 100])
    with closing(open_slide(path)) as source:
        assert np.array_equal(source.read_tile(0, 0, 0), picture[0, :128, :128])
        with pytest.raises(TileError, match="cut short"):
            source.read_tile(0, 2, 1)


@pytest.mark.parametrize("form", FORMS[:2], ids=["deflated", "big endian"])
def test_what_is_too_large_for_memory_is_refused(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    form: UID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all files of the series together."""
    written = write_slide(tmp_path / "a.dcm", template, picture)
    half = write_slide(tmp_path / "b.dcm", template, picture[:, ::2, ::2])
    for path in (written, half):
        stored_as(path, form)
    most_bytes = picture.nbytes * 2
    monkeypatch.setattr(
        dicom_files, "DICOM_PLAIN_BYTES", Limit(most_bytes, limits.DICOM_PLAIN_BYTES.text)
    )
    with pytest.raises(UnsupportedSlideError, match=r"held in memory .*dcmconv \+te"):
        open_dicom(written)
    half.unlink()
    source = open_dicom(written)
    assert source is not None
    source.close()


def test_a_deflated_slide_of_nothing_is_refused(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    form = DeflatedExplicitVRLittleEndian
    path = stored_as(write_slide(tmp_path / "a.dcm", template, picture), form)
    data = path.read_bytes()
    begin = 132 + 12 + int.from_bytes(data[140:144], "little")
    elements = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[begin:])
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(elements + bytes(100 << 20)) + packer.flush()
    path.write_bytes(data[:begin] + packed)
    with pytest.raises(UnsupportedSlideError, match=r"a\.dcm unpacks to .* you trust\.$"):
        open_dicom(path)


@pytest.mark.parametrize("form", FORMS[:2], ids=["deflated", "big endian"])
def test_such_a_slide_is_not_deidentified_but_told_how_to_convert(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], form: UID
) -> None:
    path = stored_as(write_slide(tmp_path / "a.dcm", template, picture), form)
    with pytest.raises(WritingError, match=r"a\.dcm is stored in a form .*dcmconv \+te"):
        deidentify(path, tmp_path / "copy.dcm")
    assert not (tmp_path / "copy.dcm").exists()


def test_of_a_deflated_slide_annotations_ask_for_the_header_alone(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_slide(tmp_path / "a.dcm", template, picture)
    place = SlidePlace(str(path), path.name, "key", (300, 200), (0.5, 0.5))
    (before,) = slide_headers.slide_headers(place)
    slide = pydicom.dcmread(path)
    slide.PixelData = slide.PixelData + bytes(40 << 20)
    slide.save_as(path)
    stored_as(path, DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(slide_headers, "_PLAIN_BYTES", 1 << 18)
    tracemalloc.start()
    try:
        (header,) = slide_headers.slide_headers(place)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert header == before
