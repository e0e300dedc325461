"""Outlines what was pointed at by color alone: no learning, so that it always works."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from viewer.inference.typed_skimage import peak_local_max, rgb2lab, threshold_otsu, watershed
from viewer.typed.scipy import (
    binary_dilation,
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_Kind = TypeVar("_Kind", bound=np.generic)

_SMOOTH_PX = 1.2
_SEED_PX = 3
_EDGE_PX = 3
_APART_PX = 5
"""Between the middles of two things that touch."""
_APART_REACH_PX = 16
"""What lies farther from a thing changes nothing of how it is cut."""
_LIMIT_FACTORS = (0.5, 0.6, 0.7, 0.82, 1.0, 1.2)
_LEAST_OVERLAP = 0.75
_MOST_CUT = 0.4
"""A thing is clear where a somewhat other threshold gives about the same, and most of its edge is
one of color. On single clicks on 190 nuclei of the sample slide, BBBC038 and TNBC, 109 outlines
were right and 22 wrong, where Otsu's threshold alone gave 79 and 50; of 96 clicks beside nuclei 5
gave one, in place of 13."""


def click_mask(picture: RgbImage, clicks: Sequence[tuple[float, float, int]]) -> NDArray[np.bool_]:
    """(height, width) what is like the points inside and unlike its surroundings.

    Colors (CIELAB) nearer to those under the points inside than a threshold (Otsu 1979), or than
    to those under the points outside, connected with the points, and cut at necks by a watershed
    of the distance to the edge.

    Nothing where no thing is clear: points outside or a box say what is meant.

    Parameters
    ----------
    clicks
        As of `Prompt.in_pixels`.
    """
    height, width = picture.shape[:2]
    lab = gaussian_filter(rgb2lab(picture), (_SMOOTH_PX, _SMOOTH_PX, 0))
    frame, seeds = np.ones((height, width), bool), _seeds(clicks, (height, width), 1)
    corners = [(x, y) for x, y, kind in clicks if kind in (2, 3)]
    if len(corners) == 2:
        (x0, y0), (x1, y1) = corners
        frame[:] = False
        frame[max(0, round(y0)) : round(y1), max(0, round(x0)) : round(x1)] = True
    if not seeds.any():
        return _in_box(lab, frame)
    near = _nearness(lab, seeds)
    outside = _seeds(clicks, (height, width), 0)
    if outside.any():
        return _within(near, _nearness(lab, outside), seeds, frame & ~outside)[0]
    return _most_stable(near, _threshold(near, seeds), seeds, frame)


def _most_stable(
    near: NDArray[np.float64], limit: float, seeds: NDArray[np.bool_], frame: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the outline that changes least with the threshold, as maximally stable regions do.

    Nothing where all change (Matas et al. 2002), run into the sides of the picture or are cut.
    """
    tried = [_within(near, limit * factor, seeds, frame) for factor in _LIMIT_FACTORS]
    steps = [_overlap(one, next_) for (one, _), (next_, _) in pairwise(tried)]
    best, least = np.zeros(near.shape, bool), _LEAST_OVERLAP
    for (mask, cut_share), before, after in zip(tried[1:-1], steps[:-1], steps[1:], strict=True):
        stability = (before + after) / 2
        is_whole = not _sides(mask).any() and cut_share <= _MOST_CUT
        if stability >= least and is_whole:
            best, least = mask, stability
    return best


def _sides(mask: NDArray[_Kind]) -> NDArray[_Kind]:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _within(
    near: NDArray[np.float64],
    limit: NDArray[np.float64] | float,
    seeds: NDArray[np.bool_],
    frame: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], float]:
    """Return what is nearer than a limit, and the share of its edge that is cut at necks."""
    alike = binary_opening((near < limit) & frame) | seeds
    mask = _connected(_filled(alike) & frame, seeds)
    if not mask.any():
        return mask, 0.0
    box = _box_round(mask, 1)
    ring = binary_dilation(mask[box]) & ~mask[box]
    return mask, float((ring & alike[box]).sum() / max(1, ring.sum()))


def _overlap(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks."""
    return float((mask & other).sum() / max(1, (mask | other).sum()))


def _in_box(lab: NDArray[np.float64], frame: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what in a box is unlike its edge: the largest piece."""
    edge = frame & (distance_transform_edt(frame) <= _EDGE_PX)
    if not edge.any() or edge.all():
        return frame
    apart = _nearness(lab, edge)
    mask = frame & (apart > threshold_otsu(apart[frame]))
    mask = _filled(binary_opening(mask, iterations=2))
    labels, _ = label(mask)
    if not labels.any():
        return frame
    return labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with what it surrounds: pieces of the rest that reach no side."""
    rest, _ = label(~mask)
    is_open = np.zeros(int(rest.max()) + 1, bool)
    is_open[_sides(rest)] = True
    is_open[0] = False
    return ~is_open[rest]


def _seeds(
    clicks: Sequence[tuple[float, float, int]], shape: tuple[int, int], wanted: int
) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    seeds = np.zeros(shape, bool)
    for x, y, kind in clicks:
        if kind == wanted:
            seeds |= (rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 <= _SEED_PX**2
    return seeds


def _nearness(lab: NDArray[np.float64], seeds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance in color from the nearest of the seeds' pieces."""
    labels, _ = label(seeds)
    means = [lab[labels == number].mean(0) for number in range(1, int(labels.max()) + 1)]
    return np.min([np.linalg.norm(lab - mean, axis=-1) for mean in means], axis=0)


def _threshold(near: NDArray[np.float64], seeds: NDArray[np.bool_]) -> float:
    """Between the thing and what is round it, not of the whole picture."""
    reach = max(24, near.shape[0] // 8)
    rows, columns = np.nonzero(seeds)
    around = near[
        max(0, rows.min() - reach) : rows.max() + reach,
        max(0, columns.min() - reach) : columns.max() + reach,
    ]
    return threshold_otsu(around) if np.ptp(around) > 0 else float(around.max()) + 1


def _connected(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a mask that were pointed at, cut from what touches them at necks."""
    labels, _ = label(mask)
    pointed = np.unique(labels[seeds & mask])
    mask = np.isin(labels, pointed[pointed > 0])
    if not mask.any():
        return mask
    whole = np.zeros_like(mask)
    box = _box_round(mask, _APART_REACH_PX)
    whole[box] = _cut_at_necks(mask[box], seeds[box])
    return whole


def _box_round(mask: NDArray[np.bool_], margin_px: int) -> tuple[slice, slice]:
    """Return the rows and columns of what a mask holds, with so much round it."""
    spans = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    rows, columns = (slice(max(0, each[0] - margin_px), each[-1] + margin_px + 1) for each in spans)
    return rows, columns


def _cut_at_necks(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a mask that hold seeds, by a watershed of the distance to the edge."""
    depth = gaussian_filter(distance_transform_edt(mask), 1.5)
    peaks = peak_local_max(depth, _APART_PX, 0.35)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts = watershed(-depth, markers, mask)
    wanted = np.unique(parts[seeds & mask])
    return np.isin(parts, wanted[wanted > 0])
