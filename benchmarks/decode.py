"""Tiles a second of one thread: our reader against others, in rounds that take turns.

Ours is told which tiles follow, as the window's loader tells it: where a process reads them, it
decodes the next one while the window takes one over.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import openslide

from benchmarks.report import Figure
from viewer.cores import keep_apart
from viewer.memory.allocator import keep_memory_of_tiles
from viewer.slides import open_slide
from viewer.slides.source import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Tiles = list[tuple[int, int]]

_ROUNDS = 7
_TILES_PER_ROUND = 150
_SIDE_PX = 256
_TWO_THREADS = 1.8
"""How many times as fast two threads of ours are to be, on two cores that have nothing else."""


def run(slide: Path, *, name: str, target: float) -> list[Figure]:
    """Figures for a slide; `target` is how many times as fast as OpenSlide we are to be."""
    keep_memory_of_tiles()  # as the program does
    source = open_slide(slide)
    level = source.levels[0]
    other = openslide.OpenSlide(slide)
    other.set_cache(openslide.OpenSlideCache(0))
    readers: dict[str, Callable[[int, int], object]] = {
        "OpenSlide": lambda column, row: _openslide_tile(other, column, row),
    }
    _add_others(readers, slide)
    rates: dict[str, list[float]] = {reader: [] for reader in ("ours", *readers)}
    places = random.Random(3)  # noqa: S311 - a fixed series of tiles
    two_threads: list[float] = []

    def read_ours(tiles: Tiles) -> None:
        _drop(source.read_tile(0, *tile) for tile in tiles)

    def read_in_threads(tiles: Tiles, threads: int) -> None:
        expect(source, [(0, *tile) for tile in tiles], threads)
        if threads == 1:
            read_ours(tiles)
        else:
            _drop(pool.map(read_ours, (tiles[::2], tiles[1::2])))

    indices = count()
    with ThreadPoolExecutor(2, initializer=lambda: keep_apart(next(indices), 2)) as pool:
        for _ in range(_ROUNDS):
            tiles = [
                (places.randrange(level.columns - 1), places.randrange(level.rows - 1))
                for _ in range(_TILES_PER_ROUND)
            ]
            for tile in tiles:
                # Once untimed, so that no reader pays for the disk.
                source.read_tile(0, *tile)
            rates["ours"].append(_rate(tiles, lambda tiles: read_in_threads(tiles, 1)))
            for reader, read in readers.items():
                rates[reader].append(
                    _rate(tiles, lambda tiles, read=read: _drop(read(*tile) for tile in tiles))
                )
            two_threads.append(_rate(tiles, lambda tiles: read_in_threads(tiles, 2)))
    source.close()
    other.close()
    medians = {reader: statistics.median(values) for reader, values in rates.items()}
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(rates["ours"], rates["OpenSlide"], strict=True)
    )
    gain = statistics.median(two / one for two, one in zip(two_threads, rates["ours"], strict=True))
    return [
        *(
            Figure("decode", f"{name}, {reader}", rate, "tiles/s")
            for reader, rate in medians.items()
        ),
        Figure("decode", f"{name}, ours, 2 threads", statistics.median(two_threads), "tiles/s"),
        Figure("decode", f"{name}, ours / OpenSlide", ratio, "x", target, at_least=True),
        Figure("decode", f"{name}, 2 threads / 1", gain, "x", _TWO_THREADS, at_least=True),
    ]


def _rate(tiles: Tiles, work: Callable[[Tiles], object]) -> float:
    start_s = time.perf_counter()
    work(tiles)
    return len(tiles) / (time.perf_counter() - start_s)


def _drop(tiles: Iterable[object]) -> None:
    """Read tiles and keep none, so that no reader pays for memory that the others' tiles had."""
    deque(tiles, maxlen=0)


def _openslide_tile(slide: openslide.OpenSlide, column: int, row: int) -> object:
    corner = (column * _SIDE_PX, row * _SIDE_PX)
    return np.asarray(slide.read_region(corner, 0, (_SIDE_PX, _SIDE_PX)).convert("RGB"))


def _add_others(readers: dict[str, Callable[[int, int], object]], slide: Path) -> None:
    """Readers that are installed and that read this slide."""
    try:
        from tiffslide import TiffSlide  # pyright: ignore[reportMissingImports] - need not be here

        tiff = TiffSlide(slide)
        tiff.read_region((0, 0), 0, (_SIDE_PX, _SIDE_PX))
        readers["tiffslide"] = lambda column, row: tiff.read_region(
            (column * _SIDE_PX, row * _SIDE_PX), 0, (_SIDE_PX, _SIDE_PX), as_array=True
        )
    except Exception as error:
        print(f"tiffslide is left out: {error}")
    try:
        from fastslide import FastSlide

        fast = FastSlide.from_file_path(str(slide))
        fast.read_region((0, 0), 0, (_SIDE_PX, _SIDE_PX))
        readers["fastslide"] = lambda column, row: fast.read_region(
            (column * _SIDE_PX, row * _SIDE_PX), 0, (_SIDE_PX, _SIDE_PX)
        )
    except Exception as error:
        print(f"fastslide is left out: {error}")
