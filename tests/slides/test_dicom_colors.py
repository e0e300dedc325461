"""Colors of DICOM slides, whatever the codec, and where the tag says otherwise."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_steps import run_lengths, write_slide
from PIL import Image
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from viewer.slides import SlideError, TileError
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

open_slide = partial(open_here, first=FIRST)
"""As the process of a slide opens it, in this one."""
_PALETTE = np.random.default_rng(5).integers(0, 256, (16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Return a picture that changes slowly, (200, 300, 3)."""
    y, x = np.mgrid[:200, :300]
    return np.stack([y, 255 - x * 255 // 300, (x * y) // 300], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def cells() -> NDArray[np.uint16]:
    """Return one channel of one plane with 12 of 16 bits, (1, 1, 200, 300)."""
    return np.random.default_rng(3).integers(0, 4096, (1, 1, 200, 300), dtype=np.uint16)


def _ycbcr(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


def _jpeg(space: str, subsampling: str) -> Callable[[NDArray[Any]], bytes]:
    def encode(tile: NDArray[Any]) -> bytes:
        return bytes(
            imagecodecs.jpeg8_encode(
                tile, level=95, colorspace="RGB", outcolorspace=space, subsampling=subsampling
            )
        )

    return encode


def _jpeg_ls(tile: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(tile))


def _jp2(tile: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(tile, level=0, reversible=True, codecformat="jp2"))


def _jpeg_2000_as_it_is(tile: NDArray[Any]) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(tile, level=0, reversible=True, mct=False, codecformat="j2k")
    )


@pytest.mark.parametrize(
    ("encode", "syntax", "said", "is_stored_as_ycbcr"),
    [
        (_jpeg("YCBCR", "422"), JPEGBaseline8Bit, "YBR_FULL_422", False),
        (_jpeg("YCBCR", "444"), JPEGBaseline8Bit, "YBR_FULL", False),
        (_jpeg("YCBCR", "444"), JPEGBaseline8Bit, "RGB", False),
        (_jpeg("YCBCR", "420"), JPEGBaseline8Bit, "RGB", False),
        (_jpeg("RGB", "444"), JPEGBaseline8Bit, "RGB", False),
        (_jpeg("RGB", "444"), JPEGBaseline8Bit, "YBR_FULL_422", False),
        (_jp2, JPEG2000Lossless, "YBR_RCT", False),
        (_jpeg_2000_as_it_is, JPEG2000Lossless, "YBR_FULL", True),
        (_jpeg_ls, JPEGLSLossless, "RGB", False),
        (_jpeg_ls, JPEGLSLossless, "YBR_FULL", True),
        (run_lengths, RLELossless, "RGB", False),
        (run_lengths, RLELossless, "YBR_FULL", True),
        (None, ExplicitVRLittleEndian, "YBR_FULL", True),
    ],
)
def test_colors_are_those_of_the_frames(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    encode: Callable[[NDArray[Any]], bytes] | None,
    syntax: UID,
    said: str,
    is_stored_as_ycbcr: bool,
) -> None:
    stored = _ycbcr(picture) if is_stored_as_ycbcr else picture
    path = write_slide(
        tmp_path / "a.dcm", template, stored[np.newaxis], encode=encode, syntax=syntax,
        PhotometricInterpretation=said,
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert np.abs(read_level(source, 0).astype(int) - picture).mean() < 1.5


@pytest.mark.parametrize("encode", [None, run_lengths], ids=["plain", "run lengths"])
def test_colors_stored_each_for_itself(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    encode: Callable[[NDArray[Any]], bytes] | None,
) -> None:
    syntax = RLELossless if encode else ExplicitVRLittleEndian
    path = write_slide(
        tmp_path / "a.dcm", template, picture[np.newaxis], encode=encode, syntax=syntax,
        PlanarConfiguration=1,
    )  # fmt: skip
    if encode is None:
        slide = pydicom.dcmread(path)
        frames = np.frombuffer(slide.PixelData, np.uint8).reshape(-1, 128, 128, 3)
        slide.PixelData = frames.transpose(0, 3, 1, 2).tobytes()
        slide.save_as(path)
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), picture)


@pytest.mark.parametrize(
    ("encode", "syntax"),
    [(None, ExplicitVRLittleEndian), (run_lengths, RLELossless), (_jpeg_ls, JPEGLSLossless)],
    ids=["plain", "run lengths", "JPEG-LS"],
)
@pytest.mark.parametrize("is_inverted", [False, True], ids=["bright", "dark"])
def test_channel_of_12_bits(
    tmp_path: Path,
    template: Path,
    cells: NDArray[np.uint16],
    encode: Callable[[NDArray[Any]], bytes] | None,
    syntax: UID,
    is_inverted: bool,
) -> None:
    path = write_slide(
        tmp_path / "a.dcm", template, cells, encode=encode, syntax=syntax, names=("DAPI",),
        BitsStored=12, HighBit=11,
        PhotometricInterpretation="MONOCHROME1" if is_inverted else "MONOCHROME2",
    )  # fmt: skip
    wanted = 4095 - cells if is_inverted else cells
    with closing(open_slide(path)) as source:
        values = source.read_channels(0, 1, 0, (0,))
        assert np.array_equal(values, wanted[0, :, :128, 128:256])
        assert source.info.axes.dtype == "uint16"
        assert any("MONOCHROME1" in note for note in source.info.notes) == is_inverted


@pytest.mark.parametrize("encode", [None, run_lengths], ids=["plain", "run lengths"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_other_bits_than_those_of_a_sample_do_not_count(
    tmp_path: Path,
    template: Path,
    cells: NDArray[np.uint16],
    encode: Callable[[NDArray[Any]], bytes] | None,
    photometric: str,
) -> None:
    """Such as overlays, which older writers put above them."""
    overlay = np.random.default_rng(8).integers(0, 16, cells.shape, dtype=np.uint16)
    about: dict[str, Any] = {
        "syntax": RLELossless if encode else ExplicitVRLittleEndian, "names": ("DAPI",),
        "BitsStored": 12, "PhotometricInterpretation": photometric,
    }  # fmt: skip
    path = tmp_path / "a.dcm"
    stored = cells | overlay << 12
    write_slide(path, template, stored, encode=encode, HighBit=11, **about)
    wanted = 4095 - cells if photometric == "MONOCHROME1" else cells
    with closing(open_slide(path)) as source:
        values = source.read_channels(0, 1, 0, (0,))
        assert np.array_equal(values, wanted[0, :, :128, 128:256])
        assert source.info.axes.channels[0].value_range[1] <= 4095
    write_slide(path, template, cells << 4, encode=encode, HighBit=15, **about)
    with (
        closing(open_slide(path)) as source,
        pytest.raises(TileError, match=r"its samples begin at bit 4, not at 0 \(HighBit\)"),
    ):
        source.read_tile(0, 1, 0)


@pytest.mark.parametrize("is_gray", [False, True])
def test_fewer_than_8_bits_reach_from_black_to_white(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], is_gray: bool
) -> None:
    stored = picture >> 2
    wanted = stored * np.uint16(255) // 63
    path = write_slide(
        tmp_path / "a.dcm", template, (stored[np.newaxis, ..., 0] if is_gray else stored)[None],
        names=("",), BitsStored=6, HighBit=5,
    )  # fmt: skip
    if is_gray:
        wanted = np.repeat(wanted[..., :1], 3, 2)
    with closing(open_slide(path)) as source:
        assert np.abs(read_level(source, 0).astype(int) - wanted).max() <= 1


def test_a_code_of_fewer_bits_than_the_tag_says(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    def encode(tile: NDArray[Any]) -> bytes:
        return bytes(
            imagecodecs.jpeg2k_encode(
                tile, level=0, reversible=True, codecformat="j2k", bitspersample=12
            )
        )

    deep = picture.astype(np.uint16) << 4
    path = write_slide(
        tmp_path / "a.dcm", template, deep[np.newaxis], encode=encode, syntax=JPEG2000Lossless,
        PhotometricInterpretation="YBR_RCT",
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), picture)


def test_a_code_of_more_bits_than_the_tag_allows_is_told(
    tmp_path: Path, template: Path, cells: NDArray[np.uint16]
) -> None:
    path = write_slide(
        tmp_path / "a.dcm", template, cells, encode=_jpeg_ls, syntax=JPEGLSLossless,
        BitsAllocated=8, BitsStored=8, HighBit=7,
    )  # fmt: skip
    with (
        closing(open_slide(path)) as source,
        pytest.raises(TileError, match="samples have 16 bits, and its header says fewer"),
    ):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize("said", ["YBR_ICT", "YBR_FULL_422"])
def test_jpeg_2000_under_the_tag_of_other_colors(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], said: str
) -> None:
    """OpenSlide refuses it; the code itself tells its colors."""
    path = write_slide(
        tmp_path / "a.dcm", template, picture[np.newaxis], syntax=JPEG2000Lossless,
        PhotometricInterpretation=said,
        encode=lambda tile: bytes(
            imagecodecs.jpeg2k_encode(tile, level=0, reversible=True, mct=True, codecformat="j2k")
        ),
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), picture)


