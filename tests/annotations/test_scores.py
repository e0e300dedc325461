"""Scores from counts: worked examples of the published definitions."""

from __future__ import annotations

import doctest
import math
from typing import Any

import numpy as np
import pytest

import coverslip
from coverslip import scores


def test_h_score_is_of_graded_cells() -> None:
    assert scores.h_score(10, 20, 30, 40) == 200
    assert scores.h_score(0, 0, 0, 7) == 300
    assert scores.h_score(1, 1, 1, 1) == 150
    assert scores.h_score(0, 0, 0, 0) is None


@pytest.mark.parametrize(
    ("positive", "total", "continuous", "integer"),
    [
        (0, 50, 0, 0),
        (1, 10_000, 1, 1),
        (9, 1000, 1, 1),
        (1, 100, 2, 2),
        (99, 1000, 2, 2),
        (1, 10, 3, 2),
        (104, 1000, 3, 2),
        (105, 1000, 3, 3),
        (333, 1000, 3, 3),
        (100, 300, 4, 3),
        (335, 1000, 4, 4),
        (664, 1000, 4, 4),
        (665, 1000, 4, 5),
        (200, 300, 5, 5),
        (10, 10, 5, 5),
    ],
)
def test_allred_proportion(positive: int, total: int, continuous: int, integer: int) -> None:
    counts = (total - positive, positive, 0, 0)
    found = scores.allred(*counts)
    assert found is not None
    assert found.proportion == continuous
    rounded = scores.allred(*counts, bands="integer")
    assert rounded is not None
    assert rounded.proportion == integer


def test_allred_intensity_is_of_the_mean_not_of_the_commonest() -> None:
    # 40 weak, 30 moderate, 30 strong: weak is the commonest, the mean is 1.9.
    found = scores.allred(0, 40, 30, 30)
    assert found is not None
    assert (found.proportion, found.intensity, found.total) == (5, 2, 7)
    edges = {(1, 2, 0): 1, (1, 3, 0): 2, (0, 2, 1): 2, (0, 3, 2): 3}
    for grades, intensity in edges.items():
        graded = scores.allred(5, *grades)
        assert graded is not None
        assert graded.intensity == intensity
    none = scores.allred(5, 0, 0, 0)
    assert none is not None
    assert (none.intensity, none.total) == (0, 0)
    assert scores.allred(0, 0, 0, 0) is None


def test_pd_l1_scores() -> None:
    assert scores.tps(6, 1000) == pytest.approx(0.6)  # below 1 %, whatever is printed
    assert scores.tps(49_999, 100_000) == pytest.approx(49.999)
    assert scores.tps(0, 0) is None
    assert scores.cps(20, 10, 5, 100) == 35
    assert scores.cps(90, 400, 5, 100) == 100
    assert scores.cps(0, 3, 0, 0) is None


def test_ki67_is_weighed_by_area_or_not() -> None:
    areas, indices = [10, 20, 30, 40], [0, 10, 20, 50]
    assert scores.ki67_global(areas, indices, weighted=True) == pytest.approx(28)
    assert scores.ki67_global(areas, indices, weighted=False) == pytest.approx(20)
    halves = scores.ki67_global([25, 25], [10, 30], weighted=True)
    assert halves == pytest.approx(20)
    absent = [0, 50, 50, 0], [None, 10, 20, None]
    assert scores.ki67_global(*absent, weighted=False) == pytest.approx(15)
    assert scores.ki67_global([0, 0], [None, None], weighted=True) is None
    assert scores.ki67_global([], [], weighted=False) is None
    assert scores.labeling_index(35, 140) == 25
    assert scores.labeling_index(0, 0) is None


