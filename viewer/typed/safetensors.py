# pyright: basic
# (safetensors brings types that are not complete)
"""Files of tensors, read with types.

All raise OSError, and SafetensorError of what is no such file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from safetensors import safe_open

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

Number = TypeVar("Number", bound=np.generic)


def read_array(path: Path, name: str, dtype: type[Number]) -> NDArray[Number]:
    """Return one array, of which alone the file is read."""
    with safe_open(path, "np") as file:
        return np.asarray(file.get_tensor(name), dtype)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors."""
    return load_with_metadata(path)[0]


def load_with_metadata(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return all tensors and what is said beside them."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors, none of which shares its memory with another."""
    from safetensors.torch import save_file  # which loads torch

    save_file(tensors, path)
