"""Arrays in huge pages: apart from each other, their memory used again and given back."""

from __future__ import annotations

import gc
import mmap
import threading

import numpy as np
import psutil
import pytest

from viewer.memory.huge_pages import HugePages

TILE_BYTES = 1 << 18

needs_huge_pages = pytest.mark.skipif(
    not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages"
)


@pytest.mark.parametrize("size_bytes", [1, 1000, 65_536, 230_400, TILE_BYTES, 1_440_000, 9 << 20])
def test_arrays_share_no_byte(size_bytes: int) -> None:
    pages = HugePages()
    arrays = [pages.array(size_bytes) for _ in range(20)]
    for number, array in enumerate(arrays):
        assert array.shape == (size_bytes,)
        array.fill(number)
    for number, array in enumerate(arrays):
        assert (array == number).all()


@needs_huge_pages
@pytest.mark.parametrize("size_bytes", [230_400, TILE_BYTES, 1_440_000, 4 << 20])
def test_each_lies_in_as_few_huge_pages_as_it_can(size_bytes: int) -> None:
    pages = HugePages()
    for array in [pages.array(size_bytes) for _ in range(20)]:
        first = array.ctypes.data // (2 << 20)
        last = (array.ctypes.data + size_bytes - 1) // (2 << 20)
        assert last - first <= -(-size_bytes // (2 << 20))


@needs_huge_pages
def test_memory_of_arrays_that_went_serves_those_that_come() -> None:
    pages = HugePages()
    first = [pages.array(TILE_BYTES) for _ in range(16)]
    places = {array.ctypes.data for array in first}
    seen = first[3].reshape(256, 256, 4)[10:, :, :3]
    place_seen = first[3].ctypes.data
    first.clear()
    second = [pages.array(TILE_BYTES) for _ in range(15)]
    assert {array.ctypes.data for array in second} == places - {place_seen}, "one is still seen"
    del seen
    assert pages.array(TILE_BYTES).ctypes.data == place_seen


@needs_huge_pages
def test_what_is_kept_is_bounded_and_the_rest_goes_back_to_the_system() -> None:
    pages, process = HugePages(kept_bytes=8 << 20), psutil.Process()
    arrays = [pages.array(TILE_BYTES) for _ in range(512)]
    for number in range(len(arrays)):  # a name for the last would hold it
        arrays[number].fill(1)
    full_bytes = process.memory_info().rss
    arrays.clear()
    gc.collect()
    assert pages.free_bytes == 8 << 20
    assert full_bytes - process.memory_info().rss > 100 << 20


@needs_huge_pages
def test_threads_that_take_and_let_go_get_no_memory_twice() -> None:
    pages, mixed = HugePages(), list[int]()

    def work(number: int) -> None:
        for turn in range(300):
            arrays = [pages.array(TILE_BYTES) for _ in range(1 + turn % 5)]
            for array in arrays:
                array[:: 1 << 12] = number
            mixed.extend(number for array in arrays if (array[:: 1 << 12] != number).any())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed


@needs_huge_pages
def test_where_the_system_gives_no_more_stretches_arrays_are_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("viewer.memory.huge_pages.mmap.mmap", refuse)
    array = HugePages().array(TILE_BYTES)
    array.fill(7)
    assert np.count_nonzero(array == 7) == TILE_BYTES
