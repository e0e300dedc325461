"""Two sets of regions on one slide held against each other, exactly, through areas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.kept_geometry import geometries_of
from viewer.annotations.overlapping import check_crossings, connected, matched_ious, meeting
from viewer.annotations.shape_numbers import areas, bounds_of_all, dimensions
from viewer.annotations.sound_geometry import repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

    _Shapes = NDArray[np.object_]
    _Numbers = NDArray[np.intp]

MATCH_IOU = 0.5
"""At least as much two outlines share that are taken for one object."""
_REGIONS = "The regions"
_LEAST_DISAGREEMENT_PX2 = 1.0
"""Slivers below this come of rounding; they count in the figures but are not listed."""
_LEAST_WIDTH_PX = 0.02
"""Nor are longer ones that are thinner: files keep hundredths of a pixel."""


class ClassComparison(msgspec.Struct, frozen=True):
    """How well two sets agree on one class.

    Areas are in level-0 pixels. A and B stand for what the first and the second set cover, N for
    the reference. With nothing of the class in either set the shares are NaN.

    Attributes
    ----------
    dice
        2 |A & B| / (|A| + |B|); Dice 1945.
    iou
        |A & B| / |A | B|; Jaccard 1912.
    kappa
        (p_o - p_e) / (1 - p_e), where p_o is the share of the reference on which both say the
        same, the class or not the class, and p_e what chance would give with these areas:
        (|A| |B| + (N - |A|) (N - |B|)) / N^2; Cohen, Educ. Psychol. Meas. 20, 1960. It depends
        on the reference: much ground that neither marked raises it. NaN where a class fills the
        reference, or is missing from it, in both.
    matched
        Pairs of outlines, one of each set, with an IoU of `MATCH_IOU` or more; none is in two
        pairs, and better pairs go first.
    """

    name: str
    count_a: int
    count_b: int
    area_a: float
    area_b: float
    area_both: float
    reference_area: float
    matched: int
    mean_matched_iou: float

    @property
    def dice(self) -> float:
        return _share(2 * self.area_both, self.area_a + self.area_b)

    @property
    def iou(self) -> float:
        return _share(self.area_both, self.area_a + self.area_b - self.area_both)

    @property
    def kappa(self) -> float:
        whole = self.reference_area
        if whole <= 0:
            return float("nan")
        a, b = self.area_a / whole, self.area_b / whole
        observed = 1 - a - b + 2 * self.area_both / whole
        expected = a * b + (1 - a) * (1 - b)
        return _share(observed - expected, 1 - expected)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN) of outlines."""
        return _share(2 * self.matched, self.count_a + self.count_b)


class Disagreement(msgspec.Struct, frozen=True):
    """A region that the sets call otherwise; "" where a set says nothing of it."""

    geometry: BaseGeometry
    class_a: str
    class_b: str

    @property
    def area_px2(self) -> float:
        return self.geometry.area


