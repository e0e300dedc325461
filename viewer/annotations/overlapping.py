"""Which shapes of two sets lie on one another, found in bounded time and memory.

Of shapes that all lie on one another there are as many pairs as their number squared. Where these
cannot be gone through, LimitError says so before it is tried.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.shape_numbers import areas, bounds_of, place_counts
from viewer.annotations.sound_geometry import estimated_crossings
from viewer.limits import CROSSINGS, OVERLAPS, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Shapes = NDArray[np.object_]
    Numbers = NDArray[np.intp]

_PAIRS_AT_ONCE, _LINKED_AT_ONCE = 500_000, 64
_SIFTED_AT_ONCE, _TRIED_AT_ONCE = 16384, 128
_USUAL_PAIRS, _CROSSINGS_OF_EDGE = 16, 8
"""For a shape and an edge; objects have a few neighbors, however many there are."""
_MOST_WORK = 400_000_000
"""Vertices that are intersected, of all pairs that are tried, and for each pair so many more:"""
_WORK_OF_PAIR = 64
_ROUNDING = 1e-9


def check_crossings(shapes: Shapes, name: str) -> None:
    """Raise LimitError where edges cross so often that no union of the shapes can be made."""
    edges = shapely.count_coordinates(shapes)
    crossings = estimated_crossings(shapes)
    if crossings > CROSSINGS.most + _CROSSINGS_OF_EDGE * edges:
        raise LimitError(OVERLAPS.sentence(name, crossings))


def meeting(a: Shapes, b: Shapes, name: str) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield the pairs that meet, part by part, ordered by the first."""
    tree = shapely.STRtree(b)
    for begin, chunk, _, _ in _chunks(tree, a, name):
        from_a, from_b = tree.query(chunk, predicate="intersects")
        order = np.argsort(from_a, kind="stable")
        yield from_a[order] + begin, from_b[order]


def connected(shapes: Shapes, name: str) -> Iterator[Numbers]:
    """Yield the numbers of shapes that meet, or are linked by others that do, group by group.

    What a shape covers meets nothing that the shape does not meet, too, and is not looked at: of
    shapes within shapes few are. Raises LimitError.
    """
    from viewer.typed.scipy import connected_components

    tree = shapely.STRtree(shapes)
    left = np.argsort(-areas(shapes), kind="stable")
    is_covered = np.zeros(len(shapes), bool)
    links = [np.zeros((2, 0), np.intp)]
    found, most = 0, max(OVERLAPS.most, 2 * _USUAL_PAIRS * len(shapes))
    while len(left := left[~is_covered[left]]):
        some, left = left[:_LINKED_AT_ONCE], left[_LINKED_AT_ONCE:]
        from_some, other = tree.query(shapes[some], predicate="intersects")
        found += len(other)
        if found > most:
            raise LimitError(OVERLAPS.sentence(name, found))
        one = some[from_some]
        links.append(np.stack([one, other]))
        one, other = one[one != other], other[one != other]
        shapely.prepare(shapes[some])
        is_covered[other[shapely.covers(shapes[one], shapes[other])]] = True
        shapely.destroy_prepared(shapes[some])
    count, labels = connected_components(np.concatenate(links, axis=1), len(shapes))
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.searchsorted(labels[order], np.arange(1, count)))


def alike(
    a: Shapes, b: Shapes, least_iou: float, name: str, groups: Numbers | None = None
) -> tuple[Numbers, Numbers, NDArray[np.float64]]:
    """Return pairs whose IoU may be `least_iou` or more, and how large it can be at most.

    That is told by areas and bounds alone. Raises LimitError.

    Parameters
    ----------
    groups
        Of shapes that are held against themselves: pairs are of different ones, each given once,
        the lower number first.
    """
    area_a, area_b = areas(a), areas(b)
    bounds_a, bounds_b = bounds_of(a), bounds_of(b)
    found: list[tuple[Numbers, Numbers, NDArray[np.float64]]] = []
    for begin, _, from_a, from_b in _chunks(shapely.STRtree(b), a, name):
        from_a = from_a + begin
        if groups is not None:
            is_pair = (from_a < from_b) & (groups[from_a] != groups[from_b])
            from_a, from_b = from_a[is_pair], from_b[is_pair]
        low = np.maximum(bounds_a[from_a, :2], bounds_b[from_b, :2])
        sides = np.minimum(bounds_a[from_a, 2:], bounds_b[from_b, 2:]) - low
        one, other = area_a[from_a], area_b[from_b]
        common = np.minimum(np.maximum(sides, 0).prod(1), np.minimum(one, other))
        most = common / np.maximum(one + other - common, 1e-12)
        kept = most >= least_iou - _ROUNDING
        found.append((from_a[kept], from_b[kept], most[kept]))
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    first, second, most = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(first, kind="stable")
    return first[order], second[order], most[order]


