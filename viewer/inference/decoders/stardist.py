"""StarDist (Schmidt et al. 2018): a star-convex outline for each pixel, the best of them kept.

A network answers for each pixel with the probability of an object and with its distances to the
outline along evenly spaced rays, the first to the right and the next downward from it. Of outlines
that overlap, the likeliest is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.decoders.chances import enlarged, probabilities
from viewer.inference.decoders.classes import voted_classes
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.tasks.instances import RAYS
from viewer.inference.typed_skimage import pixels_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels
    from viewer.inference.models.description import ModelDescription

    Map = NDArray[np.float32]

LEAST_PROBABILITY = 0.5
MOST_OVERLAP = 0.4
"""Of two outlines' common area, as a share of the smaller one."""
_MOST_CANDIDATES = 200_000
_LEAST_RAY_PX = 1e-3
_RINGS = 3
_CELL_PX = 2
"""One candidate is taken of so many pixels along a side, the likeliest."""


def decode(maps: Map, about: ModelDescription) -> list[Labeled]:
    """Return the objects of maps (1 + rays, or 1 + rays + 1 + classes, h, w).

    They are the probability, the rays, and of networks of several classes their probabilities,
    background first.
    """
    rays = int(about.decoding.get("rays", RAYS))
    chances = probabilities(maps[:1], about, is_logit=about.head == "sigmoid")[0]
    labels = stardist_labels(
        chances,
        maps[1 : 1 + rays],
        about.answer_downsample,
        about.decoding.get("least_probability", LEAST_PROBABILITY),
        about.decoding.get("most_overlap", MOST_OVERLAP),
    )
    whole = enlarged(chances, about.answer_downsample)
    if len(about.classes) == 1:
        return [Labeled(labels, probability=whole)]
    kinds = enlarged(maps[1 + rays :], about.answer_downsample)
    return [Labeled(labels, voted_classes(labels, kinds), whole)]


def stardist_labels(
    probability: Map,
    rays: Map,
    downsample: int = 1,
    least_probability: float = LEAST_PROBABILITY,
    most_overlap: float = MOST_OVERLAP,
) -> Labels:
    """Return the objects, int32 (h * downsample, w * downsample).

    Parameters
    ----------
    probability, rays
        float32 (h, w) and (rays, h, w); rays in pixels of the image that the network was fed.
    downsample
        Pixels of that image for each of the maps, which StarDist calls the grid.
    """
    height, width = probability.shape
    labels = np.zeros((height * downsample, width * downsample), np.int32)
    rows, columns = _candidates(probability, least_probability, thin=downsample == 1)
    if not len(rows):
        return labels
    stars = _Stars(
        np.stack([columns, rows], 1).astype(np.float64) * downsample,
        np.maximum(rays[:, rows, columns].T, _LEAST_RAY_PX).astype(np.float64),
    )
    # The likeliest is painted last: where two that are kept overlap, it shows.
    for number, index in enumerate(reversed(stars.likeliest(most_overlap)), 1):
        x, y = stars.outline(index).T
        labels[pixels_in(y, x, labels.shape)] = number
    return labels


def _candidates(
    probability: Map, least: float, *, thin: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of pixels that may be the middle of an object, likeliest first."""
    is_candidate = probability > least
    if thin:
        height, width = probability.shape
        padded = np.pad(
            probability, ((0, -height % _CELL_PX), (0, -width % _CELL_PX)), constant_values=-1
        )
        cells = padded.reshape(padded.shape[0] // _CELL_PX, _CELL_PX, -1, _CELL_PX)
        best = cells.transpose(0, 2, 1, 3).reshape(*cells.shape[::2], -1).argmax(-1)
        is_best = (np.arange(_CELL_PX**2) == best[..., None]).reshape(
            *best.shape, _CELL_PX, _CELL_PX
        )
        is_best = is_best.transpose(0, 2, 1, 3).reshape(padded.shape)[:height, :width]
        is_candidate &= is_best
    rows, columns = np.nonzero(is_candidate)
    order = np.argsort(-probability[rows, columns], kind="stable")[:_MOST_CANDIDATES]
    return rows[order], columns[order]


class _Stars:
    """n star-convex outlines, the likeliest first.

    Parameters
    ----------
    middles, rays
        (n, 2) x and y, and (n, rays) distances to the outline; pixels.
    """

    def __init__(self, middles: NDArray[np.float64], rays: NDArray[np.float64]) -> None:
        self._middles, self._rays = middles, rays
        self._angles = np.arange(int(rays.shape[1])) * (2 * np.pi / rays.shape[1])
        self._reach = rays.max(1)
        # Of the triangles between neighboring rays.
        beside = rays * np.roll(rays, -1, 1)
        self._areas = beside.sum(1) * np.sin(2 * np.pi / rays.shape[1]) / 2

    def outline(self, index: int) -> NDArray[np.float64]:
        """Return the corners (rays, 2) of an outline, x and y."""
        return self._points(np.array([index]))[0]

    def likeliest(self, most_overlap: float) -> list[int]:
        """Return which outlines stay, none of which covers too much of a likelier one."""
        is_open = self._areas > 0
        kept: list[int] = []
        for index in range(len(is_open)):
            if not is_open[index]:
                continue
            kept.append(index)
            is_open[index] = False
            apart = np.hypot(*(self._middles - self._middles[index]).T)
            near = np.flatnonzero(is_open & (apart < self._reach + self._reach[index]))
            smaller = np.minimum(self._areas[near], self._areas[index])
            is_open[near[self._shared(near, index) > most_overlap * smaller]] = False
        return kept

    def _shared(self, others: NDArray[np.int64], index: int) -> NDArray[np.float64]:
        """Return the area that each of some outlines shares with one.

        It is summed over points on rings of equal area, which is some ten times as quick as the
        intersection of polygons, and off by a few percent.
        """
        inside = np.zeros(len(others))
        weights = self._rays[others] ** 2
        for ring in range(_RINGS):
            points = self._points(others, np.sqrt((ring + 0.5) / _RINGS))
            inside += (self._holds(index, points) * weights).sum(1)
        return self._areas[others] * inside / (_RINGS * weights.sum(1))

    def _points(self, which: NDArray[np.int64], share: float = 1.0) -> NDArray[np.float64]:
        """Return points (n, rays, 2) at a share of the way to some outlines."""
        ways = np.stack([np.cos(self._angles), np.sin(self._angles)], 1)
        return self._middles[which, None] + share * self._rays[which][..., None] * ways

    def _holds(self, index: int, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points (n, rays) lie within an outline."""
        x, y = np.moveaxis(points - self._middles[index], 2, 0)
        count = len(self._angles)
        at = np.arctan2(y, x) * (count / (2 * np.pi)) % count
        low = at.astype(np.int64) % count
        part = at - np.floor(at)
        rays = self._rays[index]
        return np.hypot(x, y) <= rays[low] * (1 - part) + rays[(low + 1) % count] * part
