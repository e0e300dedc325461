"""Writes OME-Zarr by zarr itself, in each version and layout."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import zarr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_TYPES = {"t": "time", "c": "channel"}
_UNITS = {"x": "micrometer", "y": "micrometer", "z": "micrometer", "t": "second"}


def pyramid(values: NDArray[Any], levels: int = 3) -> list[NDArray[Any]]:
    """Return levels, each with every second row and column of the one before."""
    return [values[..., :: 2**level, :: 2**level] for level in range(levels)]


def write_image(
    path: Path,
    levels: Sequence[NDArray[np.generic]],
    axes: str,
    *,
    version: str = "0.5",
    um: float = 0.5,
    omero: dict[str, Any] | None = None,
    transforms: list[dict[str, Any]] | None = None,
    chunk_px: int = 128,
    channels_per_chunk: int = 1,
    step: dict[str, float] | None = None,
    **options: Any,
) -> None:
    """Write one multiscale image; `options` are those of `create_array`."""
    is_old = version < "0.5"
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if is_old else 3)
    datasets: list[dict[str, Any]] = []
    if is_old:
        options.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
    for index, level in enumerate(levels):
        sizes = {"c": channels_per_chunk, "x": chunk_px, "y": chunk_px}
        chunks = tuple(
            min(sizes.get(axis, 1), side) for axis, side in zip(axes, level.shape, strict=True)
        )
        array = group.create_array(
            str(index), shape=level.shape, chunks=chunks, dtype=level.dtype, **options
        )
        array[:] = level
        scale = [um * 2**index if axis in "yx" else (step or {}).get(axis, 1.0) for axis in axes]
        transform = [{"type": "scale", "scale": scale}, *(transforms or [])]
        if version.startswith("0.6"):
            transform = [{**each, "input": str(index), "output": "physical"} for each in transform]
        datasets.append({"path": str(index), "coordinateTransformations": transform})
    described = [{"name": axis, "type": _TYPES.get(axis, "space"), **_unit(axis)} for axis in axes]
    multiscale: dict[str, Any] = {"name": "H&E", "datasets": datasets}
    if version.startswith("0.6"):
        multiscale["coordinateSystems"] = [{"name": "physical", "axes": described}]
    else:
        multiscale["axes"] = described
    extra = {"omero": omero} if omero else {}
    if is_old:
        group.attrs.update({"multiscales": [{**multiscale, "version": version}], **extra})
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale], **extra}


def _unit(axis: str) -> dict[str, str]:
    return {"unit": _UNITS[axis]} if axis in _UNITS else {}


def zipped(folder: Path, archive: Path, inside: str = "") -> Path:
    """Put a folder into an archive without compression, as Zarr has it."""
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path, inside + path.relative_to(folder).as_posix())
    return archive
