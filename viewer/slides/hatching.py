"""The sign for what cannot be read, which nobody takes for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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
    is_dark = _diagonals(part.shape[0], part.shape[1], coarse)
    part[:] = np.where(is_dark, np.uint8(120), np.uint8(190))[..., np.newaxis]


def hatch_values(part: NDArray[Any], value_range: tuple[float, float]) -> None:
    """Fill values of a channel, (height, width), with diagonals from its black to its color."""
    low, high = value_range
    part[:] = np.where(_diagonals(part.shape[0], part.shape[1], 1), low, high)


def _diagonals(height: int, width: int, coarse: int) -> NDArray[np.bool_]:
    period = _PERIOD_PX * coarse
    first_rows = np.arange(width + period) % period < period // 4
    return sliding_window_view(first_rows, width)[np.arange(height) % period]
