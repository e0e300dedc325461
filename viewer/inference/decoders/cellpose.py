"""Cellpose (Stringer et al. 2021): pixels follow a field of flows to the middle of their cell.

A network answers for each pixel with a flow, downward and to the right and five times the unit
vector, and with the logit of lying in a cell. Pixels that end in one place are one cell; cells
whose flows are not those that their shape would give are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.decoders.chances import sigmoid
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.decoders.pieces import filled, without_small
from viewer.typed.scipy import binary_dilation, find_objects, maximum_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels
    from viewer.inference.models.description import ModelDescription

    Map = NDArray[np.float32]

FLOW_SCALE = 5.0
LEAST_LOGIT = 0.0
MOST_FLOW_ERROR = 0.4
"""Mean squared difference of a cell's flows and those that its shape would give."""
_STEPS = 200
_CHECK_STEPS, _ARRIVED_PX = 10, 1.0
_LEAST_PX = 15
_SINK_PX = 10
"""Fewer pixels that end in one place are no cell."""
_SPREAD_STEPS = 5
_SPREAD_PX = 2
"""Round a sink, places where more pixels end belong to it."""
_MOST_SHARE = 0.4
"""Of the image: what is larger is no cell."""


def decode(maps: Map, about: ModelDescription) -> list[Labeled]:
    """Return the cells of maps (3, h, w): flows downward and to the right, and the logit."""
    labels = cellpose_labels(
        maps[:2],
        maps[2],
        about.decoding.get("least_logit", LEAST_LOGIT),
        about.decoding.get("most_flow_error", MOST_FLOW_ERROR),
    )
    return [Labeled(labels, probability=sigmoid(maps[2]))]


def cellpose_labels(
    flows: Map,
    logits: Map,
    least_logit: float = LEAST_LOGIT,
    most_flow_error: float = MOST_FLOW_ERROR,
) -> Labels:
    """Return the cells of flows, float32 (2, h, w) as y and x, and of logits, float32 (h, w)."""
    inside = logits > least_logit
    labels = np.zeros(inside.shape, np.int32)
    if not inside.any():
        return labels
    field = np.where(inside, flows / FLOW_SCALE, 0).astype(np.float32)
    ends = _followed(field, inside)
    labels[inside] = _sinks(ends, inside.shape)
    sizes = np.bincount(labels.ravel())
    is_too_large = sizes > _MOST_SHARE * inside.size
    is_too_large[0] = False
    labels[is_too_large[labels]] = 0
    if most_flow_error > 0:
        labels = _of_right_flows(labels, field, most_flow_error)
    return _numbered_anew(without_small(filled(labels), _LEAST_PX))


def cell_flows(labels: Labels) -> Map:
    """Return the unit flows (2, h, w) of cells: the slopes of heat that spreads from their middle.

    The heat is given off at the pixel nearest to the middle (the median of the cell) and spreads
    within the cell alone.
    """
    height, width = labels.shape
    padded = np.pad(labels, 1)
    rows, columns = np.nonzero(padded)
    if not len(rows):
        return np.zeros((2, height, width), np.float32)
    numbers = padded[rows, columns]
    index = np.zeros(padded.shape, np.int64)
    index[rows, columns] = np.arange(1, len(rows) + 1)
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    beside = np.stack([index[rows + y, columns + x] for y, x in steps])
    is_same = np.stack([padded[rows + y, columns + x] == numbers for y, x in steps])
    beside = np.where(is_same, beside, 0)  # place 0 has no heat
    sources, longest = _sources(labels, index)
    heat = np.zeros(len(rows) + 1)
    for _ in range(2 * longest):
        heat[sources] += 1
        heat[1:] = heat[beside].sum(0) / len(steps)
    heat = np.log1p(heat)
    # Up, down, left and right of the nine; beside the cell the heat is none.
    slope = np.stack([heat[beside[7]] - heat[beside[1]], heat[beside[5]] - heat[beside[3]]])
    slope /= np.maximum(np.hypot(*slope), 1e-20)
    flows = np.zeros((2, height, width), np.float32)
    flows[:, rows - 1, columns - 1] = slope
    return flows


