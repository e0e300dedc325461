"""The sign for what cannot be read, which nobody takes for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage

_PERIOD_PX = 32


def hatch(part: RgbImage, coarse: int = 1) -> None:
    """Fill a part of an image with dark diagonals on gray.

    Parameters
    ----------
    coarse
        How many times the diagonals are wider, for a part that will be reduced as often.
    """
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    period = _PERIOD_PX * coarse
    part[:] = np.where((rows + columns) % period < period // 4, 120, 190)[..., np.newaxis]
