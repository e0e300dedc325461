"""Fits a slide model to bags, epoch by epoch; one that was killed goes on where it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from viewer.attention.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from viewer.inference.adam import AdamW
from viewer.inference.architectures.slide_models import SLIDE_ARCHITECTURES, ClamMulti, ClamSingle
from viewer.typed.torch import backward, random_apart, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from viewer.cohort.learning.bags import Bags

ARCHITECTURES = {"abmil": "abmil", "clam": "clam-sb", "r2t": "r2t-mil"}
"""What the command line calls them, and their registered names."""
_SETTINGS: dict[str, dict[str, int]] = {"abmil": {"hidden": 64, "width": 128}}
_RATE, _DECAY = 3e-4, 0.05
_KEPT_SHARE = 0.5
"""Of the patches of a slide in a step, so that none is learned by heart."""
_SAVED_EVERY_S = 2.0
_INSTANCES = 8
_INSTANCE_WEIGHT = 0.3
"""Of CLAM's loss of single patches (Lu et al. 2021: k of 8, bag weight of 0.7)."""


class FitOptions(msgspec.Struct, frozen=True):
    """How a model is fitted.

    Attributes
    ----------
    architecture
        A key of `ARCHITECTURES`.
    patience
        Epochs without a lower loss on the slides to stop by, after which it ends.
    """

    architecture: str
    classes: int
    epochs: int = 100
    patience: int = 15
    seed: int = 0


class EpochDone(msgspec.Struct, frozen=True):
    """How far a fit is; losses are cross-entropies in nats."""

    epoch: int
    loss: float
    stopping_loss: float
    best_epoch: int


def new_model(length: int, options: FitOptions) -> nn.Module:
    """Return a model with the weights of its seed."""
    with random_apart():
        seed(options.seed)
        make = SLIDE_ARCHITECTURES[ARCHITECTURES[options.architecture]]
        return make(length, options.classes, **settings_of(options.architecture))


def settings_of(architecture: str) -> dict[str, int]:
    """Return the settings that a model is made with."""
    return _SETTINGS.get(architecture, {})


def fit(
    model: nn.Module, bags: Bags, taught: Sequence[int], stopping: Sequence[int],
    options: FitOptions, work: Path, fingerprint: str,
    on_epoch: Callable[[EpochDone], object] = lambda _: None,
) -> int:  # fmt: skip
    """Fit a model to some slides; the weights that do best on those to stop by are kept.

    Vectors are scaled by the slides that are learned from, and the scale goes into the model.

    Parameters
    ----------
    stopping
        Without any, all epochs are done and the last weights are kept.
    work, fingerprint
        Where the state is kept every few seconds, and what it has to be of to be taken up.

    Returns
    -------
    The number of epochs after which the weights that are kept stood.
    """
    mean, spread = bags.scale(taught)
    work.mkdir(parents=True, exist_ok=True)
    optimizer = AdamW(model.parameters(), decay=_DECAY)
    state = load_checkpoint(work, fingerprint, model, optimizer) or Checkpoint(
        0, 0, float("inf"), {}
    )
    saved_s = time.monotonic()
    weights = _class_weights(bags.classes[list(taught)], options.classes)
    with random_apart():
        while state.epoch < options.epochs and (
            not stopping or state.epoch - state.best_epoch < options.patience
        ):
            seed(options.seed * 100_003 + state.epoch)
            loss = _epoch(model, bags, taught, mean, spread, weights, optimizer)
            state.epoch += 1
            stopping_loss = loss
            if stopping:
                stopping_loss = _loss(model, bags, stopping, mean, spread, weights)
            if not stopping or stopping_loss < state.best_loss:
                state.best_loss, state.best_epoch = stopping_loss, state.epoch
                state.best = {n: v.clone() for n, v in model.state_dict().items()}
            if time.monotonic() - saved_s > _SAVED_EVERY_S:
                save_checkpoint(work, fingerprint, state, model, optimizer)
                saved_s = time.monotonic()
            on_epoch(EpochDone(state.epoch, loss, stopping_loss, state.best_epoch))
    save_checkpoint(work, fingerprint, state, model, optimizer)
    model.load_state_dict(state.best)
    _scale_into(model, mean, spread)
    model.eval()
    return state.best_epoch


def chances(model: nn.Module, bags: Bags, indices: Sequence[int]) -> Tensor:
    """Return the probabilities (n, classes) of some slides by a fitted model."""
    with torch.inference_mode():
        return torch.stack([model(bags.vectors[i].float())[0].softmax(0) for i in indices])


# ---------------------------------------------------------------------------------------------


def _epoch(
    model: nn.Module, bags: Bags, taught: Sequence[int], mean: Tensor, spread: Tensor,
    weights: Tensor, optimizer: AdamW,
) -> float:  # fmt: skip
    model.train()
    total = 0.0
    order: list[int] = torch.randperm(len(taught)).numpy().tolist()
    for position in order:
        index = taught[position]
        bag = bags.vectors[index]
        if len(bag) > 1:
            kept = torch.rand(len(bag)) < _KEPT_SHARE
            kept[torch.randint(len(bag), (1,))] = True
            bag = bag[kept]
        vectors = (bag.float() - mean) / spread
        logits, attention = model(vectors)
        loss = cross_entropy(logits[None], bags.classes[index][None], weights)
        if isinstance(model, ClamSingle | ClamMulti):
            extra = _instance_loss(model, vectors, attention, int(bags.classes[index]))
            loss = (1 - _INSTANCE_WEIGHT) * loss + _INSTANCE_WEIGHT * extra
        backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(_RATE)
        total += loss.item()
    model.eval()
    return total / len(taught)


def _loss(
    model: nn.Module, bags: Bags, indices: Sequence[int], mean: Tensor, spread: Tensor,
    weights: Tensor,
) -> float:  # fmt: skip
    with torch.inference_mode():
        logits = torch.stack([model((bags.vectors[i].float() - mean) / spread)[0] for i in indices])
        return float(cross_entropy(logits, bags.classes[list(indices)], weights))


def _instance_loss(
    model: ClamSingle | ClamMulti, vectors: Tensor, attention: Tensor, label: int
) -> Tensor:
    """Have the patches with most and least attention be called for and against the label.

    As CLAM does (Lu et al. 2021), with cross-entropy instead of its smooth SVM loss.
    """
    embedded = model.attention_net[:-1](vectors)
    row = attention[min(label, len(attention) - 1)]
    count = min(_INSTANCES, max(1, len(row) // 2))
    top, low = row.topk(count).indices, (-row).topk(count).indices
    said = model.instance_classifiers[label](embedded[torch.cat([top, low])])
    return cross_entropy(said, torch.cat([torch.ones(count), torch.zeros(count)]).long())


def _class_weights(classes: Tensor, count: int) -> Tensor:
    """Return a weight for each class, so that rare ones count as much; 1 on the average."""
    held = torch.bincount(classes, minlength=count).clamp(min=1).float()
    return len(classes) / (count * held)


def _scale_into(model: nn.Module, mean: Tensor, spread: Tensor) -> None:
    """Put the scale of the vectors into the first layer, which is linear."""
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.weight.div_(spread)
        first.bias.sub_(first.weight @ mean)