@pytest.mark.parametrize("is_inverted", [False, True], ids=["bright", "dark"])
def test_a_gray_picture_is_shown_as_it_is(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], is_inverted: bool
) -> None:
    gray = picture[..., 2] // 2 + 40
    path = write_slide(
        tmp_path / "a.dcm", template, gray[np.newaxis, np.newaxis], names=("",),
        PhotometricInterpretation="MONOCHROME1" if is_inverted else "MONOCHROME2",
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        shown = 255 - gray if is_inverted else gray
        assert np.array_equal(read_level(source, 0), np.repeat(shown[..., np.newaxis], 3, 2))
        assert not any("Stretched" in note for note in source.info.notes)


@pytest.mark.parametrize("bits", [8, 16])
def test_palette(tmp_path: Path, template: Path, picture: NDArray[np.uint8], bits: int) -> None:
    entries = picture[..., 2] // 16
    path = write_slide(tmp_path / "a.dcm", template, entries[np.newaxis, np.newaxis])
    slide = pydicom.dcmread(path)
    slide.PhotometricInterpretation = "PALETTE COLOR"
    for index in range(3):
        column = _PALETTE[:, index]
        table = column if bits == 8 else column.astype(np.uint16) * 257
        slide.add_new(0x00281101 + index, "US", [16, 0, bits])
        slide.add_new(0x00281201 + index, "OW", table.tobytes())
    slide.save_as(path)
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), _PALETTE[entries])
    for index in range(3):
        del slide[0x00281201 + index]
    slide.save_as(path)
    with pytest.raises(SlideError, match="its color table cannot be read"):
        open_slide(path)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("is_planar", [False, True])
