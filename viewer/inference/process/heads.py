"""Whether a classifier's answers are what model.json says they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import Head

_SUM_TOLERANCE = 1e-3
_LEAST_LABELS = 3
"""Of fewer, logits can lie between 0 and 1 by chance, but not those of all pixels of a map."""
_VECTORS = 2


def head_complaint(head: Head, answers: NDArray[np.float32], named: int) -> str:
    """Return how the answers to probes contradict the head; "" where they do not.

    Parameters
    ----------
    answers
        (probes, classes, ...) as the model gave them.
    named
        How many classes model.json names.
    """
    classes, is_map = answers.shape[1], answers.ndim > _VECTORS
    is_between = bool(((answers >= 0) & (answers <= 1)).all())
    sums_to_one = bool((np.abs(answers.sum(1) - 1) < _SUM_TOLERANCE).all())
    match head:
        case "indices" if _is_no_index(answers, named):
            return (
                f"answers with numbers that are no indices of the {named} classes that model.json "
                'names: say another "head", or name all classes'
            )
        case "softmax" if classes == 1:
            return (
                'answers with one number, whose softmax is always 1: say "head": "logit" in '
                'model.json if it is a logit, "probabilities" or "regression" if it is not'
            )
        case "softmax" if is_between and sums_to_one:
            return 'answers with probabilities already: say "head": "probabilities" in model.json'
        case "logit" if is_between and is_map:
            return 'answers with probabilities already: say "head": "probabilities" in model.json'
        case "sigmoid" if is_between and (classes >= _LEAST_LABELS or sums_to_one or is_map):
            return 'answers with probabilities already: say "head": "probabilities" in model.json'
        case "probabilities" if not is_between:
            return (
                "answers with numbers that are no probabilities, below 0 or above 1: say "
                '"head": "softmax" or "sigmoid" in model.json'
            )
        case _:
            return ""


def _is_no_index(answers: NDArray[np.float32], named: int) -> bool:
    return bool(((answers < 0) | (answers >= named) | (answers != np.floor(answers))).any())
