"""Learns a classifier from marked objects; runs in the model process, which alone has scikit-learn.

A logistic regression: it is learned from 500 marks in a hundredth of the time of gradient-boosted
trees, and is a few numbers that anyone can check.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.teaching.taught_objects import LinearClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_STRENGTH = 0.3
"""Inverse of how much large weights cost: few marks and many numbers want a careful fit."""
_MOST_ROUNDS = 300
_ABSENT = -30.0
"""Constant of a class without any mark in a fit: it is never the answer."""
_LEAST_SPREAD = 1e-6
_DIGITS = 6


def learned(
    vectors: NDArray[np.float32], truth: NDArray[np.intp], classes: int, names: Sequence[str]
) -> LinearClassifier:
    """Return what tells marked objects apart.

    Parameters
    ----------
    vectors
        (n, d) of the objects, NaN where a number is not known.
    truth
        (n,) their classes, from 0 to `classes` - 1; some may be absent.
    names
        Of the d numbers.

    Raises
    ------
    ModelFailedError
        scikit-learn is not installed.
    """
    _rest_joblib()
    try:
        from viewer.inference.teaching.logistic_regression import fitted
    except ImportError as error:
        raise ModelFailedError(
            "Teaching needs scikit-learn, which is not installed: run pip install 'coverslip[ai]'."
        ) from error
    is_known = np.isfinite(vectors)
    counts = np.maximum(is_known.sum(0), 1)
    filled = np.where(is_known, vectors, 0).astype(np.float64)
    mean = filled.sum(0) / counts
    spread = np.sqrt((np.where(is_known, filled - mean, 0) ** 2).sum(0) / counts)
    spread[spread < _LEAST_SPREAD] = 1.0
    far = np.where(is_known, (filled - mean) / spread, 0)
    weights = np.zeros((classes, len(names) + 1))
    present = np.unique(truth)
    weights[:, -1] = _ABSENT
    weights[present, -1] = 0.0
    if len(present) > 1:
        rows = fitted(far, truth, _STRENGTH, _MOST_ROUNDS)
        weights[present] = np.concatenate([-rows / 2, rows / 2]) if len(rows) == 1 else rows
    return LinearClassifier(
        tuple(names), _plain(mean), _plain(spread), tuple(_plain(row) for row in weights)
    )


def fit_of(
    names: Sequence[str], classes: int
) -> Callable[
    [NDArray[np.floating], NDArray[np.intp]],
    Callable[[NDArray[np.floating]], NDArray[np.floating]],
]:
    """Return how a classifier is learned, as `held_out` asks for it."""

    def fit(
        vectors: NDArray[np.floating], truth: NDArray[np.intp]
    ) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
        found = learned(vectors.astype(np.float32), truth, classes, names)
        return lambda asked: found.chances(asked.astype(np.float32))

    return fit


def import_ahead() -> None:
    """Import what learning needs, which takes seconds the first time."""
    _rest_joblib()
    with contextlib.suppress(ImportError):  # said when something is to be learned
        from viewer.inference.teaching import logistic_regression

        del logistic_regression


def _rest_joblib() -> None:
    """Keep joblib from trying for semaphores, which a confined process has none of."""
    os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")


def _plain(row: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in row)
