"""Slides that OpenSlide alone reads: ours, in a process of its own, against reading here.

The MIRAX slide is written here; an NDPI is taken from the folder that COVERSLIP_TEST_DATA names,
and left out where there is none. All read the same files, in rounds that take turns, by the loader
of the window: two threads that want the same tiles in the same order.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import struct
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import imagecodecs
import numpy as np
import openslide
import psutil

from benchmarks.report import Figure
from viewer.slides import open_slide
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.pool import reader_pool
from viewer.slides.source import RgbImage
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.slides.source import Level, SlideSource

    Load = Callable[[list[TileKey]], None]

_ROUNDS, _TILES, _OPEN_SLIDES = 9, 150, 20
_SCREEN_PX = 1920
_SPARE_S = 1.5
"""For the process in reserve to start."""
_MIB = 1 << 20
_SIDE_PX, _IMAGE_PX, _LEVELS = 4096, 256, 4


def run() -> list[Figure]:
    """Return the figures of a MIRAX slide, and of an NDPI where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        slides = {"MIRAX": write_mirax(Path(folder))}
        data = Path(os.environ.get("COVERSLIP_TEST_DATA", "../shared/data"))
        if found := sorted(data.rglob("*.ndpi")):
            slides["NDPI"] = found[0]
        else:
            print("NDPI is left out: COVERSLIP_TEST_DATA names no folder with one")
        figures = [each for name, path in slides.items() for each in _figures(name, path)]
        return [*figures, *_memory(slides["MIRAX"], Path(folder))]


def _figures(name: str, path: Path) -> list[Figure]:
    ways = {"ours": open_slide, "one process": open_here, "OpenSlide": _OpenSlideAlone}
    sharp_s: dict[str, list[float]] = {way: [] for way in ways}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with closing(open_here(path)) as known:
        fit = max(n for n, each in enumerate(known.levels) if each.width_px >= _SCREEN_PX or not n)
        shown = known.levels[fit]
        base = known.levels[0]
    tiles = [TileKey(fit, x, y) for y in range(shown.rows) for x in range(shown.columns)][:40]
    everywhere = [TileKey(0, x, y) for y in range(base.rows) for x in range(base.columns)]
    wanted = random.Random(4).sample(everywhere, _TILES)  # noqa: S311 - a fixed series of tiles
    _levels_of(path)  # for OpenSlide alone, which should not pay for our reading of them
    for _ in range(_ROUNDS):
        for way, opener in ways.items():
            if way == "ours":
                reader_pool().keep_spare()
                time.sleep(_SPARE_S)
            with ExitStack() as stack:
                started_s = time.perf_counter()
                load = _loading(opener(path), stack)
                load(tiles)
                sharp_s[way].append(time.perf_counter() - started_s)
                started_s = time.perf_counter()
                load(wanted)
                rates[way].append(_TILES / (time.perf_counter() - started_s))
    sharp = {way: 1000 * statistics.median(each) for way, each in sharp_s.items()}
    rate = {way: statistics.median(each) for way, each in rates.items()}
    return [
        *(Figure("readers", f"{name}, {way}, open to sharp", sharp[way], "ms") for way in ways),
        *(Figure("readers", f"{name}, {way}, tiles", rate[way], "/s") for way in ways),
        *(
            Figure(
                "readers", f"{name}, open to sharp against {way}", _ratio(sharp_s, way), "x", 1.5,
            )
            for way in ("one process", "OpenSlide")
        ),
        *(
            Figure(
                "readers", f"{name}, tiles against {way}", _ratio(rates, way), "x", 0.8,
                at_least=True,
            )
            for way in ("one process", "OpenSlide")
        ),
    ]  # fmt: skip


def _ratio(figures: dict[str, list[float]], way: str) -> float:
    """Return how ours stands to another way; of each round, since a machine's load changes."""
    pairs = zip(figures["ours"], figures[way], strict=True)
    return statistics.median(ours / other for ours, other in pairs)


class _ScreenTiles:
    """Takes tiles as the window does where nothing alters their colors."""

    takes_screen_pixels = True

    def __call__(self, pixels: RgbImage) -> tuple[RgbImage, int]:
        return pixels, pixels.nbytes


def _loading(source: SlideSource, stack: ExitStack) -> Load:
    """Return what loads tiles of a slide and waits for them."""
    stack.callback(source.close)
    are_there = threading.Event()
    left: set[TileKey] = set()

    def has_come(key: TileKey) -> None:
        left.discard(key)
        if not left:
            are_there.set()

    cache = TileCache[RgbImage](1 << 30)
    loader = TileLoader(source, _ScreenTiles(), cache, has_come)
    stack.callback(loader.close)

    def load(keys: list[TileKey]) -> None:
        left.update(keys)
        are_there.clear()
        loader.request(TilePlan(keys[0].level, tuple(keys), (), ()))
        are_there.wait()
        if loader.failures:
            raise RuntimeError(next(iter(loader.failures.values())))

    return load


@cache
def _levels_of(path: Path) -> tuple[Level, ...]:
    with closing(open_here(path)) as known:
        return known.levels


