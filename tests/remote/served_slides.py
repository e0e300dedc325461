"""Slides that the tests put on servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

BIG_BYTES = 500_000_000


def write_pyramid(path: Path, side_px: int = 2048, *, compression: str) -> Path:
    """Write a tiled pyramid of squares of many colors, as tifffile does."""
    random = np.random.default_rng(7)
    small = random.integers(0, 255, (side_px // 32, side_px // 32, 3), np.uint8)
    picture = np.kron(small, np.ones((32, 32, 1), np.uint8))
    picture ^= random.integers(0, 32, picture.shape, np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level in range(3):
            tiff.write(
                picture[:: 2**level, :: 2**level],
                tile=(256, 256),
                photometric="rgb",
                subfiletype=0 if level == 0 else 1,
                metadata=None,
                compression=compression,
            )
    return path


def write_zarr(path: Path, version: str, channels: int, side_px: int = 768) -> Path:
    """Write an OME-Zarr of noise, of three levels in chunks of one channel."""
    import zarr

    is_old = version < "0.5"
    dtype = np.uint8 if channels == 3 else np.uint16
    values = np.random.default_rng(3).integers(0, 255, (channels, side_px, side_px)).astype(dtype)
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if is_old else 3)
    datasets = []
    for level in range(3):
        part = values[:, :: 2**level, :: 2**level]
        array = group.create_array(
            str(level), shape=part.shape, chunks=(1, 256, 256), dtype=part.dtype
        )
        array[:] = part
        scale = [1.0, 0.5 * 2**level, 0.5 * 2**level]
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    image = {"version": version, "axes": axes, "datasets": datasets}
    if is_old:
        group.attrs["multiscales"] = [image]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    return path
