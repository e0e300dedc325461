"""The parts that training and measuring are made of, and the figures of the shipped model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from training import augmentation
from training.augmentation import density, example, from_density, restained, varied
from training.classical_baseline import classical_labels
from training.evaluate_nuclei import agreement, methods, score, validation_sets
from training.nuclei_data import UNKNOWN, load_bbbc038, split
from training.scores import aji, aji_plus, scored
from training.shifted_fields import SHIFTS_PX, shifted_f1
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.process.network import Network
from viewer.inference.process.nuclei_targets import target_maps

SET = "nuclei/bbbc038-brightfield-train.npz"


@pytest.fixture(scope="module", autouse=True)
def few_noises() -> Iterator[None]:
    """Examples draw from four noises: the 96 of a training take four seconds to make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "_NOISES", 4)
        augmentation._noises.cache_clear()
        yield
    augmentation._noises.cache_clear()


def _squares(*places: tuple[int, int], side: int = 10) -> np.ndarray:
    labels = np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate(places, 1):
        labels[y : y + side, x : x + side] = number
    return labels


def test_scores_of_perfect_missed_and_shifted_objects() -> None:
    truth = _squares((5, 5), (30, 30))
    perfect = scored([(truth, truth * 7)])
    assert (perfect.f1, perfect.pq) == (1.0, 1.0)
    missed = scored([(truth, _squares((5, 5)))])
    assert missed.f1 == pytest.approx(2 / 3)
    shifted = scored([(truth, _squares((5, 7), (30, 32)))])
    assert shifted.f1 == 1.0
    assert shifted.pq == pytest.approx(80 / 120)
    assert scored([(truth, _squares((5, 11), (30, 36)))]).f1 == 0.0
    assert scored([(truth * 0, truth)]).f1 == 0.0


def test_target_maps_have_depth_from_edge_to_middle() -> None:
    inside, edge, depth = target_maps(_squares((20, 20), side=11))
    assert inside.sum() == 121
    assert edge.sum() == 40
    assert depth[25, 25] == 1.0
    assert 0 < depth[20, 25] < 0.3
    assert not depth[inside == 0].any()


def test_density_and_back() -> None:
    picture = np.arange(0, 256, dtype=np.float32).reshape(16, 16)
    assert from_density(density(picture)) == pytest.approx(picture, abs=1e-2)


def test_examples_are_the_same_for_the_same_seed() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    labels = _squares((5, 5), (30, 30))
    a, b = (example(np.random.default_rng(4), image, labels, 48) for _ in range(2))
    assert np.array_equal(a[0], b[0])
    assert np.array_equal(a[1], b[1])
    assert a[0].shape == (48, 48, 3)
    assert a[0].min() >= 0
    assert a[0].max() <= 255


def test_what_is_not_known_stays_so_in_examples() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    labels = _squares((5, 5), (30, 30))
    labels[:, 40:] = UNKNOWN
    for seed in range(5):
        _, cut = example(np.random.default_rng(seed), image, labels, 48)
        assert set(np.unique(cut)) <= {UNKNOWN, 0, 1, 2, 3, 4}
        inside, edge, depth = target_maps(cut)
        assert not inside[cut == UNKNOWN].any()
        assert not depth[cut == UNKNOWN].any()
        assert not edge[cut <= 0].any()


