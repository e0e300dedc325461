"""Objects in columns: joined, chosen, kept as bytes, and counted once on borders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from overlay_steps import GRID, squares

from viewer.geometry import Box
from viewer.overlays.blocks import BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_style import ObjectStyle, histogram
from viewer.overlays.objects import Objects, ObjectsError

places = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 600)), max_size=12)


def _same(a: Objects, b: Objects) -> bool:
    return (
        np.array_equal(a.points, b.points)
        and np.array_equal(a.starts, b.starts)
        and np.array_equal(a.centroids, b.centroids)
        and np.array_equal(a.classes, b.classes)
        and list(a.measurements) == list(b.measurements)
        and all(np.array_equal(a.measurements[n], b.measurements[n]) for n in a.measurements)
    )


@given(places)
def test_bytes_give_the_same_objects(corners: list[tuple[float, float]]) -> None:
    objects = squares(*corners)
    assert _same(Objects.from_bytes(objects.to_bytes()), objects)


@given(places, places)
def test_joined_objects_can_be_taken_apart(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    a, b = squares(*first), squares(*second)
    both = Objects.joined([a, b])
    is_first = np.arange(len(both)) < len(a)
    if len(a) and len(b):
        assert _same(both.taken(is_first), a)
        assert _same(both.taken(~is_first), b)
    assert len(both) == len(a) + len(b)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_objects_are_told(data: bytes) -> None:
    with pytest.raises(ObjectsError):
        Objects.from_bytes(data)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_torn_bytes_are_told(keep: float) -> None:
    data = squares(*[(i, i) for i in range(50)]).to_bytes()
    with pytest.raises(ObjectsError):
        Objects.from_bytes(data[: int(len(data) * keep)])


def test_an_object_on_a_border_is_counted_once() -> None:
    found = ObjectMap(GRID, 0.5)
    found.add(BlockKey(0, 0), squares((195, 50), (20, 20)))
    kept = found.add(BlockKey(1, 0), squares((195.5, 50.5), (300, 50)))
    assert found.count == 3
    assert kept.centroids.tolist() == [[305, 55]]


def test_a_block_that_comes_again_takes_the_place_of_itself() -> None:
    found = ObjectMap(GRID, 0.5)
    for _ in range(3):
        found.add(BlockKey(0, 0), squares((20, 20), (60, 60)))
    assert found.count == len(found.all_objects()) == 2


def test_only_blocks_in_the_box_are_given() -> None:
    found = ObjectMap(GRID, 0.5)
    found.add(BlockKey(0, 0), squares((20, 20)))
    found.add(BlockKey(4, 3), squares((820, 620)))
    assert [key for key, _ in found.inside(Box(0, 0, 100, 100))] == [(0, 0)]
    assert len(list(found.inside(Box(0, 0, 1000, 700)))) == 2


def test_blocks_cover_the_slide_and_come_from_the_middle() -> None:
    keys = GRID.covering(Box(0, 0, 1000, 700))
    assert len(keys) == GRID.columns * GRID.rows == 20
    near = GRID.touching(Box(420, 250, 580, 350))
    assert near[0] == (2, 1)
    box = GRID.input_box(BlockKey(1, 1))
    assert (box.x0, box.width) == (200 - 32, 200 + 64)


def _measured(*areas_um2: float) -> Objects:
    objects = squares(*[(20 * i, 20) for i in range(len(areas_um2))])
    objects.measurements["Area um2"] = np.array(areas_um2, np.float32)
    objects.classes[:] = [i % 2 for i in range(len(areas_um2))]
    return objects


def test_objects_are_told_apart_by_class_or_measurement() -> None:
    objects = _measured(10, 20, 30, 40, np.nan)
    assert ObjectStyle().groups(objects).tolist() == [0, 1, 0, 1, 0]
    assert ObjectStyle(frozenset({1})).groups(objects).tolist() == [0, -1, 0, -1, 0]
    by_area = ObjectStyle(frozenset(), "Area um2", 15, 35)
    assert by_area.groups(objects).tolist() == [-1, 4, 12, -1, -1]
    assert ObjectStyle(frozenset(), "Unheard of").groups(objects).tolist() == [-1] * 5


def test_a_histogram_counts_all_but_the_outermost() -> None:
    found = ObjectMap(GRID, 0.5)
    assert histogram(found, "Area um2") is None
    found.add(BlockKey(0, 0), _measured(*range(9), np.nan))
    values = histogram(found, "Area um2")
    assert values is not None
    assert values.counts.sum() == 7
    assert 0 <= values.edges[0] < values.edges[-1] <= 8
