"""DICOM slides drawn from a seed: codecs, bits, colors, fragments, and where frames lie."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pydicom
from dicom_steps import frame_at, run_lengths
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_JPEG_XL = UID("1.2.840.10008.1.2.4.110")
_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_CODED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, JPEGLosslessSV1, _JPEG_XL)
_WITHOUT_COLORS = (*_NATIVE, RLELossless, JPEGLSLossless)
"""What knows nothing of colors, so that the tag tells them."""


@dataclass(frozen=True)
class RandomDicom:
    """What a slide must show.

    Attributes
    ----------
    shown
        Of a picture in color uint8 (height, width, 3), else of its channel (height, width).
    tolerance
        How far colors may be off, which are converted.
    """

    words: str
    shown: NDArray[Any]
    tolerance: int


@dataclass(frozen=True)
class _Layout:
    syntax: UID
    photometric: str
    bits: int
    is_deep: bool
    samples: int
    is_planar: bool
    has_overlay: bool


def write_random_dicom(path: Path, template: Path, seed: int) -> RandomDicom:
    """Write a slide of one file and one level."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    layout = _layout(rng)
    height, width = rng.randrange(20, 150), rng.randrange(20, 150)
    rows, columns = rng.randrange(16, 80), rng.randrange(16, 80)
    dtype = np.uint16 if layout.is_deep else np.uint8
    values = numbers.integers(0, 1 << layout.bits, (height, width, layout.samples)).astype(dtype)
    shown, tolerance = _shown(values, layout)
    places = [(x, y) for y in range(0, height, rows) for x in range(0, width, columns)]
    is_sparse = rng.random() < 0.4
    if is_sparse:
        rng.shuffle(places)
        for x, y in places[1:][: rng.randrange(len(places))]:
            shown[y : y + rows, x : x + columns] = 255 if layout.samples == 3 else 0
            places.remove((x, y))
    tiles: list[NDArray[Any]] = []
    for x, y in places:
        tile = np.zeros((rows, columns, layout.samples), dtype)
        part = values[y : y + rows, x : x + columns]
        tile[: part.shape[0], : part.shape[1]] = part
        if layout.has_overlay:
            tile |= (numbers.integers(0, 1 << 16, tile.shape) << layout.bits).astype(np.uint16)
        tiles.append(tile if layout.samples == 3 else tile[..., 0])
    slide = pydicom.dcmread(template)
    _describe(slide, layout, (height, width), (rows, columns), len(tiles))
    if is_sparse:
        slide.DimensionOrganizationType = "TILED_SPARSE"
        slide.PerFrameFunctionalGroupsSequence = [frame_at(x + 1, y + 1) for x, y in places]
    how = _store(slide, [_coded(tile, layout) for tile in tiles], layout, rng)
    slide.save_as(path, enforce_file_format=True)
    return RandomDicom(f"seed {seed}: {layout}, {how}, sparse {is_sparse}", shown, tolerance)


def _layout(rng: random.Random) -> _Layout:
    syntax = rng.choice((*_NATIVE, *_CODED))
    is_rgb = rng.random() < 0.5
    # Lossless JPEG of more than 8 bits is written in gray alone here.
    is_deep = rng.random() < 0.5 and not (is_rgb and syntax == JPEGLosslessSV1)
    bits = rng.choice((9, 10, 12, 14, 16)) if is_deep else 8
    photometric = "RGB" if is_rgb else rng.choice(("MONOCHROME1", "MONOCHROME2"))
    if is_rgb and syntax in _WITHOUT_COLORS and rng.random() < 0.3:
        photometric = "YBR_FULL"
    elif is_rgb and syntax == JPEG2000Lossless and rng.random() < 0.5:
        photometric = "YBR_RCT"
    is_planar = is_rgb and syntax in _NATIVE and rng.random() < 0.5
    has_overlay = syntax in (*_NATIVE, RLELossless) and bits < 16 and is_deep and rng.random() < 0.5
    return _Layout(syntax, photometric, bits, is_deep, 3 if is_rgb else 1, is_planar, has_overlay)


