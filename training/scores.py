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


def scored(pairs: Iterable[tuple[Labels, Labels]]) -> Scores:
    """Scores of (true, found) label pictures; two objects match at an IoU above 0.5."""
    matched, found, true, overlap = 0, 0, 0, 0.0
    for truth, guess in pairs:
        ious = _ious(truth, guess)
        hits = ious[ious > IOU]
        matched += len(hits)
        overlap += float(hits.sum())
        true += ious.shape[0]
        found += ious.shape[1]
    f1 = 2 * matched / max(found + true, 1)
    return Scores(f1, f1 * overlap / max(matched, 1), found, true)


def _ious(truth: Labels, guess: Labels) -> NDArray[np.float64]:
    """Return (true objects, found objects)."""
    a, b = _numbered(truth), _numbered(guess)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a.ravel(), b.ravel()), 1)
    shared = table[1:, 1:]
    union = table.sum(1)[1:, None] + table.sum(0)[None, 1:] - shared
    return shared / np.maximum(union, 1)


def _numbered(labels: Labels) -> NDArray[np.int64]:
    """Without gaps, background 0."""
    numbers = np.unique(labels[labels > 0])
    return np.searchsorted(numbers, labels, side="left") * (labels > 0) + (labels > 0)
