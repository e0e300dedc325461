"""Discs of one size in a plane of tissue: where cores are, and how much of each is tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.annotations.tma.array_grid import MOST_CORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

_RING = (1.08, 1.4)
"""Radii of the ring around a core, in its own."""
_APART = 0.8
"""Of a diameter, between the middles of two cores."""
_FOUND, PRESENT = 0.3, 0.1
"""Shares of a disc that are tissue: of a core that tells where the grid is, and of one at all."""
_WHOLE = 0.75
_SEARCH = 0.3
"""Of a diameter, how far from its place in the grid a core may lie."""


class DiscSearch:
    """Discs of one size in a plane of tissue."""

    def __init__(self, tissue: Plane, diameter: float) -> None:
        from viewer.typed.scipy import convolved

        self._tissue = tissue
        self._size = diameter
        radius = diameter / 2
        self._shares = convolved(tissue, _disc(radius))
        outer, inner = _disc(_RING[1] * radius, norm=False), _disc(_RING[0] * radius, norm=False)
        gap = (outer.shape[0] - inner.shape[0]) // 2
        outer[gap : gap + inner.shape[0], gap : gap + inner.shape[1]] -= inner
        self._rings = convolved(tissue, outer / outer.sum())

    def discs(self) -> tuple[NDArray[np.float64], Plane, Plane]:
        """Return middles (n, 2) as x and y, and of each its share of tissue and its ring's."""
        from viewer.typed.scipy import maximum_filter

        score = self._shares - 0.5 * self._rings
        window = max(3, round(self._size * 0.4)) | 1
        is_peak = (score == maximum_filter(score, window)) & (self._shares >= _FOUND)
        ys, xs = np.nonzero(is_peak)
        order = np.argsort(-score[ys, xs], kind="stable")
        kept: list[tuple[int, int]] = []
        places = np.zeros((0, 2))
        for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True):
            if len(places) and np.hypot(*(places - (x, y)).T).min() < _APART * self._size:
                continue
            kept.append((y, x))
            places = np.array([(column, row) for row, column in kept], float)
            if len(kept) > MOST_CORES:
                break
        rows, columns = np.array(kept, np.intp).reshape(-1, 2).T
        points = np.array([self._centered(float(x), float(y)) for y, x in kept]).reshape(-1, 2)
        return points, self._shares[rows, columns], self._rings[rows, columns]

    def covered(self, points: NDArray[np.float64]) -> float:
        """Return the share of all tissue that lies in discs about points."""
        height, width = self._tissue.shape
        radius = self._size * 0.55
        seen = np.zeros(self._tissue.shape, bool)
        for x, y in points:
            top, left = max(0, int(y - radius)), max(0, int(x - radius))
            ys, xs = np.mgrid[top : min(height, int(y + radius) + 2),
                              left : min(width, int(x + radius) + 2)]  # fmt: skip
            seen[ys, xs] |= np.hypot(xs - x, ys - y) <= radius
        return float(self._tissue[seen].sum() / max(float(self._tissue.sum()), 1.0))

    def near(
        self, at: tuple[float, float], found: tuple[float, float] | None
    ) -> tuple[float, float, float]:
        """Return where a core lies that is expected at a place, and its share of tissue.

        Parameters
        ----------
        found
            Where a disc was found that the grid has there.
        """
        if found is not None:
            share = self._share(*found)
            if share >= _WHOLE:
                return *found, share
            at = ((at[0] + found[0]) / 2, (at[1] + found[1]) / 2)
        reach = _SEARCH * self._size
        height, width = self._shares.shape
        left, right = (int(np.clip(at[0] + each, 0, width - 1)) for each in (-reach, reach + 1))
        top, bottom = (int(np.clip(at[1] + each, 0, height - 1)) for each in (-reach, reach + 1))
        window = self._shares[top : bottom + 1, left : right + 1]
        ys, xs = np.mgrid[top : bottom + 1, left : right + 1]
        away = np.hypot(xs - at[0], ys - at[1]) / self._size
        # A torn core gives no middle of its own: its place in the grid counts too.
        best = int((window - 0.6 * away).argmax())
        share = float(window.ravel()[best])
        if share < PRESENT:
            return *at, share
        return float(xs.ravel()[best]), float(ys.ravel()[best]), share

    def _share(self, x: float, y: float) -> float:
        height, width = self._shares.shape
        return float(
            self._shares[
                int(np.clip(round(y), 0, height - 1)), int(np.clip(round(x), 0, width - 1))
            ]
        )

    def _centered(self, x: float, y: float) -> tuple[float, float]:
        """Return the middle of the tissue in a disc, which for a whole core is its own."""
        if self._share(x, y) < _WHOLE:
            return x, y
        radius = self._size * 0.55
        for _ in range(2):
            top, left = max(0, int(y - radius)), max(0, int(x - radius))
            part = self._tissue[top : int(y + radius) + 2, left : int(x + radius) + 2]
            ys, xs = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
            weights = part * (np.hypot(xs - x, ys - y) <= radius)
            total = float(weights.sum())
            x, y = float((xs * weights).sum() / total), float((ys * weights).sum() / total)
        return x, y


def _disc(radius: float, *, norm: bool = True) -> Plane:
    reach = int(np.ceil(radius))
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (np.hypot(xs, ys) <= radius).astype(np.float32)
    return disc / disc.sum() if norm else disc
