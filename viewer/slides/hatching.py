"""The sign for what cannot be read, which nobody takes for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_PERIOD_PX = 32


def hatch(part: RgbImage, coarse: int = 1) -> None:
    """Fill a part of an image with dark diagonals on gray.

    Parameters
    ----------
    coarse
        How many times the diagonals are wider, for a part that will be reduced as often.
    """
    part[:] = np.where(_diagonals(part.shape[0], part.shape[1], coarse), 120, 190)[..., np.newaxis]


def hatch_values(part: NDArray[Any], value_range: tuple[float, float]) -> None:
    """Fill values of a channel, (height, width), with diagonals from its black to its color."""
    low, high = value_range
    part[:] = np.where(_diagonals(part.shape[0], part.shape[1], 1), low, high)


def _diagonals(height: int, width: int, coarse: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:height, :width]
    period = _PERIOD_PX * coarse
    return (rows + columns) % period < period // 4