class _OpenSlideAlone:
    """What of a slide the loader needs, by OpenSlide's own interface."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.levels = _levels_of(path)
        self._slide = openslide.OpenSlide(path)
        self.close = self._slide.close

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        about = self.levels[level]
        width, height = about.tile_size_px(column, row)
        shrunk = round(about.downsample)
        corner = (column * about.tile_width_px * shrunk, row * about.tile_height_px * shrunk)
        nearest = self._slide.get_best_level_for_downsample(about.downsample + 0.01)
        region = self._slide.read_region(corner, nearest, (width, height))
        return np.asarray(region)[..., :3].copy()


def _memory(slide: Path, folder: Path) -> list[Figure]:
    """Return what the reader processes of many open slides hold for themselves."""
    with ExitStack() as stack:
        for number in range(_OPEN_SLIDES):
            copy = folder / f"copy{number}.mrxs"
            shutil.copy(slide, copy)
            shutil.copytree(slide.with_suffix(""), copy.with_suffix(""))
            source = open_slide(copy)
            stack.callback(source.close)
            source.read_tile(0, 3, 3)
        readers = psutil.Process().children(recursive=True)
        own = [each.memory_full_info().uss / _MIB for each in readers]
        resident = [each.memory_info().rss / _MIB for each in readers]
    name = f"{_OPEN_SLIDES} open slides, {len(readers)} processes"
    return [
        Figure("readers", f"{name}, own memory of the largest", max(own), "MiB", 60.0),
        Figure("readers", f"{name}, resident memory of the largest", max(resident), "MiB"),
    ]


# A MIRAX slide -----------------------------------------------------------------------------------


def write_mirax(folder: Path) -> Path:
    """Write a MIRAX slide of JPEG images without overlap, each level half as wide as the finer."""
    path = folder / "tissue.mrxs"
    path.write_bytes(imagecodecs.jpeg8_encode(np.zeros((64, 64, 3), np.uint8)))
    data = path.with_suffix("")
    data.mkdir()
    across = _SIDE_PX // _IMAGE_PX
    y, x = np.mgrid[:_SIDE_PX, :_SIDE_PX]
    noise = np.random.default_rng(0).integers(0, 40, (_SIDE_PX, _SIDE_PX), np.uint8)
    picture = np.stack([180 + y // 256 + noise, 90 + noise + x // 128, 150 + noise], 2)
    picture = picture.clip(0, 255).astype(np.uint8)
    (data / "Slidedat.ini").write_text(_slidedat(across), encoding="utf-8-sig")
    pages: list[list[tuple[int, int, int, int]]] = []
    with (data / "Data0000.dat").open("wb") as file:
        for level in range(_LEVELS):
            pages.append(_write_level(file, picture[:: 1 << level, :: 1 << level], level, across))
    (data / "Index.dat").write_bytes(_index(pages))
    return path


def _write_level(
    file: BinaryIO, picture: NDArray[np.uint8], level: int, across: int
) -> list[tuple[int, int, int, int]]:
    """Write the images of a level; return number, offset, length and file of each."""
    entries: list[tuple[int, int, int, int]] = []
    for row in range(0, picture.shape[0], _IMAGE_PX):
        for column in range(0, picture.shape[1], _IMAGE_PX):
            image = picture[row : row + _IMAGE_PX, column : column + _IMAGE_PX]
            jpeg = imagecodecs.jpeg8_encode(np.ascontiguousarray(image), level=85)
            first = (row // _IMAGE_PX * across + column // _IMAGE_PX) << level
            entries.append((first, file.tell(), len(jpeg), 0))
            file.write(jpeg)
    return entries


_SLIDE_ID = "0" * 32
_VERSION = "01.02"


def _slidedat(across: int) -> str:
    sections = {
        "GENERAL": {
            "SLIDE_VERSION": _VERSION, "SLIDE_ID": _SLIDE_ID, "IMAGENUMBER_X": across,
            "IMAGENUMBER_Y": across, "OBJECTIVE_MAGNIFICATION": 20,
            "CameraImageDivisionsPerSide": 1,
        },
        "HIERARCHICAL": {
            "HIER_COUNT": 1, "NONHIER_COUNT": 0, "INDEXFILE": "Index.dat",
            "HIER_0_NAME": "Slide zoom level", "HIER_0_COUNT": _LEVELS,
            **{f"HIER_0_VAL_{n}": f"ZoomLevel_{n}" for n in range(_LEVELS)},
            **{f"HIER_0_VAL_{n}_SECTION": f"LAYER_0_LEVEL_{n}_SECTION" for n in range(_LEVELS)},
        },
        "DATAFILE": {"FILE_COUNT": 1, "FILE_0": "Data0000.dat"},
        **{
            f"LAYER_0_LEVEL_{n}_SECTION": {
                "OVERLAP_X": 0, "OVERLAP_Y": 0, "MICROMETER_PER_PIXEL_X": 0.5 * 2**n,
                "MICROMETER_PER_PIXEL_Y": 0.5 * 2**n, "IMAGE_FORMAT": "JPEG",
                "IMAGE_FILL_COLOR_BGR": 16777215, "DIGITIZER_WIDTH": _IMAGE_PX,
                "DIGITIZER_HEIGHT": _IMAGE_PX, "IMAGE_CONCAT_FACTOR": int(n > 0),
            }
            for n in range(_LEVELS)
        },
    }  # fmt: skip
    lines = [
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    return "\r\n".join(lines) + "\r\n"


def _index(pages: list[list[tuple[int, int, int, int]]]) -> bytes:
    """Return Index.dat: where each level's list of images lies, and these lists."""
    head = (_VERSION + _SLIDE_ID).encode()
    levels_at = len(head) + 8
    body_at = levels_at + 4 * len(pages)
    places: list[int] = []
    body = b""
    for entries in pages:
        at = body_at + len(body)
        places.append(at)
        listed = b"".join(struct.pack("<4i", *entry) for entry in entries)
        body += struct.pack("<iiii", 0, at + 8, len(entries), 0) + listed
    return head + struct.pack("<ii", levels_at, 0) + struct.pack(f"<{len(places)}i", *places) + body
