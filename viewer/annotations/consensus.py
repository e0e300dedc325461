"""What most of several readers drew: their sets of one slide made into one."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import Annotation
from viewer.annotations.comparison import MATCH_IOU
from viewer.annotations.overlapping import alike, best_first, check_crossings, connected
from viewer.annotations.shape_numbers import areas
from viewer.annotations.sound_geometry import repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import AnnotationClass, Kind
    from viewer.annotations.overlapping import Numbers

VOTES, READERS = "Votes", "Readers"
"""Measurements of an object of the consensus: how many drew it, of how many."""
_NAME = "The annotations of the readers"
_LEAST_PX2 = 1.0
"""Slivers below this come of rounding."""
_LEAST_SHARE = 0.1
"""Of the median object of a class: less, and it is where the edges of neighbors overlap."""

_FEW_CHOICES = 4
"""Of which of the readers agree; of more the faces between all borders are gone through."""


class _Drawn(msgspec.Struct, frozen=True):
    """An object and the number of the reader who drew it."""

    reader: int
    annotation: Annotation
    shape: BaseGeometry


def majority(readers: int) -> int:
    """Return how many of several readers are more than half of them."""
    return readers // 2 + 1


def consensus(sets: Sequence[Iterable[Annotation]], needed: int = 0) -> list[Annotation]:
    """Return what at least `needed` readers drew, each reader with one vote.

    Outlines of one class that share half of what either covers (`MATCH_IOU`) are one object: it
    is in the consensus where enough readers drew it, and covers what most of those cover. Beside
    these, a place that enough readers marked as the class is in the consensus, however they
    divided it. Points and lines have no area and are left out.

    Parameters
    ----------
    sets
        The annotations of each reader.
    needed
        Votes; by default more than half of the readers.

    Raises
    ------
    LimitError
        They lie on one another so often that it would take hours; one sentence.
    """
    needed = needed or majority(len(sets))
    by_class: dict[str, list[_Drawn]] = defaultdict(list)
    classes: dict[str, AnnotationClass | None] = {}
    for reader, drawn_by in enumerate(sets):
        for each in drawn_by:
            shape = _sound(each.geometry)
            if each.kind == "root" or shape.area <= 0:
                continue
            by_class[each.class_name].append(_Drawn(reader, each, shape))
            classes.setdefault(each.class_name, each.shown_as)
    found: list[Annotation] = []
    for name, drawn in by_class.items():
        found += _of_class(drawn, classes[name], needed, len(sets))
    return found


def _sound(geometry: BaseGeometry) -> BaseGeometry:
    """Return a geometry without crossing edges; an empty one where nothing is left of it."""
    if geometry.is_valid:
        return geometry
    try:
        return repaired(geometry)
    except ValueError:
        return shapely.Polygon()


def _of_class(
    drawn: list[_Drawn], shown_as: AnnotationClass | None, needed: int, readers: int
) -> Iterator[Annotation]:
    shapes = np.array([each.shape for each in drawn], object)
    check_crossings(shapes, _NAME)
    least_px2 = max(_LEAST_PX2, _LEAST_SHARE * float(np.median(areas(shapes))))
    clusters = _clusters(drawn, shapes)
    # One union of all takes many times as long as one of what touches.
    for group in connected(shapes, _NAME):
        numbers: list[int] = group.tolist()
        found = [clusters[number] for number in numbers if number in clusters]
        objects = [[drawn[number] for number in cluster] for cluster in found]
        taken: list[BaseGeometry] = []
        for cluster in objects:
            votes = len(cluster)
            if votes < needed:
                continue
            shape = _covered([each.shape for each in cluster], majority(votes))
            if shape.area >= _LEAST_PX2:
                taken.append(shape)
                yield _made(shape, shown_as, votes, readers, cluster[0].annotation.kind)
        if len(objects) == 1 and needed >= majority(len(numbers)):
            continue  # all that enough readers marked is taken
        unions = _unions([drawn[number] for number in numbers])
        if len(unions) < needed:
            continue
        shapely.prepare(unions)
        left = shapely.difference(_covered(unions, needed), shapely.union_all(taken))
        for part in shapely.get_parts(left).tolist():
            if isinstance(part, shapely.Polygon) and part.area >= least_px2:
                inner = part.representative_point()
                votes = sum(union.intersects(inner) for union in unions)
                yield _made(part, shown_as, votes, readers, "annotation")


def _made(
    shape: BaseGeometry, shown_as: AnnotationClass | None, votes: int, readers: int, kind: Kind
) -> Annotation:
    kept: Kind = "detection" if kind in ("detection", "cell") else "annotation"
    measured = {VOTES: float(votes), READERS: float(readers)}
    return Annotation(shape, kind=kept, shown_as=shown_as, measurements=measured)


def _clusters(drawn: list[_Drawn], shapes: NDArray[np.object_]) -> dict[int, list[int]]:
    """Return objects that are one, by the number of one of them: at most one of each reader.

    The best pairs go first.
    """
    readers = np.array([each.reader for each in drawn])
    _, places = np.unique(readers, return_inverse=True)
    # A bit for each reader of whom there is an object in the cluster of each object.
    held = np.zeros((len(drawn), places.max() // 64 + 1), np.uint64)
    held[np.arange(len(drawn)), places // 64] = np.uint64(1) << (places % 64).astype(np.uint64)
    members = {number: [number] for number in range(len(drawn))}
    cluster_of = list(members)

    def is_open(first: Numbers, second: Numbers) -> NDArray[np.bool_]:
        return np.asarray((held[first] & held[second]).max(1) == 0)

    candidates = alike(shapes, shapes, MATCH_IOU, _NAME, readers)
    for first, second, _ in best_first(shapes, shapes, candidates, MATCH_IOU, is_open, _NAME):
        one, other = cluster_of[first], cluster_of[second]
        members[one] += members.pop(other)
        held[members[one]] = held[first] | held[second]
        for number in members[one]:
            cluster_of[number] = one
    return members


def _covered(shapes: Sequence[BaseGeometry], needed: int) -> BaseGeometry:
    """Return where at least `needed` of the shapes are."""
    if needed <= 1:
        return shapely.union_all(shapes)
    if comb(len(shapes), needed) <= _FEW_CHOICES:
        common = [shapely.intersection_all(chosen) for chosen in combinations(shapes, needed)]
        parts = shapely.get_parts(common)
        return shapely.union_all(parts[areas(parts) > 0])  # without where borders touch
    edges = shapely.union_all([shape.boundary for shape in shapes])
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(edges)))
    inner = shapely.point_on_surface(faces)
    for shape in shapes:
        shapely.prepare(shape)
    votes = sum(shapely.intersects(shape, inner).astype(int) for shape in shapes)
    return shapely.union_all(faces[votes >= needed])


def _unions(drawn: Iterable[_Drawn]) -> list[BaseGeometry]:
    """Return what each reader covers, of those who drew something."""
    by_reader: dict[int, list[BaseGeometry]] = defaultdict(list)
    for each in drawn:
        by_reader[each.reader].append(each.shape)
    return [shapely.union_all(shapes) for _, shapes in sorted(by_reader.items())]
