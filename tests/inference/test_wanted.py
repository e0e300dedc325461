"""What is looked at comes first."""

from __future__ import annotations

from viewer.geometry import Box, Size
from viewer.inference.runs.block_queue import BlockQueue
from viewer.inference.runs.run_clock import RunClock
from viewer.overlays.blocks import BlockGrid, BlockKey

GRID = BlockGrid(Size(1000, 1000), 1.0, 100, 10)


def _all(wanted: BlockQueue) -> list[BlockKey]:
    return list(iter(wanted.take, None))


def test_the_field_then_its_ring_then_the_rest() -> None:
    wanted = BlockQueue(GRID)
    wanted.want(GRID.covering(Box(0, 0, 1000, 1000)))
    wanted.look_at(Box(410, 410, 590, 590))
    order = _all(wanted)
    assert set(order[:4]) == {(4, 4), (4, 5), (5, 4), (5, 5)}
    assert all(3 <= key.column <= 6 and 3 <= key.row <= 6 for key in order[:16])
    assert len(order) == len(set(order)) == 100


def test_a_moved_field_forgets_the_one_before() -> None:
    wanted = BlockQueue(GRID)
    wanted.look_at(Box(0, 0, 90, 90))
    first = wanted.take()
    wanted.look_at(Box(900, 900, 990, 990))
    order = _all(wanted)
    assert first == (0, 0)
    assert order[0] == (9, 9)
    assert all(key.column >= 8 and key.row >= 8 for key in order)


def test_what_is_known_is_not_asked_again() -> None:
    wanted = BlockQueue(GRID)
    wanted.mark_done(BlockKey(0, 0))
    wanted.want(GRID.covering(Box(0, 0, 300, 100)))
    assert (wanted.whole_done, wanted.whole_count) == (1, 3)
    assert _all(wanted) == [(1, 0), (2, 0)]
    wanted.mark_done(BlockKey(1, 0))
    assert (wanted.whole_done, wanted.under_way) == (2, 1)


def test_what_a_dead_process_had_comes_first_again() -> None:
    wanted = BlockQueue(GRID)
    wanted.want(GRID.covering(Box(0, 0, 1000, 100)))
    taken = [wanted.take(), wanted.take()]
    wanted.give_back_all()
    assert wanted.under_way == 0
    assert {wanted.take(), wanted.take()} == set(taken)


def test_stop_leaves_what_is_looked_at() -> None:
    wanted = BlockQueue(GRID)
    wanted.want(GRID.covering(Box(0, 0, 1000, 1000)))
    wanted.look_at(Box(10, 10, 90, 90))
    wanted.stop()
    assert len(_all(wanted)) == 4
    assert wanted.whole_count == 0


def test_a_large_slide_on_screen_is_quickly_ordered() -> None:
    large = BlockGrid(Size(1_000_000, 1_000_000), 1.0, 500, 10)
    wanted = BlockQueue(large)
    wanted.look_at(Box(0, 0, 1_000_000, 1_000_000))
    order = _all(wanted)
    assert len(order) == 1024
    assert all(abs(key.column - 1000) < 40 and abs(key.row - 1000) < 40 for key in order)


def test_what_goes_on_is_told() -> None:
    wanted = BlockQueue(GRID)
    assert wanted.is_idle
    wanted.want(GRID.covering(Box(0, 0, 150, 50)))
    assert not wanted.is_idle
    for _ in range(2):
        key = wanted.take()
        assert key is not None
        assert not wanted.is_idle
        wanted.mark_done(key)
    assert wanted.is_idle
    assert (wanted.whole_done, wanted.whole_count) == (2, 2)


def test_the_time_of_a_run_leaves_pauses_out() -> None:
    now = [100.0]
    clock = RunClock(lambda: now[0])
    now[0] = 104.0
    clock.set_paused(paused=True)
    now[0] = 200.0
    clock.set_paused(paused=True)
    assert clock.elapsed_s == 4.0
    clock.set_paused(paused=False)
    now[0] = 203.0
    assert clock.elapsed_s == 7.0
    clock.restart()
    assert clock.elapsed_s == 0.0
