"""Strips of a picture as the tiles of a TIFF, so that a large one is never held whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_Value = TypeVar("_Value", bound=np.generic)


def tiles_of(strips: Iterable[NDArray[_Value]], side_px: int) -> Iterator[NDArray[_Value]]:
    """Yield square tiles, row by row; those at the right and lower edge are filled up with 0.

    Parameters
    ----------
    strips
        From the top, (rows, width) or (rows, width, 3); all but the last of whole rows of tiles.
    """
    for strip in strips:
        for top in range(0, len(strip), side_px):
            for left in range(0, strip.shape[1], side_px):
                part = strip[top : top + side_px, left : left + side_px]
                tile = np.zeros((side_px, side_px, *strip.shape[2:]), strip.dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile
