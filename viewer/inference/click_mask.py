"""Outlines what was pointed at by color alone: no learning, so that it always works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_SMOOTH_PX = 1.2
_SEED_PX = 3
_EDGE_PX = 3
_APART_PX = 5
"""Between the middles of two things that touch."""


def click_mask(picture: RgbImage, clicks: Sequence[tuple[float, float, int]]) -> NDArray[np.bool_]:
    """(height, width) what is like the points inside and unlike its surroundings.

    Colors (CIELAB) nearer to those under the points inside than a threshold (Otsu 1979), or than
    to those under the points outside, connected with the points, and cut at necks by a watershed
    of the distance to the edge.

    Parameters
    ----------
    clicks
        As of `Prompt.in_pixels`.
    """
    height, width = picture.shape[:2]
    lab = ndimage.gaussian_filter(rgb2lab(picture), (_SMOOTH_PX, _SMOOTH_PX, 0))
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
    limit = _nearness(lab, outside) if outside.any() else _threshold(near, seeds)
    alike = near < limit
    alike = _opened(alike & frame & ~outside, 1) | seeds
    return _connected(_filled(alike) & ~outside, seeds)


def pieces(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The connected pieces of a mask, numbered from 1; 0 beside them."""
    return np.asarray(ndimage.label(mask)[0], np.int32)  # pyright: ignore[reportIndexIssue] - scipy's stubs take it for a number


def _in_box(lab: NDArray[np.float64], frame: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What in a box is unlike its edge: the largest piece."""
    edge = frame & (np.asarray(ndimage.distance_transform_edt(frame)) <= _EDGE_PX)
    if not edge.any() or edge.all():
        return frame
    apart = _nearness(lab, edge)
    mask = frame & (apart > threshold_otsu(apart[frame]))
    mask = _filled(_opened(mask, 2))
    labels = pieces(mask)
    if not labels.any():
        return frame
    return labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())


def _opened(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_opening(mask, iterations=steps), bool)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_fill_holes(mask), bool)


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
    labels = pieces(seeds)
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
    return float(threshold_otsu(around)) if np.ptp(around) > 0 else float(around.max()) + 1


def _connected(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that were pointed at, cut from what touches them at necks."""
    labels = pieces(mask)
    pointed = np.unique(labels[seeds & mask])
    mask = np.isin(labels, pointed[pointed > 0])
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.5)
    peaks = peak_local_max(depth, min_distance=_APART_PX, threshold_rel=0.35, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts = watershed(-depth, markers, mask=mask)
    wanted = np.unique(parts[seeds & mask])
    return np.isin(parts, wanted[wanted > 0])
