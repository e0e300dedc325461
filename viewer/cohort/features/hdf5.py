# pyright: basic
# (h5py brings no types)
"""Features of a slide as an HDF5 file."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


def hdf5_file(
    features: NDArray[np.float32], coords: NDArray[np.int64], about: Mapping[str, object]
) -> bytes:
    """Return a file with both as data sets, and what is said of the second as its attributes."""
    with tempfile.TemporaryFile() as sink:
        with h5py.File(sink, "w") as file:
            file.create_dataset("features", data=features)
            held = file.create_dataset("coords", data=coords)
            for key, value in about.items():
                held.attrs[key] = value
        sink.seek(0)
        return sink.read()
