"""Outlines of many labels at once: their borders in the order of the angle from the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.cells.detection import Labels

    Floats = NDArray[np.float64]

_TURN = 7.0
"""More than all angles: a label's corners lie between those of the labels before and after."""


def star_outlines(
    labels: Labels, x: Floats, y: Floats, areas_px: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """Return corners (m, 2) of n outlines in pixels, and where each begins (n + 1,).

    An outline has the area of its label, and never crosses itself: each corner is seen from the
    middle. A part that cannot be seen from there is smoothed away, which nuclei do not have.

    Parameters
    ----------
    labels
        1 to n, all there.
    x, y, areas_px
        (n,) their middles, pixel centers at halves, and their pixels.
    """
    count = len(x)
    rows, columns, numbers = _corners_of_borders(labels)
    which = numbers.astype(np.intp) - 1
    dx, dy = columns - x[which], rows - y[which]
    angle, radius = np.arctan2(dy, dx), np.hypot(dx, dy)
    order = np.argsort(which * _TURN + angle, kind="stable")
    which, angle, radius = which[order], angle[order], radius[order]
    counts = np.bincount(which, minlength=count)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    radius = _smoothed(radius, starts)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    scale = np.sqrt(areas_px / np.maximum(_areas(points, starts, which), 1e-6))
    points = points * scale[which, np.newaxis] + np.stack([x, y], 1)[which]
    return points, starts


def perimeters(points: Floats, starts: NDArray[np.int64]) -> Floats:
    """Return (n,) the lengths of outlines."""
    steps = np.hypot(*(points[_following(starts)] - points).T)
    return np.add.reduceat(steps, starts[:-1]) if len(starts) > 1 else np.zeros(0)


def _corners_of_borders(
    labels: Labels,
) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """Return y, x and label of the middles of all sides of pixels that border another label."""
    padded = np.pad(labels, 1)
    inner = padded[1:-1, 1:-1]
    found: list[tuple[Floats, Floats, NDArray[np.int32]]] = []
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beside = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        rows, columns = np.nonzero((inner > 0) & (beside != inner))
        number = inner[rows, columns]
        y, x = (each.astype(np.float64) + 0.5 for each in (rows, columns))
        found.append((y + dy / 2, x + dx / 2, number))
    y, x, which = (np.concatenate(each) for each in zip(*found, strict=True))
    return y, x, which


def _smoothed(radius: Floats, starts: NDArray[np.int64]) -> Floats:
    """Return the radii of the outermost of two neighbors at each side, averaged along the ring."""
    after = _following(starts)
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    for _ in range(2):
        radius = np.maximum(np.maximum(radius, radius[after]), radius[before])
    for _ in range(2):
        radius = (radius + radius[after] + radius[before]) / 3
    return radius


def _following(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each corner the place of the next one of its ring."""
    following = np.arange(1, int(starts[-1]) + 1)
    following[starts[1:] - 1] = starts[:-1]
    return following


def _areas(points: Floats, starts: NDArray[np.int64], which: NDArray[np.intp]) -> Floats:
    after = points[_following(starts)]
    crossed = points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]
    return np.abs(np.bincount(which, crossed, len(starts) - 1)) / 2
