"""In the model process: the nuclei network learns from corrected outlines.

Only the weights move, not the statistics of the normalization. Where nothing is known the network
is held to what it answered before, so that it forgets little; a moving average is kept.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from safetensors.torch import save

from viewer.geometry import Box
from viewer.inference.adam import AdamW
from viewer.inference.errors import ModelFailedError
from viewer.inference.instances import CONFIDENCE, labeled, objects_of
from viewer.inference.outline_scores import counted, score_of
from viewer.inference.process.nuclei_targets import follow, nuclei_loss, target_maps
from viewer.inference.process.tuning_messages import (
    Agreement,
    FieldSeen,
    MeasureTuned,
    SeeField,
    TunedNetwork,
    TunedSteps,
    TuneSteps,
)
from viewer.typed.torch import backward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.outline_scores import Counts
    from viewer.inference.process.network import Network
    from viewer.inference.process.tuning_messages import TuningAnswer, TuningRequest
    from viewer.slides.source import RgbImage

_SIDE_PX = 160
_BATCH = 4
_RATE = 3e-4
_WARM_STEPS = 10
_HELD_TO_OLD = 0.3
"""How much a pixel counts of which nothing is known."""
_MOST_KEPT = 0.98
"""Of the moving average, from one step to the next."""
_LIKELY = 0.3
"""A place that is likelier a nucleus is none for sure only where somebody said so."""
_SEED = 0


class _Field(msgspec.Struct, frozen=True):
    """A field; maps are float16 (3, side, side), 0 to 1, the others (side, side)."""

    picture: RgbImage
    labels: NDArray[np.int32]
    measures: NDArray[np.bool_]
    maps: NDArray[np.float16]
    weights: NDArray[np.float16]
    places: NDArray[np.intp]
    """(n, 2) rows and columns of some pixels that teach."""


class NucleiLesson:
    """Learns from the fields that it was given, as long as it is asked to."""

    def __init__(
        self, network: Network, about: ModelDescription, on_progress: Callable[[], None]
    ) -> None:
        self._network, self._about, self._on_progress = network, about, on_progress
        self._tuned: torch.nn.Module = copy.deepcopy(network.module)
        self._average = copy.deepcopy(self._tuned).eval()
        for parameter in self._tuned.parameters():
            parameter.requires_grad = True
        self._optimizer = AdamW(self._tuned.parameters())
        self._fields: list[_Field] = []
        self._before: list[Counts] = []
        self._learned: list[Counts] = []
        self._step = 0
        self._rng = np.random.default_rng(_SEED)

    def answer(self, request: TuningRequest, pixels: RgbImage | None) -> TuningAnswer:
        """Return the answer to a request; `pixels` are those of `SeeField`."""
        match request:
            case SeeField():
                assert pixels is not None
                self._see(request, pixels)
                return FieldSeen()
            case TuneSteps(count, total):
                return TunedSteps(self._learn(count, total))
            case MeasureTuned():
                return self._measured()

    def _see(self, request: SeeField, picture: RgbImage) -> None:
        shape = picture.shape[:2]
        labels = np.frombuffer(request.labels, np.int32).reshape(shape).copy()
        is_held = np.frombuffer(request.is_held, np.bool_).reshape(shape)
        old = self._answered(self._network.module, picture)
        if not request.is_whole:
            labels[(labels == 0) & (old[0] > _LIKELY)] = -1
        is_known = labels >= 0
        teaches = is_known & ~is_held
        found = self._found(old, picture)
        measures = is_known & is_held & _core(shape, request.margin_px)
        self._before.append(_agreed(labels, found, measures))
        self._learned.append(_agreed(labels, found, teaches & _core(shape, request.margin_px)))
        maps = np.where(teaches, target_maps(labels), old)
        weights = np.where(teaches, 1.0, np.where(is_known, 0.0, _HELD_TO_OLD))
        places = np.argwhere(teaches)
        few = self._rng.permutation(len(places))[: 4 * _SIDE_PX]
        self._fields.append(
            _Field(
                picture,
                labels,
                measures,
                maps.astype(np.float16),
                weights.astype(np.float16),
                places[few],
            )
        )

    def _learn(self, count: int, total: int) -> float:
        """Learn for some more steps, and return their mean loss."""
        fields = [field for field in self._fields if len(field.places)]
        if not fields:
            raise ModelFailedError("No corrected place is left to learn from.")
        shares = np.array([len(field.places) for field in fields], float)
        losses: list[float] = []
        for _ in range(count):
            self._on_progress()
            rate = min(1.0, (self._step + 1) / _WARM_STEPS)
            rate *= 0.5 + 0.5 * np.cos(np.pi * min(1.0, self._step / total))
            chosen: list[int] = self._rng.choice(
                len(fields), _BATCH, p=shares / shares.sum()
            ).tolist()
            losses.append(self._stepped([fields[index] for index in chosen], _RATE * rate))
            self._step += 1
            follow(self._average, self._tuned, min(_MOST_KEPT, self._step / (self._step + 9)))
        return float(np.mean(losses))

    def _stepped(self, fields: Sequence[_Field], rate: float) -> float:
        crops = [_crop(self._rng, field) for field in fields]
        device = self._network.device
        pictures, maps, weights = (
            torch.as_tensor(np.stack(each)).to(device) for each in zip(*crops, strict=True)
        )
        logits = self._tuned(self._network.normalized(pictures))
        loss = nuclei_loss(logits.float(), maps, weights, weights)
        if not torch.isfinite(loss):
            raise ModelFailedError("The network learned nothing: its loss is not finite.")
        backward(loss)
        torch.nn.utils.clip_grad_norm_(self._tuned.parameters(), 2.0)
        self._optimizer.step(rate)
        return float(loss.detach())

    def _measured(self) -> TunedNetwork:
        after: list[Counts] = []
        for field in self._fields:
            maps = self._answered(self._average, field.picture)
            found = self._found(maps, field.picture)
            after.append(_agreed(field.labels, found, field.measures))
        weights = {name: each.contiguous().cpu() for name, each in
                   self._average.state_dict().items()}  # fmt: skip
        return TunedNetwork(
            _agreement(self._learned), _agreement(self._before), _agreement(after), save(weights)
        )

    def _answered(self, module: torch.nn.Module, picture: RgbImage) -> NDArray[np.float32]:
        """Return the maps (3, height, width) of a network, 0 to 1."""
        self._on_progress()
        batch = torch.as_tensor(picture.copy()).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            logits = module(self._network.normalized(batch.to(self._network.device)))
            return torch.sigmoid(logits[0].float()).cpu().numpy()

    def _found(self, maps: NDArray[np.float32], picture: RgbImage) -> NDArray[np.int32]:
        """Return the nuclei that are found by maps, as (height, width) numbers."""
        labels = labeled(maps)
        height, width = labels.shape
        frame = Box(0, 0, width, height)
        kept = objects_of(labels, maps[0], picture, frame, frame, self._about.mpp_um)
        assert CONFIDENCE in kept.measurements or not len(kept)
        columns, rows = kept.centroids.astype(np.intp).T.clip(0, [[width - 1], [height - 1]])
        return np.where(np.isin(labels, labels[rows, columns]) & (labels > 0), labels, 0)


def _agreed(
    labels: NDArray[np.int32], found: NDArray[np.int32], counts: NDArray[np.bool_]
) -> Counts:
    """Count how outlined and found nuclei agree, of those that lie mostly where it counts."""
    return counted(_mostly(np.maximum(labels, 0), counts), _mostly(found, counts))


def _core(shape: tuple[int, ...], margin_px: int) -> NDArray[np.bool_]:
    """Return which pixels of a field (height, width) lie within its margin."""
    inside = np.zeros(shape, bool)
    inside[margin_px : shape[0] - margin_px, margin_px : shape[1] - margin_px] = True
    return inside


def _mostly(labels: NDArray[np.int32], counts: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the objects of which more than half of the pixels count."""
    length = int(labels.max(initial=0)) + 1
    inside = np.bincount(labels[counts], minlength=length)
    is_kept = inside > np.bincount(labels.ravel(), minlength=length) / 2
    is_kept[0] = False
    return np.where(is_kept[labels], labels, 0)


