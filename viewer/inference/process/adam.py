"""AdamW (Loshchilov 2019) for a confined process.

The optimizers of torch import its compiler, which makes a folder for its cache: a model process may
make none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST, _SECOND = 0.9, 0.999
_DECAY = 1e-4
_TINY = 1e-8


class AdamW:
    """Moves parameters by their gradients."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        self._step = 0

    def step(self, rate: float) -> None:
        """Move all parameters once, and forget their gradients."""
        self._step += 1
        first, second = 1 - _FIRST**self._step, 1 - _SECOND**self._step
        with torch.no_grad():
            for parameter, mean, square in zip(
                self._parameters, self._means, self._squares, strict=True
            ):
                slope = parameter.grad
                if slope is None:
                    continue
                mean.lerp_(slope, 1 - _FIRST)
                square.mul_(_SECOND).addcmul_(slope, slope, value=1 - _SECOND)
                spread = (square / second).sqrt_().add_(_TINY)
                parameter.mul_(1 - rate * _DECAY).addcdiv_(mean, spread, value=-rate / first)
                parameter.grad = None
