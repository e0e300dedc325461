"""What is read of a DICOM file by pydicom, whose types are not complete."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pydicom

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

_dcmread: Callable[..., Dataset] = vars(pydicom)["dcmread"]


def dataset_in(file: IO[bytes]) -> Dataset:
    """Return all that a file holds."""
    return _dcmread(file)


def header_in(file: Path | IO[bytes], tags: list[str] | None = None) -> Dataset:
    """Return what a file holds beside its pixels, or these attributes alone."""
    return _dcmread(file, stop_before_pixels=True, specific_tags=tags)


def items_of(dataset: Dataset, name: str) -> Sequence[Dataset]:
    """Return the items of a sequence; none where there is no such sequence."""
    return dataset.get(name) or []