def test_shifted_fields_tell_what_hangs_on_where_a_picture_begins() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((200, 220, 3), 255, np.uint8)
    for y, x in rng.permutation(np.argwhere(np.ones((9, 10), bool)))[:60] * 21 + 6:
        picture[y : y + 9, x : x + 9] = 0

    def steady(part: np.ndarray) -> np.ndarray:
        labels = np.zeros(part.shape[:2], np.int32)
        ndimage.label(part[..., 0] == 0, output=labels)
        return labels

    def unsteady(part: np.ndarray) -> np.ndarray:
        labels = steady(part)
        labels[:, : labels.shape[1] // 2] = 0  # finds nothing on the left
        return labels

    assert shifted_f1([picture], steady) == [1.0] * len(SHIFTS_PX)
    assert shifted_f1([picture], unsteady)[-1] < 0.8


def test_stains_change_colors_and_not_places() -> None:
    rng = np.random.default_rng(1)
    nuclei = _squares((10, 10), (40, 40), side=14) > 0
    picture = np.where(nuclei[..., None], (90, 60, 140), (230, 200, 220)).astype(np.float32)
    for _ in range(20):
        stained = restained(rng, picture, nuclei).mean(2)
        assert stained[nuclei].mean() < stained[~nuclei].mean()
    assert not np.array_equal(varied(rng, picture), varied(rng, picture))


def test_the_classical_method_parts_dark_disks() -> None:
    y, x = np.mgrid[:64, :64]
    is_dark = (np.hypot(y - 20, x - 20) < 8) | (np.hypot(y - 44, x - 44) < 8)
    picture = np.where(is_dark[..., None], (80, 50, 150), (235, 225, 235)).astype(np.uint8)
    assert len(np.unique(classical_labels(picture))) == 3


def test_the_split_is_fixed_and_apart(shared_slide: Callable[[str], Path]) -> None:
    fields = load_bbbc038(shared_slide(SET))
    learn, held = split(fields)
    assert (len(learn), len(held)) == (64, 16)
    kept = {image.tobytes() for image in held.images}
    assert not kept & {image.tobytes() for image in learn.images}


@pytest.mark.slow
def test_the_bundled_model_keeps_its_figures(shared_slide: Callable[[str], Path]) -> None:
    data = shared_slide(SET).parent.parent
    sets, ways = validation_sets(data), methods()
    own, classical = ways.values()
    held, pink = sets.values()
    model = score(held, own)
    assert model.f1 >= 0.805
    assert model.pq >= 0.622
    assert model.f1 > score(held, classical).f1 + 0.15
    assert score(pink, own).f1 >= 0.641


@pytest.mark.slow
def test_the_bundled_model_does_not_hang_on_where_a_field_begins(sample_slide: Path) -> None:
    network = Network(load_bundle(BUNDLED / "nuclei"), torch.device("cpu"))
    assert agreement(network, sample_slide) > 0.9


def _sets_of(labels: NDArray[np.int32]) -> list[set[int]]:
    return [set(np.flatnonzero(labels.ravel() == n).tolist()) for n in np.unique(labels) if n > 0]


def _plain_aji(truth: NDArray[np.int32], guess: NDArray[np.int32]) -> float:
    """AJI by sets of pixels, as the paper writes it."""
    found, used = _sets_of(guess), set[int]()
    both = whole = 0
    for true in _sets_of(truth):
        ious = [len(true & each) / len(true | each) for each in found]
        best = int(np.argmax(ious)) if ious else -1
        if best < 0 or not ious[best]:
            whole += len(true)
            continue
        used.add(best)
        both += len(true & found[best])
        whole += len(true | found[best])
    whole += sum(len(each) for n, each in enumerate(found) if n not in used)
    return both / whole


def _plain_plus(truth: NDArray[np.int32], guess: NDArray[np.int32]) -> float:
    """AJI+ by trying every way to pair the objects."""
    a, b = _sets_of(truth), _sets_of(guess)
    most, best = -1.0, 0.0
    for order in itertools.permutations([*range(len(b)), *([-1] * len(a))], len(a)):
        pairs = [(i, j) for i, j in enumerate(order) if j >= 0 and a[i] & b[j]]
        total = sum(len(a[i] & b[j]) / len(a[i] | b[j]) for i, j in pairs)
        if total > most:
            lost = sum(len(s) for i, s in enumerate(a) if i not in {i for i, _ in pairs})
            false = sum(len(s) for j, s in enumerate(b) if j not in {j for _, j in pairs})
            whole = sum(len(a[i] | b[j]) for i, j in pairs) + lost + false
            most, best = total, sum(len(a[i] & b[j]) for i, j in pairs) / whole
    return best


def _plain_pq(truth: NDArray[np.int32], guess: NDArray[np.int32]) -> float:
    a, b = _sets_of(truth), _sets_of(guess)
    ious = [len(s & t) / len(s | t) for s in a for t in b]
    hits = [iou for iou in ious if iou > 0.5]
    return sum(hits) / (len(hits) + (len(a) - len(hits)) / 2 + (len(b) - len(hits)) / 2)


def test_pq_aji_and_aji_plus_are_those_of_plain_implementations() -> None:
    rng = np.random.default_rng(7)
    for _ in range(12):
        maps: list[NDArray[np.int32]] = []
        for _ in range(2):
            labels = np.zeros((16, 16), np.int32)
            for number in range(1, 5):
                y, x = rng.integers(0, 11, 2)
                labels[y : y + rng.integers(3, 7), x : x + rng.integers(3, 7)] = 3 * number
            maps.append(labels)
        truth, guess = maps
        assert aji(truth, guess) == pytest.approx(_plain_aji(truth, guess))
        assert aji_plus(truth, guess) == pytest.approx(_plain_plus(truth, guess))
        assert scored([(truth, guess)]).pq == pytest.approx(_plain_pq(truth, guess))
    half = np.array([[1, 1, 1, 0]], np.int32), np.array([[0, 1, 1, 1]], np.int32)
    assert scored([half]).pq == 0  # an IoU of exactly a half is no match
    none, one = np.zeros((4, 4), np.int32), np.ones((4, 4), np.int32)
    assert (aji(none, none), aji_plus(none, none)) == (1, 1)
    assert (aji(one, none), aji(none, one), aji_plus(none, one)) == (0, 0, 0)
