"""Files that ask for more than a machine has, opened, dropped, imported and installed in a window.

Each is said in the window, holds up its thread nowhere, takes little memory of it, and leaves it as
usable as before. What readers and other processes take is tried in `tests/attacks`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bomb_steps import (
    MOST_GROWN_BYTES,
    MOST_TURN_S,
    GuiWatch,
    Make,
    Way,
    dropped,
    imported,
    model,
    opened,
    results,
    try_all,
)
from bombs import (
    BITS,
    COMPRESSION,
    DEFLATE,
    HEIGHT,
    JPEG,
    PHOTOMETRIC,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_OFFSETS,
    STRIP_SIZES,
    WIDTH,
    claimed_png,
    endless,
    jpeg,
    long_texts,
    many_classes,
    png,
    random_polygon,
    stacked_parts,
    tiff,
    tiff_of_directories,
    tiled_tiff,
    zip_of_zeros,
)
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.ui.main_window import MainWindow

BEGIN = b'{"type": "FeatureCollection", "features": ['
RING = {
    WIDTH: 100, HEIGHT: 100, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, SAMPLES: 1,
    STRIP_OFFSETS: -1, ROWS_PER_STRIP: 100, STRIP_SIZES: 10_000,
}  # fmt: skip
slow = pytest.mark.slow


def enormous_tile(path: Path) -> Path:
    return tiled_tiff(path, 100_000, 100_000, bytes(100), JPEG)


def wide_tile(path: Path) -> Path:
    return tiled_tiff(path, 2**31 - 1, 2**31 - 1, bytes(100), DEFLATE)


def endless_grid(path: Path) -> Path:
    return tiled_tiff(path, 2**30, 256, bytes(64), 1)


def many_directories(path: Path) -> Path:
    return tiff_of_directories(path, [(1000 - n % 900, 1000 - n // 900) for n in range(20_100)])


def claimed_jpeg(path: Path) -> Path:
    return jpeg(path, 65_000)


def gigabytes_of_png(path: Path) -> Path:
    return png(path, 40_000)


def interlaced(path: Path) -> Path:
    return claimed_png(path, 40_000)


def pipe(path: Path) -> Path:
    return endless(path, "pipe")


def device(path: Path) -> Path:
    return endless(path, "device")


def crossing(path: Path) -> Path:
    return random_polygon(path, 3000)


def classes(path: Path) -> Path:
    return many_classes(path, 20_000)


def zipped_text(path: Path) -> Path:
    return zip_of_zeros(path, "a.geojson", 1 << 30, before=BEGIN)


def zipped_card(path: Path) -> Path:
    return zip_of_zeros(path, "model.json", 1 << 30, before=b'{"name": "x", ')


def sparse(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(1 << 38)
    return path


def claimed_table(path: Path) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("coords", (1 << 30, 2), "i8", chunks=(1 << 16, 2))
        file.create_dataset("attention_scores", (1 << 30, 1), "f4", chunks=(1 << 16, 1))
    return path


def packed_table(path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    zeros = pa.array(np.zeros(1 << 20))
    rows = pa.table({"x": zeros, "y": zeros, "score": zeros})
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(120):
            writer.write_table(rows)
    return path


QUICK: list[tuple[Way, str, Make, str]] = [
    (opened, "tile.tif", enormous_tile, "too large to hold in memory"),
    (dropped, "claims.jpg", claimed_jpeg, "pixels for each of its bytes"),
    (dropped, "pipe.svs", pipe, "a device or a pipe"),
    (imported, "device.csv", device, "pipe or device"),
    (imported, "zip.geojson.zip", zipped_text, "times its size"),
    (results, "claims.h5", claimed_table, "too large to open"),
    (model, "card.zip", zipped_card, "too large to unpack"),
]
LONG: list[tuple[Way, str, Make, str]] = [
    (opened, "wide.tif", wide_tile, "too large to hold in memory"),
    (dropped, "grid.tif", endless_grid, "which cannot be"),
    (opened, "large.png", interlaced, "too large to hold in memory"),
    (opened, "device.svs", device, "a device or a pipe"),
    (dropped, "pipe.geojson", pipe, "pipe or device"),
    (imported, "large.png", gigabytes_of_png, "too large for a PNG mask"),
    (imported, "crossing.geojson", crossing, "cross one another"),
    (imported, "sparse.geojson", sparse, "is too large"),
    (imported, "classes.geojson", classes, "names 20,000 classes"),
    (results, "zip.geojson.zip", zipped_text, "times its size"),
    (results, "packed.parquet", packed_table, "too large to open"),
    (results, "crossing.geojson", crossing, "cross one another"),
    (results, "classes.geojson", classes, "holds more than 255 classes"),
    (model, "pipe.zip", pipe, "pipe or device"),
    (model, "tile.tif", enormous_tile, "cannot be unpacked"),
]


DROPPED: list[tuple[str, Make, str]] = [
    ("tile.tif", enormous_tile, "too large to hold in memory"),
    ("large.png", interlaced, "too large to hold in memory"),
    ("card.zip", zipped_card, "too large to unpack"),
    ("texts.parquet", long_texts, "too large to open"),
    ("nested.geojson", lambda path: stacked_parts(path, "boxes"), "lie on one another"),
]


@pytest.mark.parametrize(("name", "make", "sentence"), DROPPED, ids=[each[0] for each in DROPPED])
def test_each_kind_of_bomb_is_dropped_onto_the_window(
    name: str, make: Make, sentence: str, slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    try_all(slide_window, [(dropped, name, make, sentence)], tmp_path, qtbot)


def test_a_window_says_what_asks_for_too_much_and_goes_on(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    try_all(slide_window, QUICK, tmp_path, qtbot)


@slow
@pytest.mark.timeout(400)
def test_a_window_says_so_of_every_other_file(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    try_all(slide_window, LONG, tmp_path, qtbot)


@pytest.mark.parametrize("make", [lambda path: tiff(path, RING, bytes(10_000), 8),
                                  pytest.param(many_directories, marks=slow)],
                         ids=["in a ring", "beyond number"])  # fmt: skip
def test_directories_of_a_tiff_are_walked_once_in_the_window_too(
    make: Make, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    """Its name of version 0.1, of which the window read them all, took a gigabyte in 40 s."""
    path = make(tmp_path / "ring.tif")
    watch = GuiWatch()
    show_slide(window, path, qtbot)
    source = window.panes.active.source
    assert source is not None
    qtbot.waitUntil(lambda: window.annotations.active is not None)  # it is named by then
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert watch.grown_bytes < MOST_GROWN_BYTES
