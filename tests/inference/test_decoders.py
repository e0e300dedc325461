"""Known label maps, written as the targets of each published network, come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from training.scores import scored
from viewer.inference.decoders.cellpose import FLOW_SCALE, cellpose_labels
from viewer.inference.decoders.classes import voted_classes
from viewer.inference.decoders.contours import contour_labels
from viewer.inference.decoders.hover import hover_labels
from viewer.inference.decoders.stardist import stardist_labels

Labels = NDArray[np.int32]
SIDE = 256
LEAST_PQ = 0.95


def nuclei(seed: int) -> Labels:
    """Ellipses of nuclear size, many of which touch and some of which the border cuts."""
    numbers = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    labels = np.zeros((SIDE, SIDE), np.int32)
    row, count = 6.0, 0
    while row < SIDE + 8:
        column = numbers.uniform(-6, 10)
        while column < SIDE + 8:
            major, minor = numbers.uniform(9, 13), numbers.uniform(7, 10)
            turn = numbers.uniform(0, np.pi)
            dy, dx = y - row - numbers.uniform(-2, 2), x - column
            u = (dx * np.cos(turn) + dy * np.sin(turn)) / major
            v = (dy * np.cos(turn) - dx * np.sin(turn)) / minor
            is_there = numbers.uniform() < 0.8
            if is_there:
                count += 1
                labels[(u * u + v * v <= 1) & (labels == 0)] = count
            column += major + numbers.uniform(6, 12)
        row += 20
    return whole(labels)


def whole(labels: Labels) -> Labels:
    """The largest connected piece of each object, where it has 30 px and more."""
    kept, parts = np.zeros_like(labels), np.zeros_like(labels)
    count = 0
    for number in np.unique(labels[labels > 0]).tolist():
        ndimage.label(labels == number, output=parts)
        sizes = np.bincount(parts.ravel())[1:]
        if sizes.max() >= 30:
            count += 1
            kept[parts == 1 + int(sizes.argmax())] = count
    return kept


def touching(labels: Labels) -> int:
    """How many pairs of objects have pixels beside each other."""
    pairs: set[tuple[int, int]] = set()
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        is_border = (one != other) & (one > 0) & (other > 0)
        both = np.sort(np.stack([one[is_border], other[is_border]], 1), 1)
        pairs |= set(map(tuple, both.tolist()))
    return len(pairs)


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.slow)])
def truth(request: pytest.FixtureRequest) -> Labels:
    labels = nuclei(request.param)
    assert labels.max() > 80
    assert touching(labels) > 30
    on_border = {*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1]} - {0}
    assert len(on_border) > 10
    return labels


def star_targets(labels: Labels, rays: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probability by the distance to the border, and how far one can walk within the object."""
    probability = np.zeros(labels.shape, np.float32)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        mask = np.pad(labels[place] == number, 1)
        depth = np.asarray(ndimage.distance_transform_edt(mask))[1:-1, 1:-1]
        probability[place] = np.where(depth > 0, depth / depth.max(), probability[place])
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
    padded = np.pad(labels, 1, constant_values=-1)
    distances = np.zeros((rays, *labels.shape), np.float32)
    for ray in range(rays):
        angle = 2 * np.pi * ray / rays
        goes_on = labels > 0
        step = 0
        while goes_on.any():
            step += 1
            row = np.clip(np.rint(y + step / 4 * np.sin(angle)).astype(int), -1, SIDE) + 1
            column = np.clip(np.rint(x + step / 4 * np.cos(angle)).astype(int), -1, SIDE) + 1
            goes_on &= padded[row, column] == labels
            distances[ray][goes_on] = step / 4
    return probability, distances + 0.25


