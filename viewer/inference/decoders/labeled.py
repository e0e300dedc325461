"""What a decoder gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Labeled(msgspec.Struct, frozen=True):
    """Objects of a block as a label map, which covers the whole of what the model was fed.

    Attributes
    ----------
    labels
        int32 (rows, columns), 0 for none; its pixels may be larger than those that were fed.
    classes
        (most + 1,) the class of each number; or one class for all of them.
    probability
        float32 (rows, columns) of being inside an object, of which the confidence is the mean.
    """

    labels: NDArray[np.int32]
    classes: NDArray[np.uint8] | int = 0
    probability: NDArray[np.float32] | None = None
