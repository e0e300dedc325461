"""Intervals of figures by resampling: the percentile bootstrap (Efron 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_ENDS_PERCENT = (2.5, 97.5)
"""Of an interval of 95 %."""


def resamples(count: int, times: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield `times` samples, each of `count` indices drawn with replacement from as many."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        yield rng.integers(count, size=count)


def interval(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a figure from its values in the samples; NaN is left out."""
    low, high = np.nanpercentile(values, _ENDS_PERCENT).tolist()
    return low, high
