# pyright: basic
# (scikit-learn brings no types)
"""Logistic regression by scikit-learn, without which importing this raises ImportError."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fitted(
    vectors: NDArray[np.float64], truth: NDArray[np.intp], strength: float, rounds: int
) -> NDArray[np.float64]:
    """Return the weights (classes, d + 1) of d numbers and of 1; one row for two classes."""
    # Balanced: how many marks of a class there are says who marked, not how many cells it has.
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could be fitted closer still
        model.fit(vectors, truth)
    return np.concatenate([model.coef_, np.reshape(model.intercept_, (-1, 1))], 1)
