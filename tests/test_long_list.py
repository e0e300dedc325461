"""Lists in parts hold what lists hold, and none of their parts is copied once it is full."""

from __future__ import annotations

from array import array

import pytest

from viewer.memory import long_list
from viewer.memory.long_list import LongList, gathered, parts_of


@pytest.mark.parametrize("count", [0, 1, long_list._IN_PART, 2 * long_list._IN_PART + 7])
def test_it_holds_what_a_list_holds(count: int) -> None:
    found = LongList[int]()
    for number in range(count):
        found.append(3 * number)
    assert len(found) == count
    assert list(found) == [3 * number for number in range(count)]
    assert all(found[at] == 3 * at for at in range(0, count, 97))
    if count:
        found[count - 1] = -1
        assert found[count - 1] == list(found)[-1] == -1


def test_its_parts_are_what_is_asked_for_and_stay_where_they_are() -> None:
    found = LongList[int](lambda: array("q"))
    for number in range(long_list._IN_PART):
        found.append(number)
    (first,) = found.parts
    for number in range(10 * long_list._IN_PART):
        found.append(number)
    assert found.parts[0] is first
    assert isinstance(first, array)
    assert {len(part) for part in found.parts} == {long_list._IN_PART}


@pytest.mark.parametrize("count", [0, 7, long_list._IN_PART, 2 * long_list._IN_PART + 7])
def test_very_many_are_gathered_in_parts_and_equal_a_list_of_them(count: int) -> None:
    things = list(range(count))
    found = gathered(each for each in things)
    assert isinstance(found, LongList) == (count >= long_list._IN_PART)
    assert list(reversed(found)) == things[::-1]
    assert list(found[3:-2:2]) == things[3:-2:2]
    longer = LongList[int]()
    longer.extend(things[: count // 3])
    longer.extend(things[count // 3 :])
    assert longer == things == longer
    assert longer != [*things, 1]
    assert [each for part in parts_of(found) for each in part] == things
    assert all(len(part) <= long_list._IN_PART for part in parts_of(found))
