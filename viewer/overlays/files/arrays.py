"""Hands arrays to the helper process as files: they may be larger than one message can be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.processes.helper import HelperEndedError, HelperFailedError, helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class WriteArrays(msgspec.Struct, frozen=True):
    """Asks the helper to write a file from arrays.

    Attributes
    ----------
    path
        What is to be written.
    folder
        Where the arrays lie, `NAME.npy` each.
    texts, number
        What the format of the file needs beside them.
    """

    path: str
    folder: str
    texts: list[str]
    number: float = 0.0

    def array(self, name: str) -> NDArray[Any]:
        """Return one of the arrays."""
        return np.load(Path(self.folder) / f"{name}.npy", allow_pickle=False)


def write_in_helper(
    task: str,
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    texts: list[str],
    number: float = 0.0,
) -> None:
    """Let the helper process write a file. Raises OSError where it cannot be written."""
    with tempfile.TemporaryDirectory(prefix="coverslip-") as folder:
        for name, array in arrays.items():
            np.save(Path(folder) / f"{name}.npy", array, allow_pickle=False)
        try:
            helper().run(task, WriteArrays(str(path.absolute()), folder, texts, number))
        except (HelperEndedError, HelperFailedError) as error:
            raise OSError(f"{path.name} cannot be written: {error}") from error