def test_uncompressed_colors_of_more_than_8_bits(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], bits: int, is_planar: bool
) -> None:
    deep = picture.astype(np.uint16) << (bits - 8)
    path = write_slide(tmp_path / "a.dcm", template, deep[np.newaxis], BitsStored=bits)
    if is_planar:
        slide = pydicom.dcmread(path)
        frames = np.frombuffer(slide.PixelData, "<u2").reshape(-1, 128 * 128, 3)
        slide.PixelData, slide.PlanarConfiguration = frames.swapaxes(1, 2).tobytes(), 1
        slide.save_as(path)
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), picture)
        assert source.info.notes == (f"Its colors have {bits} bits a sample; 8 of them are shown.",)


def test_uncompressed_colors_of_half_chroma(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    wide = picture.repeat(2, axis=1)  # so that no color is lost
    path = write_slide(tmp_path / "a.dcm", template, _ycbcr(wide)[np.newaxis])
    slide = pydicom.dcmread(path)
    pairs = np.frombuffer(slide.PixelData, np.uint8).reshape(-1, 2, 3)
    luma, chroma = pairs[:, :, 0], pairs[:, 0, 1:]
    slide.PixelData = np.concatenate([luma, chroma], axis=1).tobytes()
    slide.PhotometricInterpretation = "YBR_FULL_422"
    slide.save_as(path)
    with closing(open_slide(path)) as source:
        assert np.abs(read_level(source, 0).astype(int) - wide).max() <= 3


def test_what_is_not_read_is_named(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    about: dict[str, Any] = {"PhotometricInterpretation": "YBR_PARTIAL_420"}
    with pytest.raises(SlideError, match=r"^a\.dcm is a DICOM slide of YBR_PARTIAL_420, uncompr"):
        open_slide(write_slide(tmp_path / "a.dcm", template, picture[np.newaxis], **about))
    path = write_slide(
        tmp_path / "a.dcm", template, picture[np.newaxis], encode=_jpeg_ls, syntax=JPEGLSLossless
    )
    slide = pydicom.dcmread(path)
    del slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    slide.save_as(path)
    with pytest.raises(SlideError, match=r"without a pixel size \(PixelSpacing\)"):
        open_slide(path)