def _sources(labels: Labels, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the places (of the padded `index`) that give off heat, and the longest half-way."""
    sources: list[int] = []
    longest = 1
    for number, place in find_objects(labels):
        y, x = np.nonzero(labels[place] == number)
        nearest = int(((y - np.median(y)) ** 2 + (x - np.median(x)) ** 2).argmin())
        row, column = y[nearest] + place[0].start, x[nearest] + place[1].start
        sources.append(int(index[row + 1, column + 1]))
        longest = max(longest, int(np.ptp(y) + np.ptp(x) + 2))
    return np.array(sources), longest


def _followed(field: Map, inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where the pixels of a mask end, (2, n) as rows and columns.

    What has come no farther for a while has arrived: round a sink, pixels go to and fro.
    """
    height, width = inside.shape
    places = np.stack(np.nonzero(inside)).astype(np.float32)
    most = np.array([[height - 1], [width - 1]], np.float32)
    last_cell = np.maximum(most - 1, 0).astype(np.int32)
    right, below = min(1, width - 1), width if height > 1 else 0
    flat = field.reshape(2, -1)
    moving = np.arange(int(places.shape[1]))
    at = places
    for step in range(1, _STEPS + 1):
        low = np.minimum(at.astype(np.int32), last_cell)
        y, x = at - low
        index = low[0] * width + low[1]
        top = flat[:, index] * (1 - x) + flat[:, index + right] * x
        bottom = flat[:, index + below] * (1 - x) + flat[:, index + below + right] * x
        at = np.clip(at + top * (1 - y) + bottom * y, 0, most)
        if step % _CHECK_STEPS == 0:
            went = np.abs(at - places[:, moving]).max(0)
            places[:, moving] = at
            moving = moving[went > _ARRIVED_PX]
            at = places[:, moving]
            if not len(moving):
                break
    return places.astype(np.int64)


def _sinks(ends: NDArray[np.int64], shape: tuple[int, ...]) -> Labels:
    """Return the number (n,) of the sink that each of n pixels ends in, 0 for none."""
    counts = np.zeros(shape, np.int32)
    np.add.at(counts, tuple(ends), 1)
    is_sink = (maximum_filter(counts, 5) == counts) & (counts > _SINK_PX)
    rows, columns = np.nonzero(is_sink)
    order = np.argsort(counts[rows, columns], kind="stable")  # the largest is painted last
    found = np.zeros(shape, np.int32)
    reach = _SPREAD_STEPS
    for number, at in enumerate(order, 1):
        row, column = rows[at], columns[at]
        place = (
            slice(max(0, row - reach), row + reach + 1),
            slice(max(0, column - reach), column + reach + 1),
        )
        seed = np.zeros(counts[place].shape, bool)
        seed[row - place[0].start, column - place[1].start] = True
        is_near = binary_dilation(
            seed,
            structure=np.ones((3, 3), bool),
            iterations=_SPREAD_STEPS,
            within=counts[place] > _SPREAD_PX,
        )
        found[place][is_near] = number
    return found[tuple(ends)]


def _of_right_flows(labels: Labels, field: Map, most_error: float) -> Labels:
    """Return the cells whose flows are, but for `most_error`, those that their shape would give."""
    error = ((cell_flows(labels) - field) ** 2).sum(0)
    sums = np.bincount(labels.ravel(), error.ravel())
    is_wrong = sums / np.maximum(np.bincount(labels.ravel()), 1) > most_error
    is_wrong[0] = False
    return np.where(is_wrong[labels], 0, labels).astype(np.int32)


def _numbered_anew(labels: Labels) -> Labels:
    numbers = np.zeros(int(labels.max()) + 1, np.int32)
    present = np.unique(labels[labels > 0])
    numbers[present] = np.arange(1, len(present) + 1)
    return numbers[labels]