def best_first(
    a: Shapes,
    b: Shapes,
    candidates: tuple[Numbers, Numbers, NDArray[np.float64]],
    least_iou: float,
    is_open: Callable[[Numbers, Numbers], NDArray[np.bool_]],
    name: str,
) -> Iterator[tuple[int, int, float]]:
    """Yield pairs with their IoU, the best first, of those that are open when their turn comes.

    A pair is tried only while it is open and no other can be better: of shapes that all lie on one
    another few are.

    Parameters
    ----------
    candidates
        As `alike` gives them.
    is_open
        Tells which pairs may still be taken; those that are not stay so, whatever is taken.
    """
    first, second, most = candidates
    order = np.argsort(-most, kind="stable")
    work = _Work(a, b, name)
    waiting: list[tuple[float, int, int]] = []

    def better_than(least: float) -> Iterator[tuple[int, int, float]]:
        while waiting and -waiting[0][0] >= least:
            negative, one, other = heapq.heappop(waiting)
            if is_open(np.array([one]), np.array([other])).item():
                yield one, other, -negative

    for begin in range(0, len(order), _SIFTED_AT_ONCE):
        left = order[begin : begin + _SIFTED_AT_ONCE]
        while len(left := left[is_open(first[left], second[left])]):
            yield from better_than(float(most[left[0]]) - _ROUNDING)
            tried, left = left[:_TRIED_AT_ONCE], left[_TRIED_AT_ONCE:]
            ious = work.ious(first[tried], second[tried])
            found = ious >= least_iou
            for entry in zip(-ious[found], first[tried][found], second[tried][found], strict=True):
                heapq.heappush(waiting, (float(entry[0]), int(entry[1]), int(entry[2])))
            yield from better_than(float(most[left[0]]) - _ROUNDING if len(left) else np.inf)
    yield from better_than(0)


def matched_ious(a: Shapes, b: Shapes, least_iou: float, name: str) -> NDArray[np.float64]:
    """Return the IoU of each pair that is taken for one object, the best first.

    None is in two pairs.
    """
    free_a, free_b = np.ones(len(a), bool), np.ones(len(b), bool)

    def is_open(first: Numbers, second: Numbers) -> NDArray[np.bool_]:
        return free_a[first] & free_b[second]

    matched: list[float] = []
    candidates = alike(a, b, least_iou, name)
    for one, other, iou in best_first(a, b, candidates, least_iou, is_open, name):
        free_a[one] = free_b[other] = False
        matched.append(iou)
    return np.array(matched, np.float64)


def pairs_alike(
    shapes: Shapes, groups: Numbers, least_iou: float, name: str
) -> tuple[Numbers, Numbers, NDArray[np.float64]]:
    """Return the pairs of shapes of different groups that share `least_iou`, and their IoU.

    Each pair is given once, the lower number first, ordered by it. Raises LimitError.
    """
    first, second, _ = alike(shapes, shapes, least_iou, name, groups)
    work = _Work(shapes, shapes, name)
    ious = np.zeros(len(first))
    for begin in range(0, len(first), _SIFTED_AT_ONCE):
        some = slice(begin, begin + _SIFTED_AT_ONCE)
        ious[some] = work.ious(first[some], second[some])
    is_alike = ious >= least_iou
    return first[is_alike], second[is_alike], ious[is_alike]


class _Work:
    """Computes IoU, and counts what that takes."""

    def __init__(self, a: Shapes, b: Shapes, name: str) -> None:
        self._a, self._b, self._name = a, b, name
        self._area_a, self._area_b = areas(a), areas(b)
        self._length_a = place_counts(a)
        self._length_b = place_counts(b)
        self._done = self._pairs = 0

    def ious(self, first: Numbers, second: Numbers) -> NDArray[np.float64]:
        """Return the IoU of pairs. Raises LimitError where more was asked for than is computed."""
        self._pairs += len(first)
        self._done += _WORK_OF_PAIR * len(first)
        self._done += int((self._length_a[first] + self._length_b[second]).sum())
        if self._done > _MOST_WORK:
            raise LimitError(OVERLAPS.sentence(self._name, self._pairs))
        common = areas(shapely.intersection(self._a[first], self._b[second]))
        whole = self._area_a[first] + self._area_b[second] - common
        return common / np.maximum(whole, 1e-12)


def _chunks(
    tree: shapely.STRtree, shapes: Shapes, name: str
) -> Iterator[tuple[int, Shapes, Numbers, Numbers]]:
    """Yield shapes part by part, with the pairs whose bounds meet. Raises LimitError."""
    step = max(16, _PAIRS_AT_ONCE // max(1, len(tree)))
    most = max(OVERLAPS.most, _USUAL_PAIRS * (len(shapes) + len(tree)))
    count = 0
    for begin in range(0, len(shapes), step):
        chunk = shapes[begin : begin + step]
        from_a, from_b = tree.query(chunk)
        count += len(from_a)
        if count > most:
            raise LimitError(OVERLAPS.sentence(name, count))
        yield begin, chunk, from_a, from_b