class Comparison(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    classes
        The classes of both sets, by name.
    disagreements
        The largest first.
    passed_over
        Points and lines, which have no area, and what lies wholly outside the reference.
    """

    classes: tuple[ClassComparison, ...]
    disagreements: tuple[Disagreement, ...]
    reference: BaseGeometry
    passed_over: int

    @property
    def mean_dice(self) -> float:
        """Return the mean Dice of the classes, each counting alike; NaN without any."""
        dices = [each.dice for each in self.classes if not math.isnan(each.dice)]
        return _share(sum(dices), len(dices))

    def of(self, name: str) -> ClassComparison | None:
        return next((each for each in self.classes if each.name == name), None)


def compare(
    first: Iterable[Annotation], second: Iterable[Annotation], reference: BaseGeometry
) -> Comparison:
    """Compare two sets of annotations within a reference.

    Parameters
    ----------
    reference
        Where both looked: the whole slide as a box, or the union of the regions that were to be
        annotated (`regions_of`). What reaches beyond it is cut off.

    Raises
    ------
    LimitError
        Regions lie on one another too often.
    """
    shapely.prepare(reference)
    one, passed_a = _by_class(first, reference)
    other, passed_b = _by_class(second, reference)
    every = [*one.values(), *other.values()]
    if every:
        check_crossings(np.concatenate(every), _REGIONS)
    names = sorted({*one, *other})
    surplus_a: dict[str, _Shapes] = {}
    surplus_b: dict[str, _Shapes] = {}
    classes: list[ClassComparison] = []
    for name in names:
        shapes_a, shapes_b = one.get(name, _none()), other.get(name, _none())
        covered_a, covered_b = _covered(shapes_a), _covered(shapes_b)
        ious = matched_ious(shapes_a, shapes_b, MATCH_IOU, _REGIONS)
        classes.append(
            ClassComparison(
                name=name,
                count_a=len(shapes_a),
                count_b=len(shapes_b),
                area_a=_area(covered_a),
                area_b=_area(covered_b),
                area_both=_common_area(covered_a, covered_b),
                reference_area=reference.area,
                matched=len(ious),
                mean_matched_iou=float(ious.mean()) if len(ious) else float("nan"),
            )
        )
        surplus_a[name] = _without(covered_a, covered_b)
        surplus_b[name] = _without(covered_b, covered_a)
    found = [*_confused(surplus_a, surplus_b)]
    found = [each for each in found if not _is_sliver(each.geometry)]
    found.sort(key=lambda each: each.area_px2, reverse=True)
    return Comparison(tuple(classes), tuple(found), reference, passed_a + passed_b)


def regions_of(annotations: Iterable[Annotation], class_name: str) -> BaseGeometry:
    """Return all that the regions of a class cover; empty where there is none."""
    shapes = [
        each.geometry
        for annotation in annotations
        for each in _flat(annotation)
        if each.class_name == class_name
    ]
    valid = _regions(shapes)
    if len(valid):
        check_crossings(valid, _REGIONS)
    return shapely.union_all(valid) if len(valid) else shapely.Polygon()


def bounds_of(annotations: Iterable[Annotation]) -> BaseGeometry:
    """Return the box round everything, for a slide whose size is not known."""
    shapes = geometries_of(annotations)
    return shapely.box(*bounds_of_all(shapes)) if len(shapes) else shapely.Polygon()


# Shapes of a class ---------------------------------------------------------------------------


def _by_class(
    annotations: Iterable[Annotation], reference: BaseGeometry
) -> tuple[dict[str, _Shapes], int]:
    """Return the regions of each class within the reference, and how many others there were."""
    held: dict[str, list[BaseGeometry]] = {}
    count = 0
    for annotation in annotations:
        for each in _flat(annotation):
            count += 1
            held.setdefault(each.class_name or NO_CLASS, []).append(each.geometry)
    cut = {name: _cut(_regions(shapes), reference) for name, shapes in held.items()}
    kept = {name: shapes for name, shapes in cut.items() if len(shapes)}
    return kept, count - sum(len(shapes) for shapes in kept.values())


def _flat(annotation: Annotation) -> Iterator[Annotation]:
    yield annotation
    for child in annotation.children:
        yield from _flat(child)


def _regions(shapes: list[BaseGeometry]) -> _Shapes:
    """Return those with an area, crossings mended."""
    held = np.array(shapes, dtype=object)
    if not len(held):
        return held
    held = held[(dimensions(held) == 2) & ~shapely.is_empty(held)]
    for index in np.flatnonzero(~shapely.is_valid(held)).tolist():
        held[index] = repaired(held[index])
    return held[areas(held) > 0] if len(held) else held


def _cut(shapes: _Shapes, reference: BaseGeometry) -> _Shapes:
    if not len(shapes):
        return shapes
    inside = shapely.covers(reference, shapes)
    beyond = np.flatnonzero(~inside)
    cut = shapely.intersection(shapes[beyond], reference)
    shapes[beyond] = [repaired(each) if each.area > 0 else each for each in cut.tolist()]
    return shapes[areas(shapes) > 0]


def _covered(shapes: _Shapes) -> _Shapes:
    """Return the same ground as parts of which no two overlap.

    Only what touches is united: one union of all takes ten times as long.
    """
    if not len(shapes):
        return shapes
    groups = [shapes[numbers] for numbers in connected(shapes, _REGIONS)]
    united = [each[0] if len(each) == 1 else shapely.union_all(each) for each in groups]
    parts = shapely.get_parts(np.array(united, dtype=object))
    return parts[areas(parts) > 0]


# Two sets of parts ---------------------------------------------------------------------------


def _common_area(a: _Shapes, b: _Shapes) -> float:
    return float(areas(_common(a, b, *_meeting(a, b))).sum())


def _common(a: _Shapes, b: _Shapes, from_a: _Numbers, from_b: _Numbers) -> _Shapes:
    """Return what the two of each pair share; what lies within a large region is quickly seen."""
    some = np.unique(from_a)
    shapely.prepare(a[some])
    is_inside = shapely.covers(a[from_a], b[from_b])
    shapely.destroy_prepared(a[some])
    common = b[from_b]
    beyond = np.flatnonzero(~is_inside)
    common[beyond] = shapely.intersection(a[from_a[beyond]], b[from_b[beyond]])
    return common


def _without(a: _Shapes, b: _Shapes) -> _Shapes:
    """Return what the parts of `b` leave of those of `a`."""
    from_a, from_b = _meeting(a, b)
    if not len(from_a):
        return a
    touched, groups = np.unique(from_a, return_inverse=True)
    # Parts do not overlap, so those that meet one shape are one valid shape together.
    others = np.asarray(shapely.multipolygons(b[from_b], indices=groups))
    for index in np.flatnonzero(~shapely.is_valid(others)).tolist():  # but for rounding
        others[index] = repaired(others[index])
    left = np.delete(a, touched)
    cut = shapely.get_parts(shapely.difference(a[touched], others))
    return np.concatenate([left, cut[areas(cut) > 0]])


def _meeting(a: _Shapes, b: _Shapes) -> tuple[_Numbers, _Numbers]:
    """Indices of the pairs that meet, ordered by the first."""
    if not len(a) or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    from_a, from_b = zip(*meeting(a, b, _REGIONS), strict=True)
    return np.concatenate(from_a), np.concatenate(from_b)


def _meeting_classes(a: dict[str, _Shapes], b: dict[str, _Shapes]) -> set[tuple[str, str]]:
    """Return the pairs of different classes of which regions meet."""
    names_a, names_b = list(a), list(b)
    held_a, held_b = list(a.values()), list(b.values())
    if not names_a or not names_b:
        return set()
    of_a = np.repeat(np.arange(len(held_a)), [len(each) for each in held_a])
    of_b = np.repeat(np.arange(len(held_b)), [len(each) for each in held_b])
    from_a, from_b = _meeting(np.concatenate(held_a), np.concatenate(held_b))
    pairs: list[int] = np.unique(of_a[from_a] * len(names_b) + of_b[from_b]).tolist()
    found = ((names_a[each // len(names_b)], names_b[each % len(names_b)]) for each in pairs)
    return {(one, other) for one, other in found if one != other}


def _confused(
    surplus_a: dict[str, _Shapes], surplus_b: dict[str, _Shapes]
) -> Iterator[Disagreement]:
    """What one set has of a class and the other has not, by what the other has there instead."""
    left_a, left_b = dict(surplus_a), dict(surplus_b)
    for class_a, class_b in sorted(_meeting_classes(surplus_a, surplus_b)):
        shapes_a, shapes_b = surplus_a[class_a], surplus_b[class_b]
        both = _common(shapes_a, shapes_b, *_meeting(shapes_a, shapes_b))
        yield from _disagreements(both, class_a, class_b)
        left_a[class_a] = _without(left_a[class_a], shapes_b)
        left_b[class_b] = _without(left_b[class_b], shapes_a)
    for name, shapes in left_a.items():
        yield from _disagreements(shapes, name, "")
    for name, shapes in left_b.items():
        yield from _disagreements(shapes, "", name)


def _disagreements(shapes: _Shapes, class_a: str, class_b: str) -> Iterator[Disagreement]:
    parts = shapely.get_parts(shapes)
    for part in parts[areas(parts) > 0].tolist():
        yield Disagreement(part, class_a, class_b)


def _is_sliver(region: BaseGeometry) -> bool:
    """Return whether a region is as small or, along its border, as thin as rounding makes it."""
    area_px2 = region.area
    return area_px2 < max(_LEAST_DISAGREEMENT_PX2, _LEAST_WIDTH_PX * region.length / 2)


def _none() -> _Shapes:
    return np.zeros(0, object)


def _area(shapes: _Shapes) -> float:
    return float(areas(shapes).sum()) if len(shapes) else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
