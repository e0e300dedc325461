"""Predictors taught by the readers of the training slides, by the method of the product."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from training.evidence.preparing import readers_of
from training.evidence.sharing import do_each
from viewer.attention.fitting import TrainingOptions
from viewer.attention.training import train_on
from viewer.inference.models.bundle import MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
    folders = {name: work / "models" / name for name in wanted}

    def one(name: str) -> None:
        reader, some, seed = wanted[name]
        options = TrainingOptions(
            name=f"Where {reader} looks",
            seed=seed,
            epochs=protocol.epochs,
            patience=protocol.patience,
            variants=protocol.variants,
        )
        headers = dict(each.headers[reader] for each in some)
        examples = [each.example(reader) for each in some]
        done = train_on(examples, headers, folders[name], options)
        best = f"best of {done.epochs} epochs is {done.best_epoch}"
        on_model(f"{name}: {best}, KL {done.validation_loss:.3f}")

    do_each((folder / MODEL_FILE, partial(one, name)) for name, folder in folders.items())
    return folders
