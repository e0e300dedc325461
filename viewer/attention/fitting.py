"""Fits the head of a predictor to examples, epoch by epoch, and keeps its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from viewer.attention.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from viewer.attention.examples import Example, turned
from viewer.inference.adam import AdamW
from viewer.typed.torch import backward, random_apart, seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.inference.architectures.where_to_look import WhereToLook


class TrainingOptions(msgspec.Struct, frozen=True):
    """How a predictor is trained.

    Attributes
    ----------
    patience
        Epochs without a lower validation loss after which it ends.
    validation_share
        Of the slides, at least one.
    variants
        How many stains of a slide are embedded, its own included.
    may_mix
        Whether readers, simulated readers and agents may teach it together.
    """

    name: str = "Where to look"
    version: str = "1"
    seed: int = 0
    epochs: int = 200
    patience: int = 30
    validation_share: float = 0.2
    rate: float = 2e-3
    decay: float = 1e-2
    width: int = 32
    variants: int = 4
    license: str = "As the sessions that it was trained on"
    may_mix: bool = False


class EpochDone(msgspec.Struct, frozen=True):
    """How far a training is; losses are Kullback-Leibler divergences in nats."""

    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    best_epoch: int


def fit(
    model: WhereToLook,
    taught: list[Example],
    held: list[Example],
    options: TrainingOptions,
    work: Path,
    fingerprint: str,
    on_epoch: Callable[[EpochDone], object],
) -> tuple[Checkpoint, int]:
    """Return the state at the end, and the epoch that it was taken up at."""
    with random_apart():
        seed(options.seed)
        for module in model.head.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.reset_parameters()
        optimizer = AdamW(model.head.parameters(), decay=options.decay)
        state = load_checkpoint(work, fingerprint, model.head, optimizer)
        began_at = state.epoch if state is not None else 0
        state = state or Checkpoint(0, 0, float("inf"), {})
        while state.epoch < options.epochs and state.epoch - state.best_epoch < options.patience:
            seed(options.seed * 100_003 + state.epoch)
            rng = np.random.default_rng([options.seed, state.epoch])
            loss = _epoch(model, taught, optimizer, options.rate, rng)
            validation_loss = _validated(model, held)
            state.epoch += 1
            if validation_loss < state.best_loss:
                state.best_loss, state.best_epoch = validation_loss, state.epoch
                state.best = {n: v.clone() for n, v in model.head.state_dict().items()}
            save_checkpoint(work, fingerprint, state, model.head, optimizer)
            on_epoch(
                EpochDone(state.epoch, options.epochs, loss, validation_loss, state.best_epoch)
            )
    return state, began_at


def _epoch(
    model: WhereToLook,
    taught: list[Example],
    optimizer: AdamW,
    rate: float,
    rng: np.random.Generator,
) -> float:
    """Return each slide once, in random order, stain and turn; gives the mean loss."""
    model.head.train()
    total = 0.0
    order: list[int] = rng.permutation(len(taught)).tolist()
    for index in order:
        example = taught[index]
        variant, turns = int(rng.integers(len(example.variants))), int(rng.integers(4))
        cells, known, shares = turned(example, variant, turns, mirrored=bool(rng.integers(2)))
        expected = model.judged(torch.as_tensor(cells)[None].float())[0]
        loss = divergence(expected, torch.as_tensor(shares), torch.as_tensor(known))
        backward(loss)
        torch.nn.utils.clip_grad_norm_(model.head.parameters(), 1.0)
        optimizer.step(rate)
        total += loss.item()
    model.head.eval()
    return total / len(taught)


def _validated(model: WhereToLook, held: list[Example]) -> float:
    with torch.inference_mode():
        losses = [
            divergence(
                model.judged(torch.as_tensor(each.variants[0])[None].float())[0],
                torch.as_tensor(each.shares),
                torch.as_tensor(each.known),
            )
            for each in held
        ]
    return float(torch.stack(losses).mean())


def divergence(expected: torch.Tensor, shares: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the Kullback-Leibler divergence of the predicted spread from the true one, nats.

    Parameters
    ----------
    expected
        (bands, rows, columns) logits.
    shares
        The same shape, adding up to 1 over the known cells.
    known
        (rows, columns) bool.
    """
    spread = torch.log_softmax(expected[:, known].flatten(), 0)
    true = shares[:, known].flatten()
    return (torch.xlogy(true, true) - true * spread).sum()
