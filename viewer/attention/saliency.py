"""How well a map of attention fits a reading: the usual measures of saliency.

As defined by Bylinskii et al. 2019, "What do different evaluation metrics tell us about saliency
models?", IEEE TPAMI 41(3), whose names are kept. Maps are (n,) or (rows, columns) over the cells of
a slide; fixations are indices of cells in the flattened map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box
from viewer.overlays.box_overlap import box_ious, corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.geometry import Size

    Map = NDArray[np.floating]

_EPSILON = 2.2204e-16
_UNIFORM = 0.01
_LEAST_IOU = 0.3
_LEAST_COVER = 0.5


def nss(expected: Map, fixations: NDArray[np.intp]) -> float:
    """Normalized scanpath saliency: the mean at the fixations after the map was standardized.

    NSS = 1/N sum_i (P(i) - mean(P)) / std(P) over the N fixations (Peters et al. 2005); 0 is
    chance. 0 for a map that is everywhere the same, nan without fixations.
    """
    if not len(fixations):
        return float("nan")
    flat = np.asarray(expected, np.float64).ravel()
    deviation = flat.std()
    return float(((flat[fixations] - flat.mean()) / deviation).mean()) if deviation > 0 else 0.0


def auc_judd(expected: Map, fixations: NDArray[np.intp]) -> float:
    """Area under the curve of hits against false alarms, one threshold at each fixation's value.

    Hits are the share of fixations at or above the threshold, false alarms the share of the other
    cells (Judd et al. 2009). Ties count half, which is what the jitter of the original gives on
    average. 0.5 is chance; nan without fixations or without other cells.
    """
    flat = np.asarray(expected, np.float64).ravel()
    is_fixated = np.zeros(len(flat), bool)
    is_fixated[fixations] = True
    hits, others = flat[is_fixated], flat[~is_fixated]
    if not len(hits) or not len(others):
        return float("nan")
    order = np.sort(others)
    below = np.searchsorted(order, hits, "left")
    equal = np.searchsorted(order, hits, "right") - below
    return float(((below + equal / 2) / len(others)).mean())


def cc(expected: Map, true: Map) -> float:
    """Pearson's correlation of two maps: cov(P, Q) / (std(P) std(Q)); 0 where one is constant."""
    a, b = (np.asarray(each, np.float64).ravel() for each in (expected, true))
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def kl(expected: Map, true: Map) -> float:
    """Kullback-Leibler divergence of a map from the true one, nats; 0 is best.

    KL(P, Q) = sum_i Q_i log(e + Q_i / (e + P_i)) with both as distributions. The predicted map is
    mixed with 1 % of uniform before, whatever made it: a single empty cell would else count for
    more than all others together.
    """
    p, q = (_distribution(each) for each in (expected, true))
    p = (1 - _UNIFORM) * p + _UNIFORM / len(p)
    return float((q * np.log(_EPSILON + q / (_EPSILON + p))).sum())


def recall_by_overlap(boxes: Sequence[Box], proposed: Sequence[Box]) -> float:
    """Return the share of the reader's boxes that some proposal meets with an IoU of at least 0.3.

    nan without boxes.
    """
    if not boxes:
        return float("nan")
    return float((box_ious(corners(boxes), corners(proposed)) >= _LEAST_IOU).any(1).mean())


def recall_by_cover(boxes: Sequence[Box], proposed: Sequence[Box]) -> float:
    """Return the share of the reader's boxes whose area lies to a half or more in all proposals.

    The area is measured on a grid of 16 x 16 points in each box. nan without boxes.
    """
    if not boxes:
        return float("nan")
    return float(np.mean([_covered(box, proposed) >= _LEAST_COVER for box in boxes]))


def covered_share(slide: Size, boxes: Sequence[Box]) -> float:
    """Return the share of the slide that lies in boxes: what recall by cover was paid for with."""
    whole = Box(0, 0, slide.width, slide.height)
    return _covered(whole, boxes, 128)


def _distribution(values: Map) -> NDArray[np.float64]:
    flat = np.maximum(np.nan_to_num(np.asarray(values, np.float64).ravel()), 0)
    total = flat.sum()
    return flat / total if total > 0 else np.full(len(flat), 1 / len(flat))


def _covered(box: Box, proposed: Sequence[Box], points: int = 16) -> float:
    steps = (np.arange(points) + 0.5) / points
    x, y = box.x0 + steps * box.width, (box.y0 + steps * box.height)[:, None]
    inside = np.zeros((points, points), bool)
    for each in proposed:
        inside |= (x >= each.x0) & (x < each.x1) & (y >= each.y0) & (y < each.y1)
    return float(inside.mean())
