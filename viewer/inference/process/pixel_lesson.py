"""In the model process: what was seen of a slide, and what was learned of its marked pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save

from viewer.inference.architectures.pixel_classifier import PixelClassifier
from viewer.inference.cells.stain_vectors import StainVectors
from viewer.inference.errors import ModelFailedError
from viewer.inference.process.lesson_messages import (
    BeginLesson,
    ClassifiedPixels,
    ClassifyPixels,
    EstimatedPixels,
    EstimatePixels,
    FitPixels,
    FittedPixels,
    SampledPixels,
    SamplePixels,
    SeeBlock,
)
from viewer.inference.process.messages import Ready, Refused
from viewer.inference.teaching.held_out import Places, held_out
from viewer.inference.teaching.pixel_settings import CORE_PX, MARGIN_PX, PATCH_PX
from viewer.inference.teaching.taught_card import HeldOutFigures
from viewer.typed.scipy import lowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.inference.process.lesson_messages import LessonAnswer, LessonKey, LessonRequest
    from viewer.slides.source import RgbImage

SQUARE_PX = 2
"""Side of what is answered for as a whole."""
_DECAY = 1e-3
"""Of the weights, in terms of the mean loss."""
_ITERATIONS = 60
_LEAST_SPREAD = 1e-4
_SEED = 0
_LEAST_RIGHT = 0.05
_LEAST_OVER_CHANCE = 0.2
"""Of what a class taught, and of all classes on average beyond guessing, that is answered right."""


class PixelLesson:
    """Keeps features of blocks, learns from some of their pixels and answers for all."""

    def __init__(self, on_progress: Callable[[], None]) -> None:
        self._on_progress = on_progress
        self._network = PixelClassifier()
        self._order: BeginLesson | None = None
        self._seen: dict[LessonKey, torch.Tensor] = {}
        """(d, side, side) float16, without the margin."""

    def answer(
        self, request: LessonRequest, pixels: RgbImage | None
    ) -> LessonAnswer | Ready | Refused:
        """Return the answer to a request; `pixels` are those of `SeeBlock`."""
        match request:
            case BeginLesson():
                torch.set_num_threads(request.threads)
                self._order, self._seen = request, {}
                self._network = self._empty(2)
                return Ready("cpu", 1)
            case SeeBlock():
                for key in request.forgotten:
                    self._seen.pop(key, None)
                assert pixels is not None
                self._seen[request.key] = self._features(pixels)
                return Ready("cpu", 1)
            case SamplePixels():
                rows, columns = np.frombuffer(request.places, np.int32).reshape(-1, 2).T.copy()
                found = self._seen[request.key][:, rows, columns].T.float()
                return SampledPixels(found.contiguous().numpy().tobytes())
            case FitPixels():
                features, classes = _marked(request)
                network = self._taught(features, classes, len(request.names))
                if alike := _alike(network, features, classes, request.names):
                    return Refused(alike)
                self._network = network
                return FittedPixels(save(dict(network.state_dict())))
            case EstimatePixels():
                return self._estimate(request)
            case ClassifyPixels():
                return ClassifiedPixels(self._chances(self._seen[request.key]).tobytes())

    def _empty(self, classes: int) -> PixelClassifier:
        assert self._order is not None
        settings = self._order.settings
        network = PixelClassifier(classes, settings.scales, int(settings.texture))
        vectors = StainVectors.default(settings.stains).weights()
        network.features.stains.copy_(torch.as_tensor(vectors.T.copy()))
        return network.eval()

    def _features(self, pixels: RgbImage) -> torch.Tensor:
        if pixels.shape != (PATCH_PX, PATCH_PX, 3):
            raise ModelFailedError("A block of another size came.")
        x = torch.as_tensor(pixels).permute(2, 0, 1)[None].float() / 255
        inner = slice(MARGIN_PX, MARGIN_PX + CORE_PX)
        with torch.inference_mode():
            return self._network.features(x)[0, :, inner, inner].half()

    def _taught(self, features: torch.Tensor, classes: torch.Tensor, count: int) -> PixelClassifier:
        """Return a classifier of marked pixels; the same pixels always teach the same.

        Classes count alike however many of their pixels are marked.
        """
        network = self._empty(count)
        spread = features.std(0, correction=0).clamp(min=_LEAST_SPREAD)
        network.mean.copy_(features.mean(0))
        network.factor.copy_(1 / spread)
        generator = torch.Generator().manual_seed(_SEED)
        for layer in (network.hidden, network.head):
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            layer.weight.data.uniform_(-bound, bound, generator=generator)
            layer.bias.data.zero_()
        counts = torch.bincount(classes, minlength=count).clamp(min=1)
        weights = (len(classes) / (count * counts))[classes]
        learned = [*network.hidden.parameters(), *network.head.parameters()]

        def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            torch.nn.utils.vector_to_parameters(torch.as_tensor(numbers).float(), learned)
            answers = network.answers(features)
            apart = torch.nn.functional.cross_entropy(answers, classes, reduction="none")
            squares = (network.hidden.weight**2).sum() + (network.head.weight**2).sum()
            value = (apart * weights).mean() + _DECAY * squares
            slopes = torch.autograd.grad(value, learned)
            return value.item(), torch.nn.utils.parameters_to_vector(slopes).double().numpy()

        begin = torch.nn.utils.parameters_to_vector(learned).detach().double().numpy()
        loss(lowest(loss, begin, _ITERATIONS, self._on_progress))
        for parameter in learned:
            parameter.requires_grad = False
        return network

    def _estimate(self, request: EstimatePixels) -> EstimatedPixels:
        features, classes = _marked(request)
        count = len(request.names)

        def fit(
            features: NDArray[np.floating], classes: NDArray[np.intp]
        ) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
            network = self._taught(
                torch.as_tensor(np.asarray(features, np.float32)), torch.as_tensor(classes), count
            )

            def chances(features: NDArray[np.floating]) -> NDArray[np.floating]:
                with torch.inference_mode():
                    answers = network.answers(torch.as_tensor(np.asarray(features, np.float32)))
                    return answers.softmax(1).numpy()

            return chances

        places = np.frombuffer(request.places_um, np.float64).reshape(-1, 2)
        slides = np.frombuffer(request.slides, np.int32).astype(np.intp)
        found = held_out(
            features.numpy(),
            classes.numpy().astype(np.intp),
            count,
            Places(slides, places[:, 0], places[:, 1]),
            fit,
        )
        return EstimatedPixels(HeldOutFigures.of(found, request.names, "marked pixels"))

    def _chances(self, seen: torch.Tensor) -> NDArray[np.float16]:
        """Return mean probabilities (rows, columns, classes) of squares of a block."""
        with torch.inference_mode():
            flat = seen.reshape(len(seen), -1).T.float()
            chances = self._network.answers(flat).softmax(1).T
            planes = chances.reshape(1, -1, CORE_PX, CORE_PX)
            means = torch.nn.functional.avg_pool2d(planes, SQUARE_PX)[0]
            return means.permute(1, 2, 0).half().contiguous().numpy()


def _marked(request: FitPixels | EstimatePixels) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (n, d) and classes (n,)."""
    classes = np.frombuffer(request.classes, np.int32).astype(np.int64)
    features = np.frombuffer(request.features, np.float32).reshape(len(classes), -1)
    return torch.as_tensor(features.copy()), torch.as_tensor(classes)


def _alike(
    network: PixelClassifier, features: torch.Tensor, classes: torch.Tensor, names: list[str]
) -> str:
    """Return why the answers would be a map of one color, or of chance, or ""."""
    with torch.inference_mode():
        answered = network.answers(features).argmax(1)
    owned = [answered[classes == number] for number in range(len(names))]
    right = [float((own == n).float().mean()) if len(own) else 1.0 for n, own in enumerate(owned)]
    chance = 1 / len(names)
    is_chance = sum(right) / len(right) < chance + _LEAST_OVER_CHANCE * (1 - chance)
    worst = min(range(len(names)), key=right.__getitem__)
    if right[worst] >= _LEAST_RIGHT and not is_chance:
        return ""
    counts = torch.bincount(owned[worst], minlength=len(names))
    counts[worst] = -1
    return (
        f"The marks of {names[worst]} look like those of {names[int(counts.argmax())]}: mark what "
        "tells them apart, or choose another resolution or more features."
    )
