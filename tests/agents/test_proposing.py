"""Boxes from maps of expected attention."""

from __future__ import annotations

import numpy as np
import pytest

from viewer.attention.proposing import (
    ExpectedAttention,
    field_px,
    proposals,
)
from viewer.geometry import Box, Size
from viewer.overlays.box_overlap import box_ious, corners


def expected(shares: np.ndarray, box_px: tuple[tuple[float, float], ...]) -> ExpectedAttention:
    slide = Size(shares.shape[2] * 100, shares.shape[1] * 100)
    shares = (shares / np.nansum(shares)).astype(np.float32)
    return ExpectedAttention(shares, (10.0, 40.0)[: len(shares)], box_px, 100.0, slide)


def test_the_best_box_comes_first_and_none_is_told_twice() -> None:
    shares = np.zeros((1, 20, 30))
    shares[0, 2:4, 3:5] = 5
    shares[0, 10:12, 20:22] = 3
    found = proposals(expected(shares, ((200, 200),)), k=5)
    assert [each.box for each in found] == [Box(300, 200, 500, 400), Box(2000, 1000, 2200, 1200)]
    assert [each.score for each in found] == pytest.approx([5 / 8, 3 / 8])
    assert all(each.magnification == 10.0 for each in found)


def test_bands_have_their_own_boxes() -> None:
    shares = np.zeros((2, 20, 30))
    shares[0, 0:8, 0:8] = 1
    shares[1, 15, 25] = 20
    found = proposals(expected(shares, ((800, 800), (200, 100))), k=2)
    assert [each.magnification for each in found] == [10.0, 40.0]
    assert found[0].box == Box(0, 0, 800, 800)
    assert found[1].box.contains(Box(2500, 1500, 2600, 1600).center)


def test_boxes_stay_on_the_slide_and_apart() -> None:
    shares = np.random.default_rng(0).random((2, 20, 30))
    shares[:, :, :3] = np.nan
    found = proposals(expected(shares, ((700, 500), (350, 250))), k=12)
    assert len(found) == 12
    for index, each in enumerate(found):
        assert 0 <= each.box.x0 < each.box.x1 <= 3000
        assert 0 <= each.box.y0 < each.box.y1 <= 2000
        earlier = [other.box for other in found[:index]]
        assert (box_ious(corners([each.box]), corners(earlier)) < 0.2).all()


def test_the_overview_is_no_proposal_and_nothing_gives_nothing() -> None:
    assert proposals(expected(np.ones((1, 20, 30)), ((3000, 2000),))) == []
    nothing = ExpectedAttention(
        np.full((1, 4, 4), np.nan, np.float32), (10.0,), ((100, 100),), 100.0, Size(400, 400)
    )
    assert proposals(nothing) == []


def test_a_field_at_10x_has_a_micrometer_a_pixel() -> None:
    assert field_px(10.0, 0.5) == (2560, 1600)
    assert field_px(40.0, 0.25, Size(1000, 500)) == (1000, 500)
