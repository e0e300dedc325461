# pyright: basic
# (scikit-learn brings no types)
"""Folds in which all slides of a patient stay together, and every class is in each fold."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.cohort.learning.labels import LabeledSlide


class Fold(msgspec.Struct, frozen=True):
    """Indices of slides to learn from, to stop by, and to measure on; no patient is in two."""

    taught: tuple[int, ...]
    stopping: tuple[int, ...]
    tested: tuple[int, ...]


def patient_folds(labeled: Sequence[LabeledSlide], count: int, seed: int) -> list[Fold]:
    """Return at most `count` folds, as many as the rarest class has patients.

    With fewer than three patients of a class none is left to stop by: training then lasts all its
    epochs, and `stopping` is empty.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([each.label for each in labeled])
    patients = np.array([each.patient for each in labeled])
    rarest = min(Counter({each.patient: each.label for each in labeled}.values()).values())
    outer = StratifiedGroupKFold(min(count, rarest), shuffle=True, random_state=seed)
    folds: list[Fold] = []
    for rest, tested in outer.split(labels, labels, patients):
        taught, stopping = rest, np.array([], int)
        left = min(
            Counter({str(patients[i]): str(labels[i]) for i in rest.tolist()}.values()).values()
        )
        if left >= 2 and len(set(labels[rest])) == len(set(labels)):
            inner = StratifiedGroupKFold(min(5, left), shuffle=True, random_state=seed)
            first, second = next(inner.split(rest, labels[rest], patients[rest]))
            taught, stopping = rest[first], rest[second]
        folds.append(Fold(*(tuple(each.tolist()) for each in (taught, stopping, tested))))
    return folds
