"""Two sets of regions held against each other, checked by counting pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from viewer.annotations import overlapping
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.comparison import compare, regions_of
from viewer.limits import LimitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 12
_SLIDE = shapely.box(0, 0, _SIDE, _SIDE)


def region(name: str, x0: float, y0: float, x1: float, y1: float) -> Annotation:
    return Annotation(shapely.box(x0, y0, x1, y1), shown_as=AnnotationClass(name))


_corner = st.integers(-2, _SIDE + 1)
_boxes = st.builds(
    lambda name, x, y, w, h: region(name, x, y, x + w, y + h),
    st.sampled_from(["Tumor", "Stroma"]),
    _corner,
    _corner,
    st.integers(1, 6),
    st.integers(1, 6),
)


def grid(annotations: list[Annotation], name: str) -> np.ndarray:
    """Pixels of the slide that a class covers."""
    pixels = np.zeros((_SIDE, _SIDE), bool)
    for annotation in annotations:
        if annotation.class_name == name:
            x0, y0, x1, y1 = (int(max(0, each)) for each in annotation.geometry.bounds)
            pixels[y0:y1, x0:x1] = True
    return pixels


@given(st.lists(_boxes, max_size=6), st.lists(_boxes, max_size=6))
def test_figures_are_those_of_counted_pixels(a: list[Annotation], b: list[Annotation]) -> None:
    comparison = compare(a, b, _SLIDE)
    for each in comparison.classes:
        in_a, in_b = grid(a, each.name), grid(b, each.name)
        both = int((in_a & in_b).sum())
        assert each.area_a == pytest.approx(in_a.sum())
        assert each.area_b == pytest.approx(in_b.sum())
        assert each.area_both == pytest.approx(both)
        assert each.dice == pytest.approx(2 * both / (in_a.sum() + in_b.sum()))
        assert each.iou == pytest.approx(both / (in_a | in_b).sum())
        observed = (in_a == in_b).mean()
        expected = in_a.mean() * in_b.mean() + (1 - in_a.mean()) * (1 - in_b.mean())
        if expected < 1 - 1e-9:
            assert each.kappa == pytest.approx((observed - expected) / (1 - expected))
        else:
            assert math.isnan(each.kappa)
        # What differs is listed, whole and once a class and side.
        for side, only in (("class_a", in_a & ~in_b), ("class_b", in_b & ~in_a)):
            told = [d.geometry for d in comparison.disagreements if getattr(d, side) == each.name]
            assert shapely.union_all(told).area == pytest.approx(only.sum())
    areas = [each.area_px2 for each in comparison.disagreements]
    assert areas == sorted(areas, reverse=True)


@given(st.lists(_boxes, max_size=6), st.lists(_boxes, max_size=6))
def test_swapped_sets_give_the_same_figures(a: list[Annotation], b: list[Annotation]) -> None:
    there, back = compare(a, b, _SLIDE), compare(b, a, _SLIDE)
    for one, other in zip(there.classes, back.classes, strict=True):
        assert one.dice == pytest.approx(other.dice, nan_ok=True)
        assert one.kappa == pytest.approx(other.kappa, nan_ok=True)
        assert (one.count_a, one.count_b) == (other.count_b, other.count_a)
    assert len(there.disagreements) == len(back.disagreements)


def test_a_set_agrees_with_itself() -> None:
    a = [region("Tumor", 0, 0, 4, 4), region("Tumor", 6, 6, 9, 9), region("Stroma", 4, 0, 8, 4)]
    comparison = compare(a, a, _SLIDE)
    for each in comparison.classes:
        assert (each.dice, each.iou, each.f1) == (1.0, 1.0, 1.0)
        assert each.kappa == pytest.approx(1.0)
        assert each.mean_matched_iou == 1.0
    assert comparison.disagreements == ()


def test_what_a_file_rounds_away_is_no_region_where_two_sets_differ() -> None:
    drawn = shapely.Point(5000, 5000).buffer(3000.0041)
    kept = shapely.transform(drawn, lambda corners: np.round(corners, 2))
    moved = shapely.transform(drawn, lambda corners: corners + 0.05)
    slide = shapely.box(0, 0, 10_000, 10_000)
    one, other, shifted = (
        [Annotation(each, shown_as=AnnotationClass("Tumor"))] for each in (drawn, kept, moved)
    )
    assert drawn.symmetric_difference(kept).area > 10
    assert compare(one, other, slide).disagreements == ()
    assert len(compare(one, shifted, slide).disagreements) >= 2


def test_cohens_own_kind_of_table() -> None:
    """Of 100 pixels 20 are both's, 5 only A's, 10 only B's, 65 nobody's: kappa is 0.625."""
    slide = shapely.box(0, 0, 10, 10)
    a, b = [region("T", 0, 0, 10, 2.5)], [region("T", 0, 0, 10, 2), region("T", 0, 9, 10, 10)]
    (each,) = compare(a, b, slide).classes
    p_o, p_e = 0.85, 0.25 * 0.30 + 0.75 * 0.70
    assert each.kappa == pytest.approx((p_o - p_e) / (1 - p_e))
    assert each.kappa == pytest.approx(0.625)


def test_a_smaller_reference_gives_another_kappa() -> None:
    a, b = [region("T", 0, 0, 4, 4)], [region("T", 0, 0, 4, 3)]
    read = regions_of([region("Region*", 0, 0, 4, 5), region("T", 9, 9, 10, 10)], "Region*")
    assert read.area == 20
    (on_slide,) = compare(a, b, _SLIDE).classes
    (on_read,) = compare(a, b, read).classes
    assert on_slide.dice == on_read.dice
    assert on_read.kappa < on_slide.kappa
    assert on_read.reference_area == 20


def test_outlines_are_matched_one_to_one() -> None:
    a = [region("N", 0, 0, 4, 4), region("N", 6, 0, 8, 2), region("N", 9, 9, 11, 11)]
    # Two candidates for the first: the better one is taken. The third is too far off.
    b = [region("N", 0, 0, 4, 3), region("N", 0, 0, 4, 4), region("N", 10, 10, 12, 12)]
    (each,) = compare(a, b, _SLIDE).classes
    assert each.matched == 1
    assert each.mean_matched_iou == 1.0
    assert each.f1 == pytest.approx(2 / 6)


def test_what_is_called_otherwise_is_told_with_both_names() -> None:
    a = [region("Tumor", 0, 0, 6, 4)]
    b = [region("Tumor", 0, 0, 2, 4), region("Stroma", 2, 0, 5, 4), region("Stroma", 9, 9, 11, 12)]
    told = [
        (each.class_a, each.class_b, each.area_px2) for each in compare(a, b, _SLIDE).disagreements
    ]
    assert told == [("Tumor", "Stroma", 12.0), ("", "Stroma", 6.0), ("Tumor", "", 4.0)]


def test_crossing_outlines_lines_and_children_do_no_harm() -> None:
    bow = shapely.Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])
    parent = Annotation(
        shapely.box(6, 6, 10, 10),
        shown_as=AnnotationClass("Tumor"),
        children=(region("Stroma", 7, 7, 8, 8), region("Stroma", 20, 20, 30, 30)),
    )
    a = [
        Annotation(bow, shown_as=AnnotationClass("Tumor")),
        Annotation(shapely.Point(1, 1)),
        Annotation(shapely.LineString([(0, 0), (5, 5)])),
        Annotation(shapely.Polygon()),
        parent,
    ]
    comparison = compare(a, [], _SLIDE)
    assert comparison.passed_over == 4
    assert [(each.name, each.area_a) for each in comparison.classes] == [
        ("Stroma", 1.0),
        ("Tumor", 24.0),
    ]
    assert all(each.dice == 0.0 for each in comparison.classes)
    assert compare([], [], _SLIDE).classes == ()


@pytest.mark.slow
def test_a_hundred_thousand_regions_a_side() -> None:
    rng = np.random.default_rng(1)
    middles, radii = rng.uniform(0, 60_000, (100_000, 2)), rng.uniform(12, 28, 100_000)

    def moved(shift_px: float) -> list[Annotation]:
        shapes = shapely.buffer(shapely.points(middles + shift_px), radii, quad_segs=6)
        return [Annotation(each, shown_as=AnnotationClass("N")) for each in shapes]

    (each,) = compare(moved(0.0), moved(4.0), shapely.box(0, 0, 60_000, 60_000)).classes
    assert 0.6 < each.dice < 0.95
    assert each.matched > 80_000


def test_many_nested_outlines_are_matched_in_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 300
    nested = [region("T", at, at, 2 * count - at, 2 * count - at) for at in range(count)]
    tried: list[int] = []
    ious = overlapping._Work.ious

    def counted(self: overlapping._Work, *pairs: overlapping.Numbers) -> NDArray[np.float64]:
        tried.append(len(pairs[0]))
        return ious(self, *pairs)

    monkeypatch.setattr(overlapping._Work, "ious", counted)
    for other in (nested, nested[1:]):
        (found,) = compare(nested, other, shapely.box(0, 0, 2 * count, 2 * count)).classes
        assert (found.matched, found.mean_matched_iou) == (len(other), pytest.approx(1))
        assert sum(tried) <= 4 * count  # of 90,000 pairs that meet
        tried.clear()


@given(st.lists(_boxes, max_size=9), st.lists(_boxes, max_size=9))
def test_matched_outlines_are_those_of_all_pairs(a: list[Annotation], b: list[Annotation]) -> None:
    one, other = (np.array([each.geometry for each in some], object) for some in (a, b))
    pairs = sorted(
        (
            (i.intersection(j).area / i.union(j).area, -at, -to)
            for at, i in enumerate(one)
            for to, j in enumerate(other)
        ),
        reverse=True,
    )
    free_a, free_b, best = set(range(len(a))), set(range(len(b))), list[float]()
    for iou, at, to in pairs:
        if iou >= 0.5 and -at in free_a and -to in free_b:
            free_a.remove(-at)
            free_b.remove(-to)
            best.append(iou)
    found = overlapping.matched_ious(one, other, 0.5, "They")
    # Which of two equal pairs goes first may decide what is left for others.
    if len(best) == len({iou for iou, *_ in pairs if iou >= 0.5}):
        assert found.tolist() == pytest.approx(best)
    assert found.tolist() == sorted(found, reverse=True)


def test_regions_of_thousands_of_classes_take_no_time_for_each_pair_of_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    meeting = overlapping.meeting
    monkeypatch.setattr(
        "viewer.annotations.comparison.meeting",
        lambda a, b, name: asked.append(len(a)) or meeting(a, b, name),
    )
    one, other = ([region(f"{who}{at}", at, 0, at + 1, 9) for at in range(40)] for who in "AB")
    found = compare(one, other, shapely.box(0, 0, 40, 9))
    assert len(found.disagreements) == 40
    assert len(asked) < 10 * 80  # of 1,600 pairs of classes


@pytest.mark.parametrize("bars", [300, 500, 700])
def test_regions_that_cross_or_overlap_too_often_are_one_sentence(bars: int) -> None:
    comb = [region("T", 0, 2 * at, 2 * bars, 2 * at + 1) for at in range(bars)]
    comb += [region("T", 2 * at, 0, 2 * at + 1, 2 * bars) for at in range(bars)]
    with pytest.raises(LimitError, match=r"lie on one another about .* times, too often"):
        compare(comb, comb[:1], shapely.box(0, 0, 2 * bars, 2 * bars))
    same = np.full(3300, shapely.box(0, 0, 9, 9), object)
    with pytest.raises(LimitError, match=r"lie on one another about .* times, too often"):
        overlapping.alike(same, same, 0.5, "They")
