"""The state of a training after each epoch, so that one that was killed goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError
from safetensors.torch import save

from viewer.files.atomic_write import atomic_write_bytes
from viewer.typed.safetensors import load_with_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from viewer.inference.adam import AdamW

_FILE = "checkpoint.safetensors"


class Checkpoint(msgspec.Struct):
    """What a training needs to go on.

    Attributes
    ----------
    epoch
        How many are done.
    best_epoch, best_loss, best
        When the validation loss was lowest, what it was, and the head's weights then.
    """

    epoch: int
    best_epoch: int
    best_loss: float
    best: dict[str, Tensor]


def save_checkpoint(
    folder: Path,
    fingerprint: str,
    checkpoint: Checkpoint,
    head: nn.Module,
    optimizer: AdamW,
) -> None:
    """Write it whole or not at all. Raises OSError."""
    tensors = {f"head.{name}": value for name, value in head.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in checkpoint.best.items()}
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.state().items()}
    about = {
        "fingerprint": fingerprint,
        "epoch": str(checkpoint.epoch),
        "best_epoch": str(checkpoint.best_epoch),
        "best_loss": repr(checkpoint.best_loss),
    }
    whole = {name: value.contiguous().clone() for name, value in tensors.items()}
    atomic_write_bytes(folder / _FILE, save(whole, about))


def load_checkpoint(
    folder: Path, fingerprint: str, head: nn.Module, optimizer: AdamW
) -> Checkpoint | None:
    """Take the state up into head and optimizer; None where there is none of this training."""
    try:
        tensors, about = load_with_metadata(folder / _FILE)
    except (OSError, SafetensorError):
        return None
    if about.get("fingerprint") != fingerprint:
        return None
    head.load_state_dict(_part(tensors, "head."))
    optimizer.take_up(_part(tensors, "optimizer."))
    return Checkpoint(
        int(about["epoch"]),
        int(about["best_epoch"]),
        float(about["best_loss"]),
        _part(tensors, "best."),
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