def _shown(values: NDArray[Any], layout: _Layout) -> tuple[NDArray[Any], int]:
    full = (1 << layout.bits) - 1
    if layout.samples == 1:
        is_inverted = layout.photometric == "MONOCHROME1"
        return (full - values if is_inverted else values.copy())[..., 0], 0
    colors, tolerance = values.astype(float), 0
    if layout.photometric == "YBR_FULL":
        luma, cb, cr = (colors[..., at] - (0, full // 2 + 1, full // 2 + 1)[at] for at in range(3))
        parts = luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb
        colors, tolerance = np.clip(np.rint(np.stack(parts, axis=-1)), 0, full), 2
    return (colors.astype(int) >> (layout.bits - 8)).astype(np.uint8), tolerance


def _coded(tile: NDArray[Any], layout: _Layout) -> bytes:
    match layout.syntax:
        case _ if layout.syntax in _NATIVE:
            stored = np.moveaxis(tile, 2, 0) if layout.is_planar else tile
            return np.ascontiguousarray(stored).tobytes()
        case _ if layout.syntax == RLELossless:
            return run_lengths(tile)
        case _ if layout.syntax == JPEGLSLossless:
            room = 2 * tile.nbytes + 1024  # noise takes more than it has
            return bytes(imagecodecs.jpegls_encode(tile, out=room))
        case _ if layout.syntax == JPEG2000Lossless:
            return bytes(
                imagecodecs.jpeg2k_encode(
                    tile, level=0, reversible=True, codecformat="j2k", bitspersample=layout.bits,
                    mct=layout.photometric == "YBR_RCT",
                )
            )  # fmt: skip
        case _ if layout.syntax == HTJ2KLossless:
            return bytes(imagecodecs.htj2k_encode(tile))
        case _ if layout.syntax == _JPEG_XL:
            return bytes(imagecodecs.jpegxl_encode(tile, lossless=True, bitspersample=layout.bits))
        case _ if layout.is_deep:
            return bytes(imagecodecs.ljpeg_encode(tile, bitspersample=layout.bits))
        case _:
            return bytes(imagecodecs.jpeg8_encode(tile, lossless=True))


def _describe(
    slide: Dataset, layout: _Layout, size: tuple[int, int], tile: tuple[int, int], frames: int
) -> None:
    slide.pop("PerFrameFunctionalGroupsSequence", None)
    slide.DimensionOrganizationType = "TILED_FULL"
    slide.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slide.TotalPixelMatrixRows, slide.TotalPixelMatrixColumns = size
    slide.Rows, slide.Columns = tile
    slide.TotalPixelMatrixFocalPlanes = slide.NumberOfOpticalPaths = 1
    slide.NumberOfFrames = frames
    slide.SamplesPerPixel, slide.PhotometricInterpretation = layout.samples, layout.photometric
    if layout.samples == 1:
        del slide.PlanarConfiguration
    else:
        slide.PlanarConfiguration = int(layout.is_planar)
    slide.BitsAllocated, slide.BitsStored = 16 if layout.is_deep else 8, layout.bits
    slide.HighBit, slide.PixelRepresentation = layout.bits - 1, 0
    slide.file_meta.TransferSyntaxUID = layout.syntax


def _store(slide: Dataset, frames: list[bytes], layout: _Layout, rng: random.Random) -> str:
    """Put the frames into the slide; return in words how."""
    if layout.syntax in _NATIVE:
        data = b"".join(frames)
        slide.PixelData = data + bytes(len(data) % 2)
        slide["PixelData"].VR = "OW" if layout.is_deep else "OB"
        return "native"
    how = rng.choice(("plain", "table", "fragments", "extended"))
    match how:
        case "extended":
            found = encapsulate_extended(frames)
            slide.PixelData, slide.ExtendedOffsetTable, slide.ExtendedOffsetTableLengths = found
        case "fragments":
            slide.PixelData = encapsulate(frames, fragments_per_frame=rng.choice((2, 3)))
        case _:
            slide.PixelData = encapsulate(frames, has_bot=how == "table")
    slide["PixelData"].VR = "OB"
    return how
