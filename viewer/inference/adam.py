"""AdamW (Loshchilov 2019), for whatever learns here.

The optimizers of torch import its compiler, in more than a second of a core, and it makes a folder
for its cache, which a confined process may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIRST, _SECOND = 0.9, 0.999
_TINY = 1e-8


class AdamW:
    """Moves parameters by their gradients.

    Parameters
    ----------
    decay
        By which share of the rate each parameter is drawn to zero at a step.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, decay: float = 1e-4) -> None:
        self._parameters = list(parameters)
        self._decay = decay
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
                parameter.mul_(1 - rate * self._decay).addcdiv_(mean, spread, value=-rate / first)
                parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Return what it goes on from, under the names that torch has for it."""
        state: dict[str, torch.Tensor] = {}
        for index, (mean, square) in enumerate(zip(self._means, self._squares, strict=True)):
            state[f"{index}.step"] = torch.tensor(float(self._step))
            state[f"{index}.exp_avg"], state[f"{index}.exp_avg_sq"] = mean, square
        return state

    def take_up(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `state` gave; torch leaves out what never had a gradient."""
        self._step = max(int(each) for name, each in state.items() if name.endswith(".step"))
        for index in range(len(self._parameters)):
            self._means[index] = state.get(f"{index}.exp_avg", self._means[index])
            self._squares[index] = state.get(f"{index}.exp_avg_sq", self._squares[index])
