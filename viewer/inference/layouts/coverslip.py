"""Our own layout: model.json beside the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.models.bundle import load_bundles
from viewer.inference.models.description import MODEL_FILE
from viewer.inference.models.model_check import try_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle

NAME = "Coverslip"


def recognizes(path: Path) -> bool:
    """Return whether a folder holds model.json."""
    return (path / MODEL_FILE).exists()


def described(path: Path) -> ModelBundle:
    """Read model.json. Raises BundleError."""
    return load_bundles(path)[0]


def cards(path: Path) -> Sequence[Path]:  # noqa: ARG001
    """Return no files: model.json says it all."""
    return ()


def prove(path: Path, bundle: ModelBundle) -> None:
    """Feed it once, and its parts."""
    try_model(bundle)
    for part in load_bundles(path)[1:]:
        try_model(part)
