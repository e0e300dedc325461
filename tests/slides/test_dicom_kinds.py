"""DICOM slides that OpenSlide refuses: other codecs, planes, channels, parts in several files."""

from __future__ import annotations

import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_steps import frame_at, write_slide
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    generate_uid,
)
from wsidicom.uid import JPEGXL, JPEGXLJPEGRecompression, JPEGXLLossless

from viewer.folders import config_folder
from viewer.settings import Settings, save_settings
from viewer.slides import (
    IncompleteSlideError,
    SlideError,
    TileError,
    open_slide,
)
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def cells() -> NDArray[np.uint16]:
    """Return three channels of two planes, (3, 2, 200, 300)."""
    return np.random.default_rng(3).integers(0, 4000, (3, 2, 200, 300), dtype=np.uint16)


def _jpegls(tile: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(tile))


def _htj2k(tile: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(tile))


def test_jpeg_ls(shared_slide: Callable[[str], Path]) -> None:
    path = shared_slide("not-openslide/sm_image_jpegls.dcm")
    with closing(open_slide(path)) as source:
        assert source.info.optics.mpp_um == pytest.approx((0.499, 0.499))
        assert source.info.icc_profile is not None
        frames = pixel_array(path).reshape(5, 5, 10, 10, 3)
        whole = frames.swapaxes(1, 2).reshape(50, 50, 3)
        assert np.array_equal(read_level(source, 0), whole)


def _jpeg_xl(tile: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(tile, lossless=True))


@pytest.mark.parametrize(
    ("encode", "syntax"),
    [
        (_jpegls, JPEGLSLossless), (_htj2k, HTJ2KLossless),
        (_htj2k, HTJ2KLosslessRPCL), (_jpeg_xl, JPEGXLLossless),
        (_jpeg_xl, JPEGXL),
    ],
    ids=["JPEG-LS", "HTJ2K", "HTJ2K by resolution", "JPEG XL lossless", "JPEG XL"],
)  # fmt: skip
def test_codecs(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    encode: Callable[[NDArray[np.uint8]], bytes],
    syntax: UID,
) -> None:
    path = write_slide(tmp_path / "a.dcm", template, picture, encode=encode, syntax=syntax)
    with closing(open_slide(path)) as source:
        assert np.array_equal(read_level(source, 0), picture[0])


@pytest.mark.parametrize("kind", ["color", "gray of 16 bits"])
def test_deflated_frames(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    cells: NDArray[np.uint16],
    kind: str,
) -> None:
    """Each frame is deflated for itself, and filled up to an even length."""

    def encode(tile: NDArray[np.uint8]) -> bytes:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(tile.tobytes()) + packer.flush()

    values = picture if kind == "color" else cells[:1, :1]
    path = write_slide(tmp_path / "a.dcm", template, values, encode=encode, syntax=JPEGLSLossless)
    own = b"1.2.840.10008.1.2.8.1\0"  # which pydicom does not write
    path.write_bytes(path.read_bytes().replace(JPEGLSLossless.encode(), own))
    with closing(open_slide(path)) as source:
        if kind == "color":
            assert np.array_equal(read_level(source, 0), picture[0])
        else:
            assert np.array_equal(source.read_channels(0, 0, 0, (0,))[0], cells[0, 0, :128, :128])


