"""Slides of several formats: first picture and tiles/s against fastslide and tiffslide.

All read the same files, in rounds that take turns. The first picture is opening the slide and
reading its smallest level; ours is opened in a process of its own, which is in reserve as in the
window.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import zarr

from benchmarks.report import Figure
from viewer.slides import open_slide
from viewer.slides.reader_process.pool import reader_pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.slides import Level

    Read = Callable[[int, int], object]
    Opened = tuple[Read, Callable[[], object]]

_ROUNDS = 5
_TILES = 100
_SIDE_PX = 256
_FIELD_PX = 4096
_SPARE_S = 1.5
"""For the process in reserve to start."""


def run(sample: Path) -> list[Figure]:
    """Return the figures of the sample slide and of files that are made from it here."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"SVS": sample, **_made(Path(folder))}
        return [figure for name, path in files.items() for figure in _figures(name, path)]


def _figures(name: str, path: Path) -> list[Figure]:
    openers = {"ours": _open_ours, "fastslide": _open_fastslide, "tiffslide": _open_tiffslide}
    with closing(open_slide(path)) as known:
        level = known.levels[0]
    side = level.tile_width_px
    first_ms: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for _ in range(_ROUNDS):
        for reader, opener in [*openers.items()]:
            if reader == "ours":
                reader_pool().keep_spare()
                time.sleep(_SPARE_S)
            try:
                start_s = time.perf_counter()
                read, close = opener(path, side)
                first = 1000 * (time.perf_counter() - start_s)
                rate = _rate(read, level)
                close()
            except Exception as error:
                print(f"{name}: {reader} is left out: {str(error).splitlines()[0][:150]}")
                del openers[reader]
                continue
            first_ms.setdefault(reader, []).append(first)
            rates.setdefault(reader, []).append(rate)
    return [
        *(
            Figure("formats", f"{name}, {reader}, first picture", statistics.median(values), "ms")
            for reader, values in first_ms.items()
        ),
        *(
            Figure(
                "formats", f"{name}, {reader}, tiles of {side} px", statistics.median(each), "/s"
            )
            for reader, each in rates.items()
        ),
    ]


def _rate(read: Read, level: Level) -> float:
    places = random.Random(4)  # noqa: S311 - a fixed series of tiles
    columns, rows = level.columns - 1, level.rows - 1
    tiles = [(places.randrange(columns), places.randrange(rows)) for _ in range(_TILES)]
    for tile in tiles[:10]:
        read(*tile)
    start_s = time.perf_counter()
    for tile in tiles:
        read(*tile)
    return len(tiles) / (time.perf_counter() - start_s)


def _open_ours(path: Path, _side: int) -> Opened:
    source = open_slide(path)
    smallest = source.levels[-1]
    for row in range(smallest.rows):
        for column in range(smallest.columns):
            source.read_tile(len(source.levels) - 1, column, row)
    return lambda column, row: source.read_tile(0, column, row), source.close


def _open_fastslide(path: Path, side: int) -> Opened:
    from fastslide import FastSlide

    slide: Any = FastSlide.from_file_path(str(path))
    sizes = slide.images.primary.level_dimensions
    slide.read_region((0, 0), len(sizes) - 1, sizes[-1]).numpy()

    def read(column: int, row: int) -> object:
        return slide.read_region((column * side, row * side), 0, (side, side)).numpy()

    return read, lambda: None


def _open_tiffslide(path: Path, side: int) -> Opened:
    from tiffslide import TiffSlide  # pyright: ignore[reportMissingImports] - need not be here

    slide: Any = TiffSlide(path)
    slide.read_region((0, 0), slide.level_count - 1, slide.level_dimensions[-1], as_array=True)

    def read(column: int, row: int) -> object:
        corner = (column * side, row * side)
        return slide.read_region(corner, 0, (side, side), as_array=True)

    return read, slide.close


# Files that are made here -----------------------------------------------------------------------


def _made(folder: Path) -> dict[str, Path]:
    y, x = np.mgrid[:_FIELD_PX, :_FIELD_PX]
    picture = np.stack([y // 16, x // 16, (x * y) >> 17], axis=-1).astype(np.uint8)
    cells = np.stack([(x * 3 + y) % 4000, (x + y * 5) % 3000]).astype(np.uint16)
    made = {
        "OME-TIFF, two channels": _ome_tiff(folder / "cells.ome.tif", cells),
        "OME-Zarr 0.5": _ome_zarr(folder / "picture.ome.zarr", np.moveaxis(picture, 2, 0)),
    }
    with suppress(ImportError):
        made["CZI"] = _czi(folder / "picture.czi", picture)
    return made


def _ome_tiff(path: Path, cells: NDArray[np.uint16]) -> Path:
    with tifffile.TiffWriter(path, ome=True) as file:
        for level in range(4):
            part = cells[:, :: 2**level, :: 2**level]
            file.write(
                part,
                subifds=3 if level == 0 else None,
                subfiletype=int(level > 0),
                tile=(_SIDE_PX, _SIDE_PX),
                compression="zlib",
                photometric="minisblack",
                metadata={"axes": "CYX"} if level == 0 else None,
            )
    return path


def _ome_zarr(path: Path, picture: NDArray[np.uint8]) -> Path:
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    datasets: list[dict[str, Any]] = []
    for level in range(4):
        part = picture[:, :: 2**level, :: 2**level]
        array = group.create_array(
            str(level), shape=part.shape, chunks=(3, _SIDE_PX, _SIDE_PX), dtype=part.dtype
        )
        array[:] = part
        scale = [1.0, 0.5 * 2**level, 0.5 * 2**level]
        transform = {"type": "scale", "scale": scale}
        datasets.append({"path": str(level), "coordinateTransformations": [transform]})
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": "c", "type": "channel"}, {"name": "y", **space}, {"name": "x", **space}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": datasets, "name": "picture"}],
    }
    return path


def _czi(path: Path, picture: NDArray[np.uint8]) -> Path:
    from pylibCZIrw.czi import create_czi

    side = 1024
    with create_czi(str(path), compression_options="zstd1:") as document:
        for top in range(0, _FIELD_PX, side):
            for left in range(0, _FIELD_PX, side):
                tile = picture[top : top + side, left : left + side, ::-1]
                place = {"C": 0, "Z": 0, "T": 0}
                document.write(np.ascontiguousarray(tile), plane=place, location=(left, top))
    return path