@pytest.fixture(scope="module")
def star(truth: Labels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return star_targets(truth, 32)


@pytest.mark.parametrize("downsample", [1, 2])
def test_stardist(
    truth: Labels, star: tuple[NDArray[np.float32], NDArray[np.float32]], downsample: int
) -> None:
    probability, rays = star
    grid = (slice(None, None, downsample),) * 2
    found = stardist_labels(probability[grid], rays[:, grid[0], grid[1]], downsample, 0.4)
    assert scored([(truth, found)]).pq >= LEAST_PQ


def hover_targets(labels: Labels) -> NDArray[np.float32]:
    """How far a pixel lies from the middle of its nucleus, by the farthest on its side."""
    maps = np.zeros((2, *labels.shape), np.float32)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        y, x = np.nonzero(labels[place] == number)
        for axis, values in enumerate((x - np.rint(x.mean()), y - np.rint(y.mean()))):
            scaled = values.astype(np.float32)
            scaled[values > 0] /= max(values.max(), 1)
            scaled[values < 0] /= max(-values.min(), 1)
            maps[axis][place][y, x] = scaled
    return maps


@pytest.mark.parametrize("pixel_um", [0.25, 0.5])
def test_hovernet_and_cellvit(truth: Labels, pixel_um: float) -> None:
    across, down = hover_targets(truth)
    found = hover_labels((truth > 0).astype(np.float32), across, down, pixel_um)
    assert scored([(truth, found)]).pq >= LEAST_PQ


def flow_targets(labels: Labels) -> NDArray[np.float32]:
    """Unit slopes of a membrane over each cell, whose height at the middle is fixed and 0 outside.

    Made by relaxation, and so otherwise than by the decoder.
    """
    height = np.zeros(np.array(labels.shape) + 2)
    padded = np.pad(labels, 1)
    source = np.zeros(padded.shape, bool)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        y, x = np.nonzero(labels[place] == number)
        best = ((y - np.median(y)) ** 2 + (x - np.median(x)) ** 2).argmin()
        source[y[best] + place[0].start + 1, x[best] + place[1].start + 1] = True
    shifts = [(0, 1), (0, -1), (1, 1), (1, -1)]
    same = [np.roll(padded, shift, axis) == padded for axis, shift in shifts]
    for _ in range(300):
        around = sum(
            np.where(is_same, np.roll(height, shift, axis), 0)
            for (axis, shift), is_same in zip(shifts, same, strict=True)
        )
        height = np.where(padded > 0, np.where(source, 1000.0, around / 4), 0)
    up, down, left, right = (
        np.where(is_same, np.roll(height, shift, axis), 0)
        for (axis, shift), is_same in zip(shifts, same, strict=True)
    )
    slope = np.stack([down - up, right - left])[:, 1:-1, 1:-1]
    return (slope / np.maximum(np.hypot(*slope), 1e-9)).astype(np.float32)


def test_cellpose(truth: Labels) -> None:
    flows = flow_targets(truth) * FLOW_SCALE
    found = cellpose_labels(flows, np.where(truth > 0, 4.0, -4.0).astype(np.float32))
    assert scored([(truth, found)]).pq >= LEAST_PQ


def test_cellpose_leaves_out_cells_of_other_flows() -> None:
    truth = whole(nuclei(3))
    flows = flow_targets(truth) * FLOW_SCALE
    wrong = truth == 7
    flows[:, wrong] = np.random.default_rng(0).normal(0, 5, (2, int(wrong.sum())))
    found = cellpose_labels(flows, np.where(truth > 0, 4.0, -4.0).astype(np.float32))
    assert not (found[wrong] > 0).mean() > 0.3
    assert scored([(np.where(wrong, 0, truth), np.where(wrong, 0, found))]).pq >= LEAST_PQ


def test_contours(truth: Labels) -> None:
    inner = np.zeros(truth.shape, bool)
    for number, place in enumerate(ndimage.find_objects(truth), 1):
        mask = np.pad(truth[place] == number, 1)
        inner[place] |= ndimage.binary_erosion(mask, iterations=2)[1:-1, 1:-1]
    contour = (truth > 0) & ~inner
    found = contour_labels(inner.astype(np.float32), contour.astype(np.float32))
    assert scored([(truth, found)]).pq >= LEAST_PQ


def test_the_class_of_an_object_is_what_most_of_its_pixels_say() -> None:
    labels = np.array([[1, 1, 1, 0], [2, 2, 3, 3]], np.int32)
    kinds = np.array([[0, 2, 2, 1], [1, 0, 0, 0]])
    probabilities = (np.arange(3)[:, None, None] == kinds).astype(np.float32)
    assert voted_classes(labels, probabilities)[1:].tolist() == [1, 0, 0]


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_nothing_and_everything_are_no_error(fill: float) -> None:
    flat = np.full((64, 64), fill, np.float32)
    zero = np.zeros((64, 64), np.float32)
    assert stardist_labels(flat, np.full((32, 64, 64), 4.0, np.float32)).shape == (64, 64)
    assert hover_labels(flat, zero, zero, 0.25).shape == (64, 64)
    assert cellpose_labels(np.stack([zero, zero]), flat).max() == 0
    assert contour_labels(flat, zero).max() == int(fill)
