"""How well found objects agree with outlined ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

IOU = 0.5


class Scores(NamedTuple):
    """F1 at IoU 0.5, and panoptic quality (Kirillov et al. 2019), over all objects together."""

    f1: float
    pq: float
    found: int
    true: int


class Counts(NamedTuple):
    """Objects of a field that match, their IoUs together, found and true ones."""

    matched: int
    overlap: float
    found: int
    true: int


def counted(truth: Labels, guess: Labels) -> Counts:
    """Count matches of true and found label pictures: two objects match at an IoU above 0.5."""
    ious = _ious(truth, guess)
    hits = ious[ious > IOU]
    return Counts(len(hits), float(hits.sum()), ious.shape[1], ious.shape[0])


def score_of(counts: Iterable[Counts]) -> Scores:
    """Return the scores of several fields together."""
    rows = list(counts)
    matched, found, true = (sum(each[index] for each in rows) for index in (0, 2, 3))
    f1 = 2 * matched / max(found + true, 1)
    overlap = sum(each.overlap for each in rows)
    return Scores(f1, f1 * overlap / max(matched, 1), int(found), int(true))


def scored(pairs: Iterable[tuple[Labels, Labels]]) -> Scores:
    """Scores of (true, found) label pictures; two objects match at an IoU above 0.5."""
    return score_of(counted(truth, guess) for truth, guess in pairs)


def aji(truth: Labels, guess: Labels) -> float:
    """Return the aggregated Jaccard index of a field (Kumar et al. 2017); 1 where both are empty.

    Each true object takes the found one of the highest IoU, also one that another took; found
    objects that none took count against it.
    """
    overlaps = _overlaps(truth, guess)
    if not overlaps.shared.size:
        return float(not sum(overlaps.shared.shape))
    best = overlaps.ious.argmax(1)
    rows = np.arange(len(best))
    is_met = overlaps.shared[rows, best] > 0
    pairs = list(zip(rows[is_met].tolist(), best[is_met].tolist(), strict=True))
    return _aggregated(overlaps, pairs)


def aji_plus(truth: Labels, guess: Labels) -> float:
    """Return AJI+ of a field (Graham et al. 2019): as AJI, with each found object taken once.

    Objects are paired so that their IoUs together are highest.
    """
    overlaps = _overlaps(truth, guess)
    if not overlaps.shared.size:
        return float(not sum(overlaps.shared.shape))
    rows, columns = linear_sum_assignment(overlaps.ious, maximize=True)
    is_met = overlaps.shared[rows, columns] > 0
    return _aggregated(overlaps, list(zip(rows[is_met], columns[is_met], strict=True)))


class _Overlaps(NamedTuple):
    """Pixels that true (rows) and found (columns) objects share, and of each."""

    shared: NDArray[np.float64]
    true_px: NDArray[np.float64]
    found_px: NDArray[np.float64]

    @property
    def ious(self) -> NDArray[np.float64]:
        union = self.true_px[:, None] + self.found_px[None] - self.shared
        return self.shared / np.maximum(union, 1)


def _aggregated(overlaps: _Overlaps, pairs: list[tuple[int, int]]) -> float:
    """Return intersections over unions of pairs, with the objects in no pair in the unions."""
    both = sum(overlaps.shared[pair] for pair in pairs)
    whole = sum(overlaps.true_px[i] + overlaps.found_px[j] - overlaps.shared[i, j]
                for i, j in pairs)  # fmt: skip
    left = np.ones(len(overlaps.true_px), bool), np.ones(len(overlaps.found_px), bool)
    for i, j in pairs:
        left[0][i] = left[1][j] = False
    whole += overlaps.true_px[left[0]].sum() + overlaps.found_px[left[1]].sum()
    return float(both / whole)


def _ious(truth: Labels, guess: Labels) -> NDArray[np.float64]:
    """Return (true objects, found objects)."""
    return _overlaps(truth, guess).ious


def _overlaps(truth: Labels, guess: Labels) -> _Overlaps:
    a, b = _numbered(truth), _numbered(guess)
    table = np.zeros((a.max(initial=0) + 1, b.max(initial=0) + 1))
    np.add.at(table, (a.ravel(), b.ravel()), 1)
    return _Overlaps(table[1:, 1:], table.sum(1)[1:], table.sum(0)[1:])


def _numbered(labels: Labels) -> NDArray[np.int64]:
    """Without gaps, background 0."""
    numbers = np.unique(labels[labels > 0])
    return np.searchsorted(numbers, labels, side="left") * (labels > 0) + (labels > 0)
