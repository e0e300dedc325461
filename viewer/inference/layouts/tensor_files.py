"""Test tensors in .npy files; nothing is unpickled."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import reason_of
from viewer.inference.models.bundle import BundleError
from viewer.limits import TENSOR_BYTES, read_regular

if TYPE_CHECKING:
    from pathlib import Path


def read_tensor(folder: Path, name: str, card: str) -> bytes:
    """Return the bytes of a test tensor. Raises BundleError."""
    if not name:
        raise BundleError(
            f"{card} names no test input and test output: without them nobody knows whether the "
            "model works here as it should."
        )
    if PurePosixPath(name).name != name or "\\" in name:
        raise BundleError(f"{card} names the test tensor {name}, which is not in its folder.")
    try:
        return read_regular(folder / name, TENSOR_BYTES)
    except OSError as error:
        raise BundleError(
            f"{card} names the test tensor {name}, which cannot be read "
            f"({reason_of(error)}): download the whole package."
        ) from error


def tensor_of(data: bytes) -> np.ndarray:
    """Return the array of a .npy file. Raises ValueError."""
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, TypeError) as error:
        raise ValueError(f"it is no .npy file of numbers ({error})") from error


def tensor_range(folder: Path, name: str, card: str) -> tuple[tuple[int, ...], float, float]:
    """Return the shape of a test tensor, and its lowest and highest value. Raises BundleError."""
    try:
        values = tensor_of(read_tensor(folder, name, card))
        return values.shape, float(values.min()), float(values.max())
    except (ValueError, TypeError) as error:
        raise BundleError(f"{card} names the test tensor {name}: {error}.") from error