def test_jpeg_xl_made_of_jpeg(tmp_path: Path, template: Path, picture: NDArray[np.uint8]) -> None:
    """JPEG frames that were repacked give what the JPEG gives."""

    def encode(tile: NDArray[np.uint8]) -> bytes:
        return bytes(imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(tile, level=95)))

    path = write_slide(
        tmp_path / "a.dcm", template, picture, encode=encode, syntax=JPEGXLJPEGRecompression,
        PhotometricInterpretation="YBR_FULL_422",
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert source.info.properties["dicom.TransferSyntaxUID"] == JPEGXLJPEGRecompression
        assert np.abs(read_level(source, 0).astype(int) - picture[0]).mean() < 1.5


def test_levels_of_any_sizes(tmp_path: Path, template: Path, picture: NDArray[np.uint8]) -> None:
    """A third and a seventh of the full size, as scanners of other steps than two write them."""
    for step in (1, 3, 7):
        path = write_slide(
            tmp_path / f"{step}.dcm", template, picture[:, ::step, ::step], tile_px=64,
            encode=_jpegls, syntax=JPEGLSLossless,
        )  # fmt: skip
        slide = pydicom.dcmread(path)
        measures = slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.PixelSpacing = [0.0005 * step] * 2
        slide.save_as(path, enforce_file_format=True)
    with closing(open_slide(tmp_path / "1.dcm")) as source:
        stored = [(each.width_px, each.height_px) for each in source.levels]
        assert {(300, 200), (100, 67), (43, 29)} <= set(stored)
        assert np.array_equal(read_level(source, stored.index((43, 29))), picture[0, ::7, ::7])
        assert source.info.optics.mpp_um == pytest.approx((0.5, 0.5))


def _jpeg(tile: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(tile, level=95))


@pytest.mark.parametrize(
    ("encode", "syntax"),
    [(_jpegls, JPEGLSLossless), (_jpeg, JPEGBaseline8Bit)],
    ids=["JPEG-LS", "JPEG"],
)
def test_frames_in_several_fragments(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    encode: Callable[[NDArray[np.uint8]], bytes],
    syntax: UID,
) -> None:
    """The headers between them are no code; of JPEG they would be other pixels."""
    path = write_slide(
        tmp_path / "a.dcm", template, picture, encode=encode, syntax=syntax,
        PhotometricInterpretation="RGB",
    )  # fmt: skip
    slide = pydicom.dcmread(path)
    frames = [*generate_frames(slide.PixelData, number_of_frames=int(slide.NumberOfFrames))]
    slide.PixelData = encapsulate(frames, fragments_per_frame=3)
    slide.save_as(path, enforce_file_format=True)
    with closing(open_slide(path)) as source:
        assert source.info.reader == "wsidicom"
        shown = read_level(source, 0).astype(int)
    assert np.abs(shown - picture[0]).mean() < (1.5 if encode is _jpeg else 1e-9)


def test_a_missing_size_in_millimeters_is_named(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    path = write_slide(tmp_path / "a.dcm", template, picture, encode=_jpegls, syntax=JPEGLSLossless)
    slide = pydicom.dcmread(path)
    del slide.ImagedVolumeWidth, slide.ImagedVolumeHeight
    slide.save_as(path, enforce_file_format=True)
    with pytest.raises(SlideError, match=r"does not say how large .*: ImagedVolumeWidth"):
        open_slide(path)


def test_channels_and_planes(tmp_path: Path, template: Path, cells: NDArray[np.uint16]) -> None:
    write_slide(tmp_path / "a.dcm", template, cells, names=("DAPI", "CD3", "CD3"))
    with closing(open_slide(tmp_path)) as source:
        axes = source.info.axes
        assert [channel.name for channel in axes.channels] == ["DAPI", "CD3", "CD3 (2)"]
        assert axes.channels[0].color == (0, 0, 255)
        assert axes.channels[0].dtype == "uint16"
        assert axes.channels[1].value_range == (cells[1, 0].min(), cells[1, 0].max())
        assert (axes.z_count, axes.z_spacing_um) == (2, pytest.approx(2.0))
        for z in (0, 1):
            values = source.read_channels(0, 1, 0, (2, 0), z)
            assert np.array_equal(values, cells[[2, 0], z, :128, 128:256])


def test_a_file_for_each_channel(tmp_path: Path, template: Path, cells: NDArray[np.uint16]) -> None:
    for channel, name in enumerate(("DAPI", "CD3", "CD8")):
        write_slide(
            tmp_path / f"{channel}.dcm", template, cells[channel : channel + 1, :1],
            names=(name,), first_path=channel + 1,
        )  # fmt: skip
    with closing(open_slide(tmp_path)) as source:
        assert [channel.name for channel in source.info.axes.channels] == ["DAPI", "CD3", "CD8"]
        values = source.read_channels(0, 2, 1, (0, 1, 2))
        assert np.array_equal(values, cells[:, 0, 128:, 256:])


def test_focal_planes_in_color(tmp_path: Path, template: Path, picture: NDArray[np.uint8]) -> None:
    both = np.concatenate([picture, 255 - picture])
    path = write_slide(tmp_path / "a.dcm", template, both)
    with closing(open_slide(path)) as source:
        assert source.info.axes.is_rgb
        assert source.info.axes.z_count == 2
        values = source.read_channels(0, 0, 0, (0, 1, 2), 1)
        assert np.array_equal(np.moveaxis(values, 0, 2), both[1, :128, :128])


def test_a_trusted_folder_loses_no_plane(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8]
) -> None:
    save_settings(Settings(trusted_folders=[str(tmp_path)]), config_folder())
    path = write_slide(tmp_path / "a.dcm", template, np.concatenate([picture, 255 - picture]))
    with closing(open_slide(path)) as source:
        assert source.info.axes.z_count == 2


@pytest.mark.parametrize(
    ("encode", "syntax"), [(None, ExplicitVRLittleEndian), (_jpegls, JPEGLSLossless)],
    ids=["plain", "JPEG-LS"],
)  # fmt: skip
def test_concatenation(
    tmp_path: Path,
    template: Path,
    picture: NDArray[np.uint8],
    encode: Callable[[NDArray[np.uint8]], bytes] | None,
    syntax: UID,
) -> None:
    whole = generate_uid()
    for part, frames in enumerate((slice(0, 4), slice(4, None))):
        write_slide(
            tmp_path / f"{part}.dcm", template, picture, encode=encode, syntax=syntax,
            frames=frames, ConcatenationUID=whole, InConcatenationNumber=part + 1,
            InConcatenationTotalNumber=2, ConcatenationFrameOffsetNumber=4 * part,
            SOPInstanceUIDOfConcatenationSource=UID(whole),
        )  # fmt: skip
    with closing(open_slide(tmp_path)) as source:
        assert np.array_equal(read_level(source, 0), picture[0])
    (tmp_path / "0.dcm").unlink()
    with pytest.raises(IncompleteSlideError, match=r"^Part 1 of 2 of a level of 1\.dcm is missing"):
        open_slide(tmp_path)


def _placed(path: Path, corners: list[tuple[int, int]]) -> None:
    """Say of each frame where it lies, column and row, counted from 1."""
    slide = pydicom.dcmread(path)
    slide.DimensionOrganizationType = "TILED_SPARSE"
    slide.PerFrameFunctionalGroupsSequence = [frame_at(*corner) for corner in corners]
    slide.save_as(path)


@pytest.mark.parametrize("kind", ["grid", "shifted", "twice"])
def test_each_frame_says_where_it_lies(
    tmp_path: Path, template: Path, picture: NDArray[np.uint8], kind: str
) -> None:
    path = write_slide(
        tmp_path / "a.dcm", template, picture[:1], encode=_jpegls, syntax=JPEGLSLossless
    )
    height, width = picture.shape[1:3]
    corners = [(x + 1, y + 1) for y in range(0, height, 128) for x in range(0, width, 128)]
    if kind == "shifted":
        corners[1] = corners[1][0] - 7, corners[1][1]
    elif kind == "twice":
        corners[1] = corners[0]
    _placed(path, corners)
    if kind == "grid":
        with closing(open_slide(path)) as source:
            assert np.array_equal(read_level(source, 0), picture[0])
        return
    said = "do not lie in a grid" if kind == "shifted" else "lie in one place"
    with pytest.raises(SlideError, match=said):
        open_slide(path)


def test_files_that_do_not_fit_are_named(
    tmp_path: Path, template: Path, cells: NDArray[np.uint16]
) -> None:
    write_slide(tmp_path / "0.dcm", template, cells[:1], names=("DAPI",))
    write_slide(tmp_path / "1.dcm", template, cells[1:2, ..., :100], names=("CD8",), first_path=2)
    with pytest.raises(SlideError, match=r"^[01]\.dcm, a level of .* not fit the others"):
        open_slide(tmp_path)


def test_frames_cut_short(tmp_path: Path, template: Path, picture: NDArray[np.uint8]) -> None:
    def cut(tile: NDArray[np.uint8]) -> bytes:
        data = _jpegls(tile)
        return data if (tile == picture[0, :128, :128]).all() else data[: len(data) // 2]

    path = write_slide(tmp_path / "a.dcm", template, picture, encode=cut, syntax=JPEGLSLossless)
    with closing(open_slide(path)) as source:
        assert np.array_equal(source.read_tile(0, 0, 0), picture[0, :128, :128])
        with pytest.raises(TileError, match="cut short"):
            source.read_tile(0, 1, 0)


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_file_cut_short(
    tmp_path: Path, template: Path, cells: NDArray[np.uint16], share: float
) -> None:
    path = write_slide(tmp_path / "a.dcm", template, cells)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    # Either the file is refused, or a tile behind the cut is.
    with pytest.raises((SlideError, TileError)), closing(open_slide(path)) as source:  # noqa: PT012
        assert np.array_equal(source.read_channels(0, 0, 0, (0,)), cells[:1, 0, :128, :128])
        source.read_channels(0, 2, 1, (2,), 1)


def test_unknown_codec(tmp_path: Path, template: Path, picture: NDArray[np.uint8]) -> None:
    path = write_slide(tmp_path / "a.dcm", template, picture, encode=_jpegls, syntax=JPEGLSLossless)
    known, unknown = (f"1.2.840.10008.1.2.4.{number}".encode() for number in (80, 89))
    path.write_bytes(path.read_bytes().replace(known, unknown))
    with pytest.raises(
        SlideError, match=r"compressed in a way .* syntax 1\.2\.840\.10008\.1\.2\.4"
    ):
        open_slide(path)
