"""Whether a classifier's answers are what model.json says they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.description import Head

_SUM_TOLERANCE = 1e-3
_LEAST_LABELS = 3
"""Of fewer, logits can lie between 0 and 1 by chance."""


def head_complaint(head: Head, answers: NDArray[np.float32]) -> str:
    """Return how the answers to probes contradict the head; "" where they do not.

    Parameters
    ----------
    answers
        (probes, classes) as the model gave them.
    """
    classes = answers.shape[1]
    is_between = bool(((answers >= 0) & (answers <= 1)).all())
    sums_to_one = bool((np.abs(answers.sum(1) - 1) < _SUM_TOLERANCE).all())
    match head:
        case "softmax" if classes == 1:
            return (
                'answers with one number, whose softmax is always 1: say "head": "logit" in '
                'model.json if it is a logit, "probabilities" or "regression" if it is not'
            )
        case "softmax" if is_between and sums_to_one:
            return 'answers with probabilities already: say "head": "probabilities" in model.json'
        case "sigmoid" if is_between and (classes >= _LEAST_LABELS or sums_to_one):
            return 'answers with probabilities already: say "head": "probabilities" in model.json'
        case "probabilities" if not is_between:
            return (
                "answers with numbers that are no probabilities, below 0 or above 1: say "
                '"head": "softmax" or "sigmoid" in model.json'
            )
        case _:
            return ""
