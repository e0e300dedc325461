"""Where annotations lie, in blocks that copies of the index share."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from viewer.annotations import bounds_index
from viewer.annotations.annotation import Annotation
from viewer.annotations.bounds_index import BoundsIndex
from viewer.geometry import Box

if TYPE_CHECKING:
    from uuid import UUID

COUNT = 2 * bounds_index._IN_BLOCK + 700
"""In three blocks, the last of which is not full."""


@pytest.fixture(scope="module")
def held() -> list[Annotation]:
    """Return squares in a row, one a pixel."""
    left, zeros = np.arange(COUNT, dtype=np.float64), np.zeros(COUNT)
    squares = shapely.box(left, zeros, left + 0.5, zeros + 1)
    return [Annotation(each) for each in squares.tolist()]


def _filled(held: list[Annotation]) -> BoundsIndex:
    index = BoundsIndex()
    index.put(held)
    return index


def _from(x0: float, x1: float) -> Box:
    return Box(x0, 0, x1, 1)


def test_rows_of_several_blocks_are_found_in_order(held: list[Annotation]) -> None:
    index = _filled(held)
    edge = bounds_index._IN_BLOCK
    near = index.rows_inside(_from(edge - 2, edge + 1.2))
    assert near.tolist() == list(range(edge - 2, edge + 2))
    assert index.inside(_from(edge - 1, edge + 0.2)) == [held[edge - 1].id, held[edge].id]
    assert index.rows_inside(_from(-9, -5)).tolist() == []
    assert index.rows_inside(Box(-1, -1, COUNT + 1, 2)).tolist() == list(range(COUNT))
    assert index.box == Box(0, 0, COUNT - 0.5, 1)
    upside_down = np.array([COUNT - 1, edge, 3], np.intp)
    assert index.bounds_of(upside_down)[:, 0].tolist() == [COUNT - 1, edge, 3]
    assert index.box_of(upside_down) == Box(3, 0, COUNT - 0.5, 1)
    assert list(chain.from_iterable(index.ordered_rows())) == list(range(COUNT))
    assert list(chain.from_iterable(index.rows_from_top())) == list(range(COUNT))[::-1]


def test_what_is_removed_comes_back_where_it_was(held: list[Annotation]) -> None:
    index = _filled(held)
    gone = [held[0], held[bounds_index._IN_BLOCK], held[-1]]
    for each in gone:
        index.remove(each.id)
    assert index.box == Box(1, 0, COUNT - 1.5, 1)
    kept = list(chain.from_iterable(index.ordered_rows()))
    assert kept == [row for row, each in enumerate(held) if each not in gone]
    index.put(gone)
    assert index.box == Box(0, 0, COUNT - 0.5, 1)
    assert index.inside(Box(-1, -1, COUNT + 1, 2)) == [each.id for each in held]


def test_without_bounds_there_is_no_box() -> None:
    index = BoundsIndex()
    assert index.box is None
    assert index.box_of(np.empty(0, np.intp)) is None
    assert index.rows_inside(Box(0, 0, 9, 9)).tolist() == []
    assert list(index.ordered_rows()) == list(index.rows_from_top()) == []
    empty = Annotation(shapely.Polygon())
    index.put([empty])
    assert index.box is None
    assert index.box_of(np.array([0], np.intp)) is None


def test_a_copy_shares_the_blocks_that_neither_changed(held: list[Annotation]) -> None:
    index = _filled(held)
    before = _state(index)
    copy = index.copied()
    assert all(one is other for one, other in zip(index._blocks, copy._blocks, strict=True))
    moved = Annotation(shapely.box(-8, 0, -7, 1), held[5].id)
    copy.put([moved])
    copy.remove(held[-1].id)
    assert _state(index) == before, "the first one is as it was"
    assert [one is other for one, other in zip(index._blocks, copy._blocks, strict=True)] == [
        False, True, False,
    ]  # fmt: skip
    assert copy.inside(_from(-9, -6)) == [moved.id]
    changed = _state(copy)
    middle = held[bounds_index._IN_BLOCK + 5]
    index.remove(middle.id)
    index.put([Annotation(shapely.box(0, 5, 1, 6))])
    assert _state(copy) == changed, "nor does the first one change the copy"
    own = Annotation(shapely.box(0, 5, 1, 6))
    copy.put([own])
    assert copy.inside(Box(0, 5, 1, 6)) == [own.id]
    assert own.id not in index.inside(Box(0, 5, 1, 6))


def test_it_grows_from_few_rows_to_blocks(held: list[Annotation]) -> None:
    index = BoundsIndex()
    copies: list[tuple[BoundsIndex, list[UUID]]] = []
    for first in range(0, COUNT, 3001):
        index.put(held[first : first + 3001])
        copies.append((index.copied(), index.inside(Box(-1, -1, COUNT + 1, 2))))
    assert index.inside(Box(-1, -1, COUNT + 1, 2)) == [each.id for each in held]
    for copy, ids in copies:
        assert copy.inside(Box(-1, -1, COUNT + 1, 2)) == ids


def _state(index: BoundsIndex) -> list[UUID]:
    return index.inside(Box(-100, -100, COUNT + 100, 100))
