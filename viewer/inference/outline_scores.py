"""How well found objects agree with outlined ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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


class Overlaps(NamedTuple):
    """Pixels that true (rows) and found (columns) objects share, and of each."""

    shared: NDArray[np.float64]
    true_px: NDArray[np.float64]
    found_px: NDArray[np.float64]

    @property
    def ious(self) -> NDArray[np.float64]:
        """Return the IoU of each true (rows) and found object (columns)."""
        union = self.true_px[:, None] + self.found_px[None] - self.shared
        return self.shared / np.maximum(union, 1)


def counted(truth: Labels, guess: Labels) -> Counts:
    """Count matches of true and found label pictures: two objects match at an IoU above 0.5."""
    ious = overlaps(truth, guess).ious
    hits = ious[ious > IOU]
    return Counts(len(hits), float(hits.sum()), ious.shape[1], ious.shape[0])


def score_of(counts: Iterable[Counts]) -> Scores:
    """Return the scores of several fields together."""
    rows = list(counts)
    matched, found, true = (sum(each[index] for each in rows) for index in (0, 2, 3))
    f1 = 2 * matched / max(found + true, 1)
    overlap = sum(each.overlap for each in rows)
    return Scores(f1, f1 * overlap / max(matched, 1), int(found), int(true))


def overlaps(truth: Labels, guess: Labels) -> Overlaps:
    """Return how the objects of two label pictures of one shape overlap."""
    a, b = _numbered(truth), _numbered(guess)
    table = np.zeros((a.max(initial=0) + 1, b.max(initial=0) + 1))
    np.add.at(table, (a.ravel(), b.ravel()), 1)
    return Overlaps(table[1:, 1:], table.sum(1)[1:], table.sum(0)[1:])


def _numbered(labels: Labels) -> NDArray[np.int64]:
    """Without gaps, background 0."""
    numbers = np.unique(labels[labels > 0])
    return np.searchsorted(numbers, labels, side="left") * (labels > 0) + (labels > 0)
