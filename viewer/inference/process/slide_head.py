"""A slide model at work on the features of a slide's patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from viewer.inference.architectures.slide_models import R2tMil
from viewer.inference.errors import ModelFailedError, NotFiniteError
from viewer.inference.process.loading import first_line, load_module
from viewer.inference.process.network import has_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle

_FEW = 20
"""Vectors that a model is tried with."""


class SlideHead:
    """A slide model ready to be asked.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        about = bundle.description
        assert about.encoder is not None
        self._name, self._length = about.name, about.encoder.length
        self._classes = len(about.classes)
        self._module = load_module(bundle, torch.device("cpu"))

    def warm_up(self) -> None:
        """Let it work once, on noise, and see what comes back.

        Raises
        ------
        ModelFailedError
            The model does not work, or gives no finite number for any of it.
        """
        noise = np.random.default_rng(0).standard_normal((_FEW, self._length), np.float32)
        logits, attention = self.judge(noise)
        if not np.isfinite(logits).all() and not has_answer(attention.T).any():
            raise NotFiniteError(self._name)

    def integrated_gradients(
        self, vectors: NDArray[np.float32], index: int, steps: int, on_step: Callable[[], None]
    ) -> NDArray[np.float32] | None:
        """Return how much each of n vectors speaks for a class; None without gradients.

        The gradients of its logit are integrated on the way from their mean.
        """
        whole = torch.as_tensor(vectors)
        span = whole - whole.mean(0, keepdim=True)
        total = torch.zeros_like(whole)
        for step in range(steps):
            on_step()
            at = (whole - span * (1 - (step + 0.5) / steps)).requires_grad_()
            try:
                (slopes,) = torch.autograd.grad(self._module(at)[0][index], at)
            except RuntimeError:
                return None
            total += slopes / steps
        found = (total * span).sum(1).numpy()
        return found if np.isfinite(found).all() else None

    def roll_out(self, vectors: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return how much each of n vectors is attended to through all layers, (1 + heads, n).

        The first is by the mean of the heads. None where there is one layer of attention, or the
        model does not give it.
        """
        if not isinstance(self._module, R2tMil):
            return None
        with torch.inference_mode():
            found = self._module.roll_out(torch.as_tensor(vectors)).float().numpy()
        return found if np.isfinite(found).all() else None

    def judge(
        self, vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits (classes,) and attention (heads, n) of n vectors (n, d).

        NaN and infinity are no answers (`has_answer`).

        Raises
        ------
        ModelFailedError
            The model raised, or gave another shape.
        """
        try:
            with torch.inference_mode():
                logits, attention = self._module(torch.as_tensor(vectors))
            answer = logits.float().numpy(), attention.float().numpy()
        except Exception as error:  # a model may raise anything
            raise ModelFailedError(f"The model {self._name} failed: {first_line(error)}") from error
        heads = (1, self._classes)
        fits = answer[0].shape == (self._classes,) and answer[1].shape in [
            (count, len(vectors)) for count in heads
        ]
        if not fits:
            raise ModelFailedError(
                f"The model {self._name} answered with {answer[0].shape} and {answer[1].shape} "
                f"where {(self._classes,)} and {(1, len(vectors))} were expected."
            )
        return answer
