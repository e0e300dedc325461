"""Writes weights and what is said of them as a model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from safetensors.torch import save

from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.models.bundle import file_sha256, load_bundle
from viewer.inference.models.description import ModelDescription, write_description
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from viewer.inference.models.bundle import ModelBundle

WEIGHTS = "weights.safetensors"


def write_bundle(
    folder: Path, weights: Mapping[str, Tensor], about: Mapping[str, object]
) -> ModelBundle:
    """Write model.json and weights; `about` is what model.json says beside the checksum.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    atomic_write_bytes(path, save({n: value.contiguous() for n, value in weights.items()}))
    card = {"format": "safetensors", "weights": WEIGHTS, "sha256": file_sha256(path), **about}
    write_description(folder, msgspec.convert(card, prepared(ModelDescription)))
    return load_bundle(folder)
