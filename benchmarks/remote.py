"""A slide on a web server that takes 0, 20 and 50 ms for each request."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import tifffile

from benchmarks.report import Figure
from viewer.slides import open_slide
from viewer.slides.remote.address import slide_path
from viewer.slides.source import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from range_server import RangeServer

    from viewer.slides.source import SlideSource

Made = TypeVar("Made")

_DELAYS_MS = (0, 20, 50)
_SIDE_PX, _TILE_PX = 8192, 256
_VIEW = (8, 5)
"""Columns and rows of tiles that a screen of 1920 x 1080 pixels shows."""
_MOST_OPEN, _MOST_JUMP = 6, 4


def run() -> list[Figure]:
    """Return how long opening and a jump take, and what they ask of the server."""
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "remote"))
    from range_server import RangeServer

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_slide(folder / "slide.tif")
        figures: list[Figure] = []
        for delay_ms in _DELAYS_MS:
            server = RangeServer(folder).start()
            server.faults.delay_s = delay_ms / 1000
            figures += _figures(server, delay_ms)
            server.stop()
        return figures


def write_slide(path: Path) -> None:
    """Write a tiled pyramid in JPEG, of colored squares with noise."""
    random = np.random.default_rng(11)
    small = random.integers(0, 255, (_SIDE_PX // 64, _SIDE_PX // 64, 3), np.uint8)
    picture = np.kron(small, np.ones((64, 64, 1), np.uint8))
    picture ^= random.integers(0, 32, picture.shape, np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level in range(5):
            tiff.write(
                picture[:: 2**level, :: 2**level], tile=(_TILE_PX, _TILE_PX), photometric="rgb",
                compression="jpeg", subfiletype=0 if level == 0 else 1, metadata=None,
            )  # fmt: skip


def _figures(server: RangeServer, delay_ms: int) -> list[Figure]:
    figures: list[Figure] = []

    def measured(what: str, do: Callable[[], Made], most: int) -> Made:
        server.log.clear()
        start_s = time.perf_counter()
        result = do()
        elapsed_ms = 1000 * (time.perf_counter() - start_s)
        bound = most if delay_ms else None  # without a delay requests follow each other anyway
        name = f"{what}, {delay_ms} ms a request"
        figures.extend(
            (
                Figure("remote", name, elapsed_ms, "ms"),
                Figure("remote", f"{name}, one after the other", server.longest_chain(), "", bound),
                Figure("remote", f"{name}, requests", len(server.log), ""),
                Figure("remote", f"{name}, fetched", server.sent_bytes() / 1e6, "MB"),
            )
        )
        return result

    source = measured("open", lambda: _opened(server.address("slide.tif")), _MOST_OPEN)
    columns, rows = _VIEW
    tiles = [(0, 9 + column, 11 + row) for column in range(columns) for row in range(rows)]

    def jump() -> None:
        expect(source, tiles)
        for tile in tiles:
            source.read_tile(*tile)

    measured("jump to sharp", jump, _MOST_JUMP)
    source.close()
    return figures


def _opened(address: str) -> SlideSource:
    source = open_slide(slide_path(address))
    source.read_tile(len(source.levels) - 1, 0, 0)
    return source
