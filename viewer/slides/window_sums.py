"""Sums over windows, by a table of the sums of all that lies above and to the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", np.float64, np.int64)


def window_sums(values: NDArray[Number], rows: int, columns: int) -> NDArray[Number]:
    """Return the sum in each window of rows x columns, by its upper left value.

    Parameters
    ----------
    values
        Planes (..., height, width).
    """
    before = [(0, 0)] * (values.ndim - 2)
    sums = np.pad(values.cumsum(-2).cumsum(-1), [*before, (1, 0), (1, 0)])
    upper, lower = sums[..., :-rows, :], sums[..., rows:, :]
    return (
        lower[..., columns:] - upper[..., columns:] - lower[..., :-columns] + upper[..., :-columns]
    )