def _agreement(counts: Sequence[Counts]) -> Agreement:
    scores = score_of(counts)
    return Agreement(round(scores.f1, 4), round(scores.pq, 4), scores.found, scores.true)


def _crop(
    rng: np.random.Generator, field: _Field
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return picture (3, s, s) of 0 to 255, maps (3, s, s) and weights (s, s) round a place.

    Turned, mirrored, and stained a little stronger or weaker.
    """
    side = min(_SIDE_PX, *field.labels.shape)
    middle = field.places[rng.integers(len(field.places))] + rng.integers(-side // 4, side // 4, 2)
    row, column = (
        int(np.clip(at - side // 2, 0, size - side))
        for at, size in zip(middle, field.labels.shape, strict=True)
    )
    window = slice(row, row + side), slice(column, column + side)
    turns, is_mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turned(planes: NDArray[np.floating]) -> NDArray[np.float32]:
        found = np.rot90(planes, turns, (-2, -1))
        found = found[..., ::-1] if is_mirrored else found
        return np.ascontiguousarray(found, np.float32)

    picture = field.picture[window].astype(np.float32).transpose(2, 0, 1)
    density = (
        -np.log((picture + 1) / 256) * rng.uniform(0.85, 1.15) * rng.uniform(0.93, 1.07, (3, 1, 1))
    )
    stained = np.clip(256 * np.exp(-density) - 1, 0, 255)
    planes = (slice(None), *window)
    return turned(stained), turned(field.maps[planes]), turned(field.weights[window])
