"""The basins of a watershed, of which those are joined that are parts of one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    StandsAlone: TypeAlias = Callable[[np.float32, np.float32, np.float32], bool]
    """Asked of the lower and the higher peak of two basins, and of the saddle between them."""


def joined(
    basins: NDArray[np.int32], depth: NDArray[np.float32], stands_alone: StandsAlone
) -> NDArray[np.int32]:
    """Return basins, those joined that touch and of which the lower does not stand alone.

    Parameters
    ----------
    basins, depth
        Numbers from 1, 0 outside, and what they were flooded by; (height, width).
    """
    count = int(basins.max()) + 1
    peaks = np.full(count, -np.inf, np.float32)
    # With numbers of another type than its own, `at` takes fifteen times as long.
    np.maximum.at(peaks, basins.ravel().astype(np.intp), depth.ravel())
    numbers = list(range(count))

    def root(number: int) -> int:
        while numbers[number] != number:
            numbers[number] = numbers[numbers[number]]
            number = numbers[number]
        return number

    for saddle, one, other in _saddles(basins, depth):
        low, high = sorted((root(one), root(other)), key=lambda number: float(peaks[number]))
        if low != high and not stands_alone(peaks[low], peaks[high], saddle):
            numbers[low] = high
    return np.array([root(number) for number in range(count)], np.int32)[basins]


def _saddles(
    basins: NDArray[np.int32], depth: NDArray[np.float32]
) -> list[tuple[np.float32, int, int]]:
    """Return depth of the saddle and numbers of each two basins that touch, deepest first."""
    pairs: list[NDArray[np.int64]] = []
    heights: list[NDArray[np.float32]] = []
    for one, other, low in (
        (basins[1:], basins[:-1], np.minimum(depth[1:], depth[:-1])),
        (basins[:, 1:], basins[:, :-1], np.minimum(depth[:, 1:], depth[:, :-1])),
    ):
        touch = (one != other) & (one > 0) & (other > 0)
        a, b = one[touch].astype(np.int64), other[touch].astype(np.int64)
        pairs.append(np.minimum(a, b) << 32 | np.maximum(a, b))
        heights.append(low[touch])
    keys, which = np.unique(np.concatenate(pairs), return_inverse=True)
    saddles = np.full(len(keys), -np.inf, np.float32)
    np.maximum.at(saddles, which, np.concatenate(heights))
    order = np.argsort(-saddles, kind="stable")
    ones, others = keys[order] >> 32, keys[order] & 0xFFFFFFFF
    return list(zip(saddles[order], ones.tolist(), others.tolist(), strict=True))
