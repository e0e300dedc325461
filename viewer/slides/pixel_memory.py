"""Where a decoder is to put the pixels of the next tile, so that nobody has to copy them there."""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Offered(threading.local):
    memory: memoryview | None = None
    taken: NDArray[np.uint8] | None = None


_offered = _Offered()


def offer(memory: memoryview | None) -> None:
    """Let the next `new_pixels` of this thread lie in `memory`; None takes the offer back."""
    _offered.memory, _offered.taken = memory, None


def is_in_offered(pixels: NDArray[np.uint8]) -> bool:
    """Return whether an array is the one that lies in what was offered last."""
    return pixels is _offered.taken


def new_pixels(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an array for pixels that a source hands out and does not keep."""
    memory, size = _offered.memory, prod(shape)
    if memory is None or size > len(memory):
        return np.empty(shape, np.uint8)
    _offered.memory = None
    pixels = _offered.taken = np.frombuffer(memory, np.uint8, size).reshape(shape)
    return pixels
