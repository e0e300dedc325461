"""Memory that was freed goes back to the system, and what is released slowly sees to it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from viewer.memory import slow_release

_SMALL_PAGES = """
    import ctypes
    ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE
"""
"""The kernel gives pages of 2 MB, of which far fewer are counted, while it has any left."""

_FREES = """
    import psutil
    from viewer.memory.allocator import give_memory_back

    process = psutil.Process()
    held = [bytes(3000) for _ in range(60_000)]
    last = bytes(3000)  # lies above them, so that the heap cannot shrink by itself
    full = process.memory_info().rss
    del held
    kept = process.memory_info().rss
    give_memory_back()
    print(full - kept, kept - process.memory_info().rss)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has it")
def test_freed_memory_goes_back_to_the_system() -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SMALL_PAGES + _FREES)],
        capture_output=True,
        text=True,
        check=True,
    )
    by_itself, then = map(int, run.stdout.split())
    assert by_itself + then > 150e6
    assert then > 100e6


_READS = """
    import resource
    import sys

    from viewer.memory.allocator import keep_memory_of_tiles

    if sys.argv[1] == "kept":
        keep_memory_of_tiles()

    def read():
        tiles = [bytes([1]) * (1 << 18) for _ in range(64)]

    read()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        read()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has it")
def test_memory_of_tiles_serves_the_next_tiles() -> None:
    faults = {
        way: int(
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(_SMALL_PAGES + _READS), way],
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for way in ("given back", "kept")
    }  # fmt: skip
    assert 10 * faults["kept"] < faults["given back"]


_COMPUTES = """
    import sys
    import threading

    import numpy
    import psutil
    from viewer.memory.allocator import give_memory_back, share_arenas

    if sys.argv[1] == "shared":
        share_arenas()
    is_there = threading.Barrier(8)

    def compute():
        is_there.wait()  # none takes over what another one that has ended kept
        for count in (4_000_000, 1_800_000):  # the larger one has glibc keep more
            parts = [numpy.ones(count) for _ in range(3)]
            is_there.wait()
            del parts

    process = psutil.Process()
    before = process.memory_info().rss
    threads = [threading.Thread(target=compute) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    give_memory_back()
    print(process.memory_info().rss - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has it")
def test_threads_that_share_arenas_keep_little_of_what_they_computed_with() -> None:
    def kept_bytes(how: str) -> int:
        command = [sys.executable, "-c", textwrap.dedent(_SMALL_PAGES + _COMPUTES), how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert kept_bytes("apart") > 200e6
    assert kept_bytes("shared") < 100e6


_COMPUTES_AGAIN = """
    import resource
    import sys
    import threading

    import numpy
    import psutil
    from viewer.memory.allocator import give_memory_back, keep_freed_memory

    if sys.argv[1] == "kept":
        keep_freed_memory()

    def compute():
        for _ in range(60):
            parts = [numpy.ones(4_000_000) for _ in range(3)]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    process = psutil.Process()
    full = process.memory_info().rss
    give_memory_back()
    print(pages, full - process.memory_info().rss)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has it")
def test_memory_of_one_computation_serves_the_next() -> None:
    def pages_and_given(how: str) -> list[int]:
        command = [sys.executable, "-c", textwrap.dedent(_SMALL_PAGES + _COMPUTES_AGAIN), how]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return [int(each) for each in run.stdout.split()]

    (anew, _), (kept, given_bytes) = pages_and_given("anew"), pages_and_given("kept")
    assert kept < anew / 5
    assert given_bytes > 50e6, "what is kept can be given back"


def test_what_is_released_slowly_is_given_back_once_it_is_very_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[int] = []
    monkeypatch.setattr(slow_release, "_LATER_S", 0.01)
    monkeypatch.setattr(slow_release, "give_memory_back", lambda: given.append(1))

    def wait_for_the_end() -> None:
        until_s = time.monotonic() + 20
        while slow_release._is_running:
            assert time.monotonic() < until_s
            time.sleep(0.005)

    wait_for_the_end()
    few, many = list(range(1000)), list(range(40_000))
    slow_release.release_slowly(few)
    wait_for_the_end()
    assert not given
    slow_release.release_slowly(many, dict.fromkeys(range(130_000)))
    wait_for_the_end()
    assert len(given) == 4, "part by part, and what is left of it"
    assert not few
    assert not many
