"""Scores of cells as OME-Zarr 0.5: a multiscale picture with a channel a class.

Runs in the helper process, since it needs zarr.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.files.replace_whole import replace_by
from viewer.files.unfinished import unfinished_folder
from viewer.overlays.files.arrays import WriteArrays
from viewer.overlays.files.patch_files import pyramid
from viewer.overlays.files.zarr_marks import MARK, is_own_heatmap
from viewer.prepared_types import prepared
from viewer.typed.zarr import new_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.processes.helper_entry import TaskContext

_CHUNK_PX = 256


def write(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `WriteArrays` with the array "values", names of channels, and um a cell."""
    request = msgspec.msgpack.decode(body, type=prepared(WriteArrays))
    write_ome_zarr(Path(request.path), request.array("values"), request.texts, request.number)
    return b""


def write_ome_zarr(
    path: Path, values: NDArray[np.float32], names: Sequence[str], um: float
) -> None:
    """Write a folder; (rows, columns, d) of cells `um` micrometers wide, NaN where unknown.

    Raises
    ------
    OSError
        It cannot be written; a folder that was there is left as it was, and one that is no heatmap
        of ours is never replaced.
    """
    if path.exists() and not is_own_heatmap(path):
        raise FileExistsError(errno.EEXIST, "it is there and holds something else", str(path))
    levels = pyramid(np.moveaxis(values.astype(np.float32), 2, 0))
    with unfinished_folder(path.parent) as folder:
        whole = folder / path.name
        group = new_group(whole)
        group.attrs["ome"] = _about(path.stem, names, um, [level.shape for level in levels])
        group.attrs.update(MARK)
        for index, level in enumerate(levels):
            array = group.create_array(
                str(index),
                shape=level.shape,
                chunks=(1, min(_CHUNK_PX, level.shape[1]), min(_CHUNK_PX, level.shape[2])),
                dtype="float32",
                fill_value=float("nan"),
                dimension_names=("c", "y", "x"),
            )
            array[:] = level
        replace_by(whole, path)


def _about(
    name: str, names: Sequence[str], um: float, shapes: Sequence[tuple[int, ...]]
) -> dict[str, Any]:
    space = {"type": "space", "unit": "micrometer"}
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": [{"name": "c", "type": "channel"}]
                + [{"name": axis, **space} for axis in ("y", "x")],
                "datasets": [
                    {
                        "path": str(index),
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [1.0, um * 2**index, um * 2**index]}
                        ],
                    }
                    for index in range(len(shapes))
                ],
            }
        ],
        "omero": {"channels": [{"label": name} for name in names]},
    }
