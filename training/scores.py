"""How well found objects agree with outlined ones, by the measures that papers report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from viewer.inference.outline_scores import Overlaps, Scores, counted, overlaps, score_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]


def scored(pairs: Iterable[tuple[Labels, Labels]]) -> Scores:
    """Scores of (true, found) label pictures; two objects match at an IoU above 0.5."""
    return score_of(counted(truth, guess) for truth, guess in pairs)


def aji(truth: Labels, guess: Labels) -> float:
    """Return the aggregated Jaccard index of a field (Kumar et al. 2017); 1 where both are empty.

    Each true object takes the found one of the highest IoU, also one that another took; found
    objects that none took count against it.
    """
    both = overlaps(truth, guess)
    if not both.shared.size:
        return float(not sum(both.shared.shape))
    best = both.ious.argmax(1)
    rows = np.arange(len(best))
    is_met = both.shared[rows, best] > 0
    pairs = list(zip(rows[is_met].tolist(), best[is_met].tolist(), strict=True))
    return _aggregated(both, pairs)


def aji_plus(truth: Labels, guess: Labels) -> float:
    """Return AJI+ of a field (Graham et al. 2019): as AJI, with each found object taken once.

    Objects are paired so that their IoUs together are highest.
    """
    both = overlaps(truth, guess)
    if not both.shared.size:
        return float(not sum(both.shared.shape))
    rows, columns = linear_sum_assignment(both.ious, maximize=True)
    is_met = both.shared[rows, columns] > 0
    return _aggregated(both, list(zip(rows[is_met], columns[is_met], strict=True)))


def _aggregated(overlaps: Overlaps, pairs: list[tuple[int, int]]) -> float:
    """Return intersections over unions of pairs, with the objects in no pair in the unions."""
    both = sum(overlaps.shared[pair] for pair in pairs)
    whole = sum(overlaps.true_px[i] + overlaps.found_px[j] - overlaps.shared[i, j]
                for i, j in pairs)  # fmt: skip
    left = np.ones(len(overlaps.true_px), bool), np.ones(len(overlaps.found_px), bool)
    for i, j in pairs:
        left[0][i] = left[1][j] = False
    whole += overlaps.true_px[left[0]].sum() + overlaps.found_px[left[1]].sum()
    return float(both / whole)
