"""Intervals by resampling."""

from __future__ import annotations

import numpy as np
import pytest

from viewer.bootstrap import interval, resamples


def test_samples_are_drawn_with_replacement_and_are_the_same_again() -> None:
    drawn = list(resamples(50, 20, seed=3))
    assert len(drawn) == 20
    assert all(each.shape == (50,) and each.min() >= 0 and each.max() < 50 for each in drawn)
    assert any(len(np.unique(each)) < 50 for each in drawn)
    assert np.array_equal(drawn, list(resamples(50, 20, seed=3)))
    assert not np.array_equal(drawn, list(resamples(50, 20, seed=4)))


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)
    low, high = interval([values[each].mean() for each in resamples(400, 2000, seed=1)])
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)


def test_samples_without_a_value_are_left_out() -> None:
    assert interval([1.0, float("nan"), 1.0]) == (1.0, 1.0)
