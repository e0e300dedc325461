"""Writes DICOM whole-slide images by pydicom: planes, channels, codecs, concatenations."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless, generate_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def write_slide(
    path: Path,
    template: Path,
    values: NDArray[Any],
    *,
    tile_px: int = 128,
    encode: Callable[[NDArray[Any]], bytes] | None = None,
    syntax: UID = ExplicitVRLittleEndian,
    names: tuple[str, ...] = (),
    first_path: int = 1,
    frames: slice = slice(None),
    **tags: Any,
) -> Path:
    """Write a level of one file.

    Parameters
    ----------
    template
        Another whole-slide image, whose other tags are taken over.
    values
        In color (planes, height, width, 3); of channels (channels, planes, height, width).
    first_path
        The identifier of the first channel.
    frames
        Which of the frames are written, of a level that is cut into several files.
    """
    slide = pydicom.dcmread(template)
    is_rgb = values.shape[-1] == 3
    stack = values if is_rgb else values.reshape(-1, *values.shape[2:])
    planes = values.shape[0] if is_rgb else values.shape[1]
    height, width = stack.shape[1:3]
    tiles: list[NDArray[Any]] = []
    for plane in stack:
        for top in range(0, height, tile_px):
            for left in range(0, width, tile_px):
                tile = np.zeros((tile_px, tile_px, *plane.shape[2:]), plane.dtype)
                part = plane[top : top + tile_px, left : left + tile_px]
                tile[: part.shape[0], : part.shape[1]] = part
                tiles.append(tile)
    written = tiles[frames]
    slide.Rows = slide.Columns = tile_px
    slide.TotalPixelMatrixRows, slide.TotalPixelMatrixColumns = height, width
    slide.TotalPixelMatrixFocalPlanes = planes
    slide.NumberOfOpticalPaths = 1 if is_rgb else len(values)
    slide.NumberOfFrames = len(written)
    slide.DimensionOrganizationType = "TILED_FULL"
    slide.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slide.pop("PerFrameFunctionalGroupsSequence", None)
    shared = slide.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].SpacingBetweenSlices = 0.002
    bits = 8 * stack.dtype.itemsize
    slide.BitsAllocated = slide.BitsStored = bits
    slide.HighBit, slide.PixelRepresentation = bits - 1, 0
    if not is_rgb:
        slide.SamplesPerPixel, slide.PhotometricInterpretation = 1, "MONOCHROME2"
        del slide.PlanarConfiguration
        paths: list[Dataset] = []
        for index, name in enumerate(names or ["x"] * len(values)):
            one = deepcopy(slide.OpticalPathSequence[0])
            one.OpticalPathIdentifier = str(first_path + index)
            one.OpticalPathDescription = name
            paths.append(one)
        slide.OpticalPathSequence = paths
    slide.file_meta.TransferSyntaxUID = syntax
    data = [encode(tile) for tile in written] if encode else [each.tobytes() for each in written]
    slide.PixelData = encapsulate(data) if encode else b"".join(data)
    slide["PixelData"].VR = "OB" if encode or bits == 8 else "OW"
    slide.SOPInstanceUID = slide.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for name, value in tags.items():
        setattr(slide, name, value)
    slide.save_as(path, enforce_file_format=True)
    return path


def run_lengths(tile: NDArray[Any]) -> bytes:
    """Return a tile as a frame of RLE Lossless."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.Rows, one.Columns = tile.shape[:2]
    one.SamplesPerPixel = 3 if tile.ndim == 3 else 1
    one.PhotometricInterpretation = "RGB" if tile.ndim == 3 else "MONOCHROME2"
    one.PlanarConfiguration = 0
    one.BitsAllocated = one.BitsStored = 8 * tile.itemsize
    one.HighBit = one.BitsStored - 1
    one.PixelRepresentation, one.NumberOfFrames = 0, 1
    one.PixelData = tile.tobytes()
    one["PixelData"].VR = "OB" if tile.itemsize == 1 else "OW"
    one.compress(RLELossless, generate_instance_uid=False)
    return next(generate_frames(one.PixelData, number_of_frames=1))


def frame_at(column: int, row: int) -> Dataset:
    """Return what says where a frame lies, its column and row counted from 1."""
    place, frame = Dataset(), Dataset()
    place.ColumnPositionInTotalImagePixelMatrix = column
    place.RowPositionInTotalImagePixelMatrix = row
    for axis in "XYZ":
        setattr(place, f"{axis}OffsetInSlideCoordinateSystem", 0)
    frame.PlanePositionSlideSequence = [place]
    return frame
