"""Behaviors, attention, coverage and comparison, against sessions that are known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_steps import SLIDE, Step, trace_from

from viewer.geometry import Point, Size, View
from viewer.recording.attention_maps import attention_maps
from viewer.recording.behaviors import BehaviorParameters, actions_of, band_of, box_iou, looks_of
from viewer.recording.comparison import compare
from viewer.recording.coverage import CoverageMap, coverage_of
from viewer.recording.statistics import statistics_of
from viewer.recording.trace import Trace
from viewer.slides.tissue import TissueMask

steps = st.lists(
    st.builds(
        Step,
        st.floats(0.01, 4.0),
        st.floats(0, 9000),
        st.floats(0, 9000),
        st.sampled_from([1.25, 2.5, 5.0, 9.0, 10.0, 20.0, 40.0]),
    ),
    min_size=1,
    max_size=40,
)
aways = st.lists(st.tuples(st.floats(0, 60), st.floats(0.1, 10)), max_size=4).map(
    lambda spans: [(start, start + length) for start, length in spans]
)


def test_a_long_look_at_10x_is_an_inspection() -> None:
    trace = trace_from([Step(0.3, 100, 100, 5), Step(3.0, 4000, 4000, 10), Step(0.2, 0, 0, 5)])
    (action,) = actions_of(trace)
    assert action.command == "<10x-inspect>"
    assert (action.start_s, action.end_s) == pytest.approx((0.3, 3.3))
    assert action.box == tuple(trace.boxes[1])
    assert action.dwell_point == (4000, 4000)
    assert (action.first, action.last) == (1, 1)


@pytest.mark.parametrize(("magnification", "command"), [
    (1.25, "<1.25x-inspect>"), (2.6, "<2.5x-inspect>"), (7.0, "<5x-inspect>"),
    (7.2, "<10x-inspect>"), (20, "<20x-peek>"), (40, "<40x-peek>"), (63, "<40x-peek>"),
])  # fmt: skip
def test_the_band_names_the_command(magnification: float, command: str) -> None:
    (action,) = actions_of(trace_from([Step(2, 5000, 5000, magnification)]))
    assert action.command == command


def test_a_scan_at_one_zoom_is_one_action_over_all_that_was_on_screen() -> None:
    trace = trace_from([Step(0.2, 2000 + 400 * index, 3000, 10) for index in range(15)])
    (action,) = actions_of(trace)
    assert action.command == "<10x-inspect>"
    assert action.dwell_s == pytest.approx(3.0)
    assert action.box == (
        trace.boxes[:, 0].min(), trace.boxes[0, 1], trace.boxes[:, 2].max(), trace.boxes[0, 3],
    )  # fmt: skip


def test_a_short_scan_and_a_short_look_are_nothing() -> None:
    scan = [Step(0.2, 400 * index, 3000, 10) for index in range(9)]
    assert actions_of(trace_from([*scan, Step(0.9, 0, 0, 40)])) == []


def test_a_slow_hand_is_a_stay_and_a_smooth_pan_is_not() -> None:
    drift = [Step(0.033, 4000 + 3 * index, 4000, 10) for index in range(50)]
    pan = [Step(0.033, 4000 + 200 * index, 4000, 10) for index in range(50)]
    assert len(actions_of(trace_from(drift))) == 1
    assert actions_of(trace_from(pan)) == []


def test_looks_at_one_place_are_merged_and_elsewhere_are_not() -> None:
    here, there = Step(1.5, 4000, 4000, 10), Step(1.5, 8000, 8000, 10)
    aside = Step(0.3, 4000, 4000, 20)
    assert len(actions_of(trace_from([here, aside, here]))) == 1
    assert len(actions_of(trace_from([here, aside, there]))) == 2
    never = BehaviorParameters(merge_iou=1.1)
    assert len(actions_of(trace_from([here, aside, here]), never)) == 2


def test_time_away_is_cut_out_and_parts_actions() -> None:
    trace = trace_from([Step(60, 4000, 4000, 10)], away=[(5.0, 50.0)])
    before, after = actions_of(trace)
    assert (before.start_s, before.end_s, before.dwell_s) == pytest.approx((0, 5, 5))
    assert (after.start_s, after.end_s, after.dwell_s) == pytest.approx((50, 60, 10))
    short = trace_from([Step(60, 4000, 4000, 10)], away=[(5.0, 6.0)])
    (merged,) = actions_of(short)
    assert merged.dwell_s == pytest.approx(59)


def test_without_a_scale_the_command_tells_the_downsample() -> None:
    trace = trace_from([Step(2, 4000, 4000, math.nan, downsample=4.0)])
    (action,) = actions_of(trace)
    assert action.command == "<1:4-inspect>"
    assert math.isnan(action.magnification)


@settings(deadline=None, max_examples=60)
@given(steps=steps, away=aways)
def test_actions_are_in_order_within_the_slide_and_never_in_time_away(
    steps: list[Step], away: list[tuple[float, float]]
) -> None:
    trace = trace_from(steps, away)
    actions = actions_of(trace, slide=SLIDE)
    assert float(trace.looked_s().sum()) == pytest.approx(_looked(trace))
    for action in actions:
        x0, y0, x1, y1 = action.box
        assert 0 <= x0 <= x1 <= SLIDE.width
        assert 0 <= y0 <= y1 <= SLIDE.height
        assert 1.0 <= action.dwell_s <= action.end_s - action.start_s + 1e-6
    for before, after in pairwise(actions):
        assert before.end_s <= after.start_s + 1e-9
    assert sum(action.dwell_s for action in actions) <= _looked(trace) + 1e-6


@settings(deadline=None, max_examples=30)
@given(steps=steps, away=aways)
def test_attention_is_the_area_on_screen_times_the_seconds(
    steps: list[Step], away: list[tuple[float, float]]
) -> None:
    trace = trace_from(steps, away)
    maps = attention_maps(trace, SLIDE)
    boxes = np.clip(trace.boxes, 0, [SLIDE.width, SLIDE.height] * 2)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    expected = float((areas * trace.looked_s()).sum())
    assert float(maps.seconds.sum()) * maps.cell_px**2 == pytest.approx(expected, rel=1e-3, abs=1)
    by_band = [float(maps.band(band).sum()) for band in (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)]
    assert float(maps.total().sum()) == pytest.approx(sum(by_band), rel=1e-4, abs=1e-3)


def test_a_cell_that_is_half_on_screen_counts_half() -> None:
    trace = trace_from([Step(2.0, 150, 50, 10, width=100, height=100)])
    maps = attention_maps(trace, SLIDE, cell_px=100)
    np.testing.assert_allclose(maps.band(10.0)[0, :4], [0, 2, 0, 0], atol=1e-6)
    shifted = trace_from([Step(2.0, 175, 50, 10, width=100, height=100)])
    seconds = attention_maps(shifted, SLIDE, cell_px=100).band(10.0)
    np.testing.assert_allclose(seconds[0, :4], [0, 1.5, 0.5, 0], atol=1e-6)


def test_looks_leave_out_what_is_away() -> None:
    trace = trace_from([Step(10, 0, 0, 10), Step(10, 5, 5, 10)], away=[(4, 12), (19, 99)])
    looks = looks_of(trace)
    assert looks.view.tolist() == [0, 1]
    np.testing.assert_allclose(looks.start_s, [0, 12])
    np.testing.assert_allclose(looks.end_s, [4, 19])


def test_coverage_counts_tissue_seen_at_or_above_a_magnification() -> None:
    cells = np.zeros((10, 10), bool)
    cells[:, :5] = True
    coverage = CoverageMap(TissueMask(cells, (1000.0, 1000.0)))
    assert coverage.share(5) == 0
    assert coverage.unseen_outline(5).area == pytest.approx(50e6)
    assert coverage.add(View(Point(2500, 2000), 5.0, Size(1000, 800)), 5.0)
    assert coverage.share(5) == pytest.approx(20 / 50)
    assert not coverage.add(View(Point(2500, 2000), 5.0, Size(1000, 800)), 5.0)
    assert coverage.add(View(Point(500, 500), 1.0, Size(1000, 1000)), 20.0)
    assert coverage.share(10) == pytest.approx(1 / 50)
    assert coverage.unseen_outline(5).area == pytest.approx(30e6)


def test_a_turned_field_covers_what_it_shows() -> None:
    coverage = CoverageMap(TissueMask(np.ones((100, 100), bool), (100.0, 100.0)))
    coverage.add(View(Point(5000, 5000), 1.0, Size(6000, 1000), 45.0), 10.0)
    assert coverage.share(5) == pytest.approx(0.06, rel=0.08)
    seen = ~coverage.unseen(5)
    # The slide turns clockwise on the screen: the screen's width runs from lower left to upper
    # right on the slide.
    assert seen[35, 65]
    assert not seen[35, 35]


def test_fields_that_were_only_passed_do_not_cover() -> None:
    mask = TissueMask(np.ones((10, 10), bool), (1000.0, 1000.0))
    passed = trace_from([Step(0.1, 5000, 5000, 10, width=9999, height=9999)])
    seen = trace_from([Step(1.0, 5000, 5000, 10, width=9999, height=9999)])
    assert coverage_of(passed, mask).share(1) == 0
    assert coverage_of(seen, mask).share(10) == 1


@settings(deadline=None, max_examples=15)
@given(steps=steps)
def test_a_reading_agrees_with_itself(steps: list[Step]) -> None:
    trace = trace_from(steps)
    result = compare(trace, trace, SLIDE)
    assert not result.only_a.any()
    assert not result.only_b.any()
    if result.both.any():
        assert result.iou == 1
    assert result.correlation == pytest.approx(1) or math.isnan(result.correlation)


def test_readings_are_compared_at_a_magnification_and_a_time() -> None:
    whole = Step(1, 5000, 5000, 1, width=9999, height=9999)
    long = trace_from([whole, Step(16, 3000, 3000, 10, width=4000, height=4000)])
    glance = trace_from([whole])
    result = compare(long, glance, SLIDE)
    assert math.isnan(result.iou)
    assert not result.both.any()
    assert "the other session has not" in result.problem
    assert "10x or more for 0.25 s" in result.problem
    near = trace_from([Step(3, 3000, 3000, 20, width=2000, height=4000)])
    result = compare(long, near, SLIDE)
    assert result.problem == ""
    assert result.iou == pytest.approx(0.5, abs=0.05)
    assert (result.magnification, result.least_s) == (10.0, 0.25)


def test_two_readings_apart_have_nothing_in_common() -> None:
    a = trace_from([Step(5, 1000, 1000, 20, width=500, height=500)])
    b = trace_from([Step(5, 8000, 8000, 20, width=500, height=500)])
    result = compare(a, b, SLIDE)
    assert result.iou == 0
    assert result.correlation < 0.01
    assert result.only_a.sum() > 0
    assert result.only_b.sum() > 0


def test_statistics_of_a_known_session() -> None:
    trace = trace_from(
        [Step(2, 1000, 1000, 5), Step(1, 1000, 1000, 10), Step(1, 1000, 1000, 20),
         Step(4, 1000, 4000, 20), Step(2, 1000, 4000, 5)], away=[(5, 6)],
    )  # fmt: skip
    figures = statistics_of(trace, actions_of(trace), 0.5)
    assert (figures.zooms_in, figures.zooms_out) == (1, 1)
    assert figures.duration_s == pytest.approx(10)
    assert figures.looked_s == pytest.approx(9)
    assert figures.band_s[20.0] == pytest.approx(4)
    assert figures.band_s[5.0] == pytest.approx(4)
    assert figures.path_px == pytest.approx(3000)
    assert figures.path_um == pytest.approx(1500)
    oblong = statistics_of(trace, actions_of(trace), (0.25, 0.5))
    assert oblong.path_um == pytest.approx(1500)  # straight down
    assert 0 < figures.scanning_share < 1


def test_bands_and_overlaps() -> None:
    assert band_of(14.0) == 10
    assert band_of(14.2) == 20
    assert math.isnan(band_of(math.nan))
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 1, 1), (1, 0, 2, 1)) == 0


def _looked(trace: Trace) -> float:
    looks = looks_of(trace)
    return float((looks.end_s - looks.start_s).sum())
