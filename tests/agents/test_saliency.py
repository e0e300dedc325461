"""Measures of saliency against what follows from their formulas by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.attention.evaluating import Figure, _figure
from viewer.attention.saliency import (
    auc_judd,
    cc,
    covered_share,
    kl,
    nss,
    recall_by_cover,
    recall_by_overlap,
)
from viewer.geometry import Box, Size


def test_nss_is_the_standardized_value_at_the_fixations() -> None:
    told = np.array([0.0, 0, 0, 4])
    assert nss(told, np.array([3])) == pytest.approx((4 - 1) / math.sqrt(3))
    assert nss(told, np.array([0])) == pytest.approx(-1 / math.sqrt(3))
    assert nss(np.ones(4), np.array([1])) == 0
    assert math.isnan(nss(told, np.array([], np.intp)))


def test_auc_counts_pairs_in_the_right_order_and_ties_half() -> None:
    told = np.array([1.0, 2, 3, 4])
    assert auc_judd(told, np.array([3])) == 1
    assert auc_judd(told, np.array([0])) == 0
    assert auc_judd(told, np.array([1])) == pytest.approx(1 / 3)
    assert auc_judd(np.ones(4), np.array([2])) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_auc_of_noise_is_chance_by_symmetry(seed: int) -> None:
    rng = np.random.default_rng(seed)
    told, fixations = rng.random(50), rng.permutation(50)[:10]
    assert auc_judd(told, fixations) + auc_judd(-told, fixations) == pytest.approx(1)


def test_correlation_and_divergence() -> None:
    true = np.array([[0.1, 0.2], [0.3, 0.4]])
    assert cc(5 * true + 1, true) == pytest.approx(1)
    assert cc(-true, true) == pytest.approx(-1)
    assert cc(np.ones(4), true) == 0
    assert kl(true, true) == pytest.approx(0, abs=1e-3)
    half = np.array([1.0, 1, 0, 0])
    assert kl(np.ones(4), half) == pytest.approx(math.log(2), abs=1e-6)
    expected = -math.log(0.99 * 0 + 0.01 / 4) + math.log(0.5)
    assert kl(half[::-1], half) == pytest.approx(expected, abs=1e-6)


def test_recall_of_boxes() -> None:
    boxes = [Box(0, 0, 100, 100), Box(500, 500, 600, 600)]
    assert recall_by_overlap(boxes, [Box(20, 0, 120, 100)]) == 0.5
    assert recall_by_overlap(boxes, [Box(90, 90, 190, 190)]) == 0
    assert recall_by_cover(boxes, [Box(0, 0, 1000, 50), Box(0, 50, 1000, 60)]) == 0.5
    assert recall_by_cover(boxes, []) == 0
    assert math.isnan(recall_by_cover([], boxes))
    assert covered_share(Size(1000, 1000), [Box(0, 0, 500, 1000)]) == pytest.approx(0.5)


def test_intervals_hold_the_mean_and_narrow_with_more_slides() -> None:
    rng = np.random.default_rng(0)

    def figure(slides: int) -> Figure:
        values = [rng.normal(1, 1, 3) for _ in range(slides)]
        return _figure(values, rng.integers(slides, size=(500, slides)))

    few, many = figure(5), figure(200)
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert many.low < 1 < many.high