def test_counts_per_mm2_are_by_the_area_used() -> None:
    assert scores.field_area_mm2(22, 40) == pytest.approx(math.pi * 0.275**2)
    assert scores.field_area_mm2(20, 40) == pytest.approx(0.1963, abs=1e-4)
    assert scores.field_area_mm2(20, 40, 1.25) == pytest.approx(0.1257, abs=1e-4)
    assert scores.per_mm2(5, 10 * 0.1959) == pytest.approx(2.55, abs=0.005)
    assert scores.per_mm2(5, 10 * 0.2375) == pytest.approx(2.11, abs=0.005)
    assert scores.per_mm2(0, 2) == 0
    assert scores.per_mm2(3, 0) is None


def test_wilson_interval_is_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for counts, ends in published.items():
        assert scores.wilson_interval(*counts) == pytest.approx(ends, abs=5e-5)
    assert scores.wilson_interval(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)
    assert scores.wilson_interval(0, 0) is None
    narrow, wide = (scores.wilson_interval(5, 20, level) for level in (0.9, 0.99))
    assert narrow is not None
    assert wide is not None
    assert wide.low < narrow.low < 0.25 < narrow.high < wide.high


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: scores.h_score(-1, 0, 0, 5),
        lambda: scores.h_score(math.nan, 0, 0, 5),
        lambda: scores.allred(1.5, 0, 0, 5),  # type: ignore[arg-type]
        lambda: scores.allred(1, 0, 0, 5, bands="percent"),  # type: ignore[arg-type]
        lambda: scores.tps(11, 10),
        lambda: scores.cps(11, 0, 0, 10),
        lambda: scores.cps(1, -2, 0, 10),
        lambda: scores.labeling_index(1, 0),
        lambda: scores.ki67_global([50, 50], [10]),
        lambda: scores.ki67_global([50, 60], [10, 20]),
        lambda: scores.ki67_global([50, 50], [10, 120]),
        lambda: scores.ki67_global([50, 50], [10, None]),
        lambda: scores.field_area_mm2(22, 0),
        lambda: scores.per_mm2(5, -1),
        lambda: scores.wilson_interval(3, 2),
        lambda: scores.wilson_interval(1, 2, 95),
        lambda: scores.wilson_interval(1, 2, 1 - 1e-16),
        lambda: scores.wilson_interval(1, 2, "95"),  # type: ignore[arg-type]
        lambda: scores.h_score("1", 0, 0, 5),  # type: ignore[arg-type]
        lambda: scores.allred(None, 0, 0, 5),  # type: ignore[arg-type]
        lambda: scores.tps(np.array([1, 2]), 5),  # type: ignore[arg-type]
        lambda: scores.labeling_index(1, 10**400),
        lambda: scores.ki67_global(["50"], [10]),  # type: ignore[list-item]
        lambda: scores.ki67_global(50, 10),  # type: ignore[arg-type]
        lambda: scores.field_area_mm2("22", 40),  # type: ignore[arg-type]
        lambda: scores.per_mm2(5, None),  # type: ignore[arg-type]
    ],
)
def test_impossible_numbers_are_refused_in_one_sentence(impossible: object) -> None:
    assert callable(impossible)
    with pytest.raises(coverslip.CoverslipError, match=r"^[^.]+(\.\d[^.]*)*\.$") as refused:
        impossible()
    assert isinstance(refused.value, ValueError)


def test_small_numbers_of_numpy_do_not_overflow() -> None:
    low: Any = np.uint8(200)
    high: Any = np.uint8(250)
    assert scores.h_score(low, low, low, high) == scores.h_score(200, 200, 200, 250)
    assert scores.allred(low, low, low, high) == scores.allred(200, 200, 200, 250)
    assert scores.cps(low, low, low, high) == 100
    assert scores.wilson_interval(low, high) == scores.wilson_interval(200, 250)
    assert scores.field_area_mm2(low, low, high) == scores.field_area_mm2(200, 200, 250)
    assert type(scores.tps(low, high)) is float


def test_examples_in_the_docstring_are_right() -> None:
    assert doctest.testmod(scores).failed == 0
