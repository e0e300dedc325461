"""Writes weights and what is said of them as a model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from safetensors.torch import save_file

from viewer.inference.bundle import MODEL_FILE, ModelDescription, file_sha256, load_bundle
from viewer.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from viewer.inference.bundle import ModelBundle

WEIGHTS = "weights.safetensors"


def write_bundle(
    folder: Path, weights: Mapping[str, Tensor], about: Mapping[str, object]
) -> ModelBundle:
    """Writes model.json and weights; `about` is what model.json says beside the checksum.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    with whole_file(path) as part:
        save_file({name: value.contiguous() for name, value in weights.items()}, part)
    told = {"format": "safetensors", "weights": WEIGHTS, "sha256": file_sha256(path), **about}
    data = msgspec.json.format(
        msgspec.json.encode(msgspec.convert(told, ModelDescription)), indent=2
    )
    with whole_file(folder / MODEL_FILE) as part:
        part.write_bytes(data + b"\n")
    return load_bundle(folder)
