"""Scores of cells in regions, with the rules that they name."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from viewer.overlays.graded_cells import GradedCells
from viewer.overlays.objects import Objects
from viewer.overlays.score_report import ClassRegion, ScoreLine, ScoreScope, hot_spot, score_lines

_NAMES = ["Negative", "1+", "2+", "3+"]
_LEFT, _RIGHT = shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)


def cells_at(xy: NDArray[np.floating], classes: NDArray[np.integer]) -> Objects:
    """Return square cells around places, of classes."""
    corners = np.array([[-4, -4], [4, -4], [4, 4], [-4, 4]])
    points = (xy[:, np.newaxis] + corners).reshape(-1, 2)
    starts = 4 * np.arange(len(xy) + 1)
    return Objects(
        points.astype(np.float32), starts, xy.astype(np.float32), classes.astype(np.uint8)
    )


def by_name(lines: list[ScoreLine]) -> dict[str, ScoreLine]:
    return {line.name: line for line in lines}


@pytest.fixture(scope="module")
def two_halves() -> Objects:
    """900 cells at the left, 10 % strong; 100 at the right, all strong."""
    rng = np.random.default_rng(3)
    left, right = rng.random((900, 2)) * (999, 1000), rng.random((100, 2)) * (999, 1000)
    classes = np.concatenate([np.where(np.arange(900) < 90, 3, 0), np.full(100, 3)])
    return cells_at(np.concatenate([left, right + np.array([1000, 0])]), classes)


def test_regions_are_pooled_and_not_averaged(two_halves: Objects) -> None:
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, [_LEFT, _RIGHT])))
    assert lines["Positive"].value.startswith("19.0 % (16.7 to 21.5)")
    assert lines["H-score"].value == "57 of 300"
    assert lines["Allred"].value == "6 = 3 + 3"
    assert lines["Ki-67 global, weighted"].value == "55.0 %"  # both regions are as large
    one = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, [_LEFT, _LEFT])))
    assert one["Cells"].value == "810 negative, 0 weak, 0 moderate, 90 strong"
    assert all(line.rule for line in lines.values())


def test_pd_l1_scores_need_their_classes(two_halves: Objects) -> None:
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5)))
    assert lines["TPS"].value == lines["CPS"].value == "–"
    assert "class Tumor" in lines["TPS"].rule
    tumor = ClassRegion("Tumor", _LEFT)
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, classes=[tumor])))
    assert lines["TPS"].value == "10.0 %"
    assert "class Immune cells" in lines["CPS"].rule
    assert "not adequate" not in lines["TPS"].rule
    assert lines["Tumor area"].value == "0.250 mm²"
    both = [tumor, ClassRegion("Immune cells", _RIGHT)]
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, classes=both)))
    assert lines["CPS"].value == "21.1"  # 90 and 100 positive of 900 tumor cells
    few = [ClassRegion("Tumor", shapely.box(0, 0, 150, 150)), both[1]]
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, classes=few)))
    assert "not adequate" in lines["TPS"].rule
    assert lines["CPS"].value == "100.0"  # capped
    stroma = [ClassRegion("Non-tumor", _LEFT)]
    assert by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5, classes=stroma)))[
        "TPS"
    ].value == "–"  # fmt: skip


def test_the_hot_spot_is_the_square_with_the_highest_share(two_halves: Objects) -> None:
    rng = np.random.default_rng(5)
    xy = rng.random((9000, 2)) * 3000
    is_hot = (np.abs(xy - (2250, 750)) < 250).all(1)
    is_positive = rng.random(9000) < np.where(is_hot, 0.6, 0.1)
    spot = hot_spot(xy, is_positive)
    assert spot is not None
    assert abs(spot.x_um - 2250) < 200
    assert abs(spot.y_um - 750) < 200
    inside = (np.abs(xy - (spot.x_um, spot.y_um)) <= 250).all(1)
    assert abs(int(inside.sum()) - spot.total) <= 2
    assert spot.least == 100
    assert hot_spot(xy[:99], is_positive[:99]) is None
    lines = by_name(score_lines(two_halves, _NAMES, ScoreScope(0.5)))
    place = lines["Ki-67 hot spot"].place
    assert place is not None
    assert 0 < place.x < 2000


def test_what_is_undefined_is_told_so() -> None:
    none = cells_at(np.zeros((0, 2)), np.zeros(0, int))
    lines = by_name(score_lines(none, _NAMES, ScoreScope(0.5, [_LEFT], analyzed_mm2=0.25)))
    for name in ("Positive", "H-score", "Allred", "Ki-67 hot spot"):
        assert lines[name].value == "–"
    assert lines["Density"].value == "0 cells/mm²"
    some = cells_at(np.full((4, 2), 5.0), np.array([0, 1, 2, 2]))
    lines = by_name(score_lines(some, ["Negative", "Positive", "Artifact"], ScoreScope(0.5)))
    assert lines["H-score"].value == "–"
    assert "2 without a grade are not in the denominator" in lines["Cells"].rule
    assert lines["Positive"].value.startswith("50.0 %")
    counted = ScoreScope(0.5, mitoses=5, counted_mm2=1.959)
    assert by_name(score_lines(some, _NAMES, counted))["Mitoses"].value == "2.55/mm²"


def test_grades_are_those_of_class_names() -> None:
    cells = GradedCells.of({"Tumor: Negative": 3, "Tumor: 2+": 2, "Stroma": 5})
    assert (cells.negative, cells.moderate, cells.ungraded, cells.total) == (3, 2, 5, 5)
    assert (cells + cells).record()["positive_percent"] == 40
    assert GradedCells().record()["h_score"] is None
