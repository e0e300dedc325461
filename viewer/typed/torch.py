# pyright: basic
# (torch brings types that are not complete)
"""What is used of torch, with its types."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor

Module = TypeVar("Module", bound=torch.nn.Module)


def random_apart() -> AbstractContextManager[None]:
    """Return a context whose random numbers on the CPU leave those of others as they were."""
    return torch.random.fork_rng(devices=[])


def seed(number: int) -> None:
    """Begin torch's random numbers anew."""
    torch.manual_seed(number)


def backward(loss: Tensor) -> None:
    """Add what a loss says of each parameter to its gradient."""
    loss.backward()


def channels_last(module: Module) -> Module:
    """Return a module whose weights lie in memory as convolutions are quickest with."""
    return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def load_script(path: Path) -> torch.nn.Module:
    """Return the program of a TorchScript, on the CPU. Raises whatever its parser does."""
    return torch.jit.load(str(path), map_location="cpu")


def before_weights(module: torch.nn.Module, hook: Callable[..., None]) -> None:
    """Have a function called before weights are loaded, with the module and the weights."""
    module.register_load_state_dict_pre_hook(hook)
