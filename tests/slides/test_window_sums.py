"""Sums over windows are those of adding up each window."""

from __future__ import annotations

import numpy as np
import pytest

from viewer.slides.window_sums import window_sums


@pytest.mark.parametrize("shape", [(9, 7), (3, 9, 7), (5, 4)])
def test_each_window_is_added_up(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(-9, 9, shape)
    found = window_sums(values, 5, 3)
    views = np.lib.stride_tricks.sliding_window_view(values, (5, 3), axis=(-2, -1))
    assert np.array_equal(found, views.sum((-2, -1)))
    assert found.dtype == np.int64
