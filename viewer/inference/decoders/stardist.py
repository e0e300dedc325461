"""StarDist (Schmidt et al. 2018): a star-convex outline for each pixel, the best of them kept.

A network answers for each pixel with the probability of an object and with its distances to the
outline along evenly spaced rays, the first to the right and the next downward from it. Of outlines
that overlap, the likeliest is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from skimage.draw import polygon as pixels_in

from viewer.inference.decoders.chances import enlarged, probabilities
from viewer.inference.decoders.classes import voted_classes
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.tasks.instances import RAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels
    from viewer.inference.description import ModelDescription

    Map = NDArray[np.float32]

LEAST_PROBABILITY = 0.5
MOST_OVERLAP = 0.4
"""Of two outlines' common area, as a share of the smaller one."""
_MOST_CANDIDATES = 200_000
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
    corners = _corners(rays[:, rows, columns].T, rows * downsample, columns * downsample)
    kept = _likeliest(corners, most_overlap)
    # The likeliest is painted last: where two that are kept overlap, it shows.
    for number, index in enumerate(reversed(kept), 1):
        x, y = corners[index].T
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


def _corners(rays: Map, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return outlines (n, rays, 2) as x and y, from distances (n, rays)."""
    angles = np.arange(rays.shape[1]) * (2 * np.pi / rays.shape[1])
    lengths = np.maximum(rays, 1e-3).astype(np.float64)
    x = columns[:, None] + lengths * np.cos(angles)
    y = rows[:, None] + lengths * np.sin(angles)
    return np.stack([x, y], 2)


def _likeliest(corners: NDArray[np.float64], most_overlap: float) -> list[int]:
    """Return which of n outlines stay, none of which covers too much of a likelier one."""
    outlines = shapely.make_valid(shapely.polygons(corners))
    areas = shapely.area(outlines)
    boxes = shapely.bounds(outlines)
    tree = shapely.STRtree(outlines)
    is_open = areas > 0
    kept: list[int] = []
    for index in range(len(corners)):
        if not is_open[index]:
            continue
        kept.append(index)
        is_open[index] = False
        near = tree.query(shapely.box(*boxes[index]))
        near = near[is_open[near]]
        shared = shapely.area(shapely.intersection(outlines[near], outlines[index]))
        smaller = np.minimum(areas[near], areas[index])
        is_open[near[shared > most_overlap * smaller]] = False
    return kept
