"""How many objects stay the same where a picture begins elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.outline_scores import counted, score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]
    Picture = NDArray[np.uint8]

SHIFTS_PX = ((1, 0), (0, 7), (16, 16), (37, 21), (63, 63))
"""Right and down."""
_CUT_PX = 2
"""What comes nearer to the border of either picture may be cut by it."""


def shifted_f1(pictures: Iterable[Picture], labels_of: Callable[[Picture], Labels]) -> list[float]:
    """Return the F1 of objects found in each picture and in the same picture begun elsewhere.

    Parameters
    ----------
    pictures
        (h, w, 3), larger than the largest shift.
    labels_of
        Gives the label picture (h, w) of a picture.

    Returns
    -------
    list of float
        For each picture and shift, over the objects that lie whole in both pictures.
    """
    shares: list[float] = []
    for picture in pictures:
        most = max(max(shift) for shift in SHIFTS_PX)
        height, width = (side - most for side in picture.shape[:2])
        first = labels_of(picture[:height, :width])
        for right, down in SHIFTS_PX:
            second = labels_of(picture[down : down + height, right : right + width])
            one = whole(first)[down:, right:]
            other = whole(second)[: height - down, : width - right]
            inner = _both_inside(one, other)
            shares.append(score_of([counted(*inner)]).f1)
    return shares


def whole(labels: Labels) -> Labels:
    """Return the labels without objects that come near the border."""
    return _without(labels, _at_border(labels))


def _both_inside(one: Labels, other: Labels) -> tuple[Labels, Labels]:
    """Return both without objects at the border of what they share, and without their partners.

    What is whole in one picture and cut in the other is in neither.
    """
    cut_one, cut_other = _at_border(one), _at_border(other)
    beside_one = np.unique(one[np.isin(other, cut_other)])
    beside_other = np.unique(other[np.isin(one, cut_one)])
    return (
        _without(one, np.union1d(cut_one, beside_one)),
        _without(other, np.union1d(cut_other, beside_other)),
    )


def _at_border(labels: Labels) -> NDArray[np.int32]:
    edge = np.ones(labels.shape, bool)
    edge[_CUT_PX:-_CUT_PX, _CUT_PX:-_CUT_PX] = False
    numbers = np.unique(labels[edge])
    return numbers[numbers > 0]


def _without(labels: Labels, numbers: NDArray[np.int32]) -> Labels:
    numbers = numbers[numbers > 0]
    return np.where(np.isin(labels, numbers), 0, labels)
