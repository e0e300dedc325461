"""Writes weights and what is said of them as a model folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from safetensors.torch import save_file

from viewer.inference.bundle import MODEL_FILE, ModelDescription, load_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

WEIGHTS = "weights.safetensors"


def write_bundle(
    folder: Path, weights: Mapping[str, Tensor], about: Mapping[str, object]
) -> ModelDescription:
    """Writes model.json and weights; `about` is what model.json says beside the checksum."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    save_file({name: value.contiguous() for name, value in weights.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    told = {"format": "safetensors", "weights": WEIGHTS, "sha256": digest, **about}
    description = msgspec.convert(told, ModelDescription)
    data = msgspec.json.format(msgspec.json.encode(description), indent=2)
    (folder / MODEL_FILE).write_bytes(data + b"\n")
    return load_bundle(folder).description
