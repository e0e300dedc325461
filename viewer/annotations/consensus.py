"""What most of several readers drew: their sets of one slide made into one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.annotation import Annotation, repaired
from viewer.annotations.comparison import MATCH_IOU
from viewer.annotations.overlapping import check_crossings, pairs_alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import AnnotationClass, Kind

VOTES, READERS = "Votes", "Readers"
"""Measurements of an object of the consensus: how many drew it, of how many."""
_NAME = "The annotations of the readers"
_LEAST_PX2 = 1.0
"""Slivers below this come of rounding."""
_LEAST_SHARE = 0.1
"""Of the median object of a class: less, and it is where the edges of neighbors overlap."""


@dataclass(frozen=True, slots=True)
class _Drawn:
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
    check_crossings(np.array([each.shape for each in drawn], object), _NAME)
    taken: list[BaseGeometry] = []
    for cluster in _clusters(drawn):
        votes = len({each.reader for each in cluster})
        if votes < needed:
            continue
        shapes = [_of_reader(cluster, reader) for reader in _readers(cluster)]
        shape = _covered(shapes, majority(votes))
        if shape.area >= _LEAST_PX2:
            taken.append(shape)
            yield _made(shape, shown_as, votes, readers, cluster[0].annotation.kind)
    unions = [_of_reader(drawn, reader) for reader in _readers(drawn)]
    if len(unions) < needed:
        return
    shapely.prepare(unions)
    least_px2 = max(_LEAST_PX2, _LEAST_SHARE * float(np.median([d.shape.area for d in drawn])))
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


def _clusters(drawn: list[_Drawn]) -> list[list[_Drawn]]:
    """Return objects that are one: the best pairs first, at most one object of each reader."""
    shapes = np.array([each.shape for each in drawn], object)
    readers = np.array([each.reader for each in drawn])
    first, second, iou = pairs_alike(shapes, readers, MATCH_IOU, _NAME)
    matched = np.lexsort((second, first, -iou)).tolist()
    cluster_of = list(range(len(drawn)))
    members = {number: [number] for number in cluster_of}
    for pair in matched:
        one, other = cluster_of[first[pair]], cluster_of[second[pair]]
        if one == other:
            continue
        numbers = [*members[one], *members[other]]
        if len({drawn[number].reader for number in numbers}) < len(numbers):
            continue
        for number in members.pop(other):
            cluster_of[number] = one
        members[one] = numbers
    return [[drawn[number] for number in numbers] for numbers in members.values()]


def _covered(shapes: Sequence[BaseGeometry], needed: int) -> BaseGeometry:
    """Return where at least `needed` of the shapes are."""
    if needed <= 1:
        return shapely.union_all(shapes)
    if needed == len(shapes):
        return shapely.intersection_all(shapes)
    edges = shapely.union_all([shape.boundary for shape in shapes])
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.node(edges))))
    inner = shapely.point_on_surface(faces)
    for shape in shapes:
        shapely.prepare(shape)
    votes = sum(shapely.intersects(shape, inner).astype(int) for shape in shapes)
    return shapely.union_all(faces[votes >= needed])


def _readers(drawn: Iterable[_Drawn]) -> list[int]:
    return sorted({each.reader for each in drawn})


def _of_reader(drawn: Iterable[_Drawn], reader: int) -> BaseGeometry:
    return shapely.union_all([each.shape for each in drawn if each.reader == reader])
