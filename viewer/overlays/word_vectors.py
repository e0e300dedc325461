"""Phrases in the space of a model's images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WordVectors(msgspec.Struct, frozen=True, eq=False):
    """What a model with a tower for words makes of phrases.

    Attributes
    ----------
    vectors
        (phrases, d), of unit length.
    scale
        By which similarities are multiplied before a softmax.
    cut
        The phrases that were too long for the model.
    """

    phrases: tuple[str, ...]
    vectors: NDArray[np.float32]
    scale: float
    cut: tuple[str, ...] = ()

    def troubles(self) -> list[str]:
        """Return what of the phrases does not count, a sentence each."""
        return [f'"{each}" is too long for the model: its end does not count.' for each in self.cut]
