"""What a slide model says of a slide, and which cells it looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SlidePrediction(msgspec.Struct, frozen=True):
    """The answer of a slide model.

    Attributes
    ----------
    chances
        (classes,) probabilities.
    attention
        float32 (heads, rows, columns) before the softmax, NaN in cells that it was not given; one
        head, or one for each class.
    count
        Cells that it was given.
    """

    chances: NDArray[np.float32]
    attention: NDArray[np.float32]
    count: int

    @property
    def likeliest(self) -> int:
        """Return the class of highest probability."""
        return int(self.chances.argmax())

    def head_names(self, classes: list[str]) -> list[str]:
        """Return what each head of attention is for."""
        return classes if len(self.attention) == len(classes) else ["Attention"]
