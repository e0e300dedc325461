"""Predictors taught by the readers of the training slides, by the method of the product."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from training.evidence.preparing import readers_of
from viewer.attention.fitting import TrainingOptions
from viewer.attention.training import train_on
from viewer.inference.models.bundle_writing import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from training.evidence.preparing import Prepared
    from training.evidence.protocol import Protocol

CURVE_READER = "other"


def curve_name(count: int, seed: int) -> str:
    """Return the name of a model of the curve."""
    return f"{CURVE_READER}-{count}-{seed}"


def teach(
    protocol: Protocol,
    slides: Sequence[Prepared],
    work: Path,
    on_model: Callable[[str], object] = lambda _: None,
) -> dict[str, Path]:
    """Return the folder of each predictor; those that are there are not trained again."""
    wanted = {name: (name, list(slides), protocol.training_seed) for name in readers_of(protocol)}
    for seed in protocol.curve_seeds:
        order = np.random.default_rng(seed).permutation(len(slides)).tolist()
        for count in protocol.curve_slides:
            some = [slides[i] for i in order[:count]]
            wanted[curve_name(count, seed)] = (CURVE_READER, some, seed)
    found: dict[str, Path] = {}
    for name, (reader, some, seed) in wanted.items():
        folder = work / "models" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if (folder / WEIGHTS).exists():
                found[name] = folder
                continue
            options = TrainingOptions(
                name=f"Where {reader} looks",
                seed=seed,
                epochs=protocol.epochs,
                patience=protocol.patience,
                variants=protocol.variants,
            )
            headers = dict(each.headers[reader] for each in some)
            done = train_on([each.example(reader) for each in some], headers, folder, options)
            on_model(f"{name}: best of {done.epochs} epochs is {done.best_epoch}, "
                     f"KL {done.validation_loss:.3f}")  # fmt: skip
        found[name] = folder
    return found


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Wait for another run that trains this model."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
