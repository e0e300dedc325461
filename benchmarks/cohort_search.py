"""How long a search over a cohort's patches takes, and how many of the nearest it finds.

    python -m benchmarks.cohort_search [--rows 1000000] [--tiles FOLDER]

Vectors that are made have the structure of an encoder's: clusters on a surface of few dimensions
whose spectrum falls off, in 768 numbers. Their intrinsic dimension is told, by the ratio of the
distances to the two nearest neighbors (TwoNN; Facco et al. 2017). Of a folder of tiles the real
embeddings by *Tissue likeness* are searched, too; with `--rows 0` they alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from benchmarks.report import Figure, print_table
from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.cohort.features.searching import SearchOptions, find_similar, nearest_rows
from viewer.cohort.features.store import FeatureStore
from viewer.inference.models.model_library import find_model
from viewer.inference.process.spare_process import model_processes_kept
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_LENGTH, _LATENT, _CLUSTERS = 768, 24, 2_000
_ROWS_A_SLIDE = 10_000
_QUERIES, _NEAREST = 200, 10
_SAMPLE = 2_000
_DATA = Path(__file__).parent / "data"
"""Some gigabytes, for as long as it takes."""
_BOARD_PX, _TILE_MPP_UM = 4_096, 0.5
"""The encoder's own scale: a patch takes 50 ms of a core, and at 1 um/px there are four times as
many."""
_BUILD = """
import resource, sys, time
from viewer.cohort.features.searching import keep_index
from viewer.cohort.features.store import FeatureStore
store = FeatureStore(sys.argv[1], writes=True)
began_s = time.perf_counter()
assert keep_index(store, store.encoder(), exact_rows=int(sys.argv[2]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - began_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


class _Asked(msgspec.Struct):
    """Vectors (q, d) to search by, and the likeness (q, 10) of what is nearest to each."""

    queries: NDArray[np.float32]
    nearest: NDArray[np.float32]

    def see(self, vectors: NDArray[np.float16]) -> None:
        """Compare all of some vectors (n, d) of the table exactly."""
        both = np.concatenate([self.nearest, _cosine(self.queries, vectors)], 1)
        self.nearest = -np.sort(-np.partition(both, -_NEAREST, 1)[:, -_NEAREST:], 1)


def run(rows: int = 1_000_000, tiles: Path | None = None) -> list[Figure]:
    """Return build time, size, recall and the time of cold and warm searches."""
    figures: list[Figure] = []
    if rows:
        make = _Maker()
        slides = (
            _slide(number, make.vectors(_ROWS_A_SLIDE)) for number in range(rows // _ROWS_A_SLIDE)
        )
        figures += _measured(make.vectors(_QUERIES), slides, make.vectors(_SAMPLE), 50_000)
    return figures if tiles is None else [*figures, *_of_tiles(tiles)]


def _of_tiles(folder: Path) -> list[Figure]:
    with tempfile.TemporaryDirectory() as home:
        slides = list(_embedded(sorted(folder.rglob("*.jpg")), Path(home)))
    vectors = np.concatenate([slide.vectors for slide in slides]).astype(np.float32)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(vectors))
    # Fields of some patches are asked for, as in the window: no vector of the table itself.
    queries = vectors[chosen[:_QUERIES]] + vectors[chosen[-_QUERIES:]]
    return _measured(queries, slides, vectors[chosen[:_SAMPLE]], 0)


def _measured(
    queries: NDArray[np.float32], slides: Iterable[SlideFeatures], sample: NDArray[np.float32],
    exact_rows: int,
) -> list[Figure]:  # fmt: skip
    asked = _Asked(queries, np.full((len(queries), _NEAREST), -np.inf, np.float32))
    encoder = Encoder("made", "Made", "1", queries.shape[1], 224, 0.5)
    _DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_DATA) as folder:
        store = FeatureStore(folder, writes=True)
        kept_s, rows = 0.0, 0
        for slide in slides:
            began_s = time.perf_counter()
            store.add_slide(encoder, slide)
            kept_s += time.perf_counter() - began_s
            rows += len(slide)
            asked.see(slide.vectors)
        before = _size(Path(folder))
        command = [sys.executable, "-c", _BUILD, folder, str(exact_rows)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()
        built_s, built_cpu_s, built_mib = map(float, said)
        indexes = Path(folder).rglob("_indices")
        index_mib = sum(map(_size, indexes)) / (1 << 20)
        cold_ms, warm_ms, cpu_ms, recall = _searched(Path(folder), encoder, asked)
    what = f"{rows:,} x {encoder.length}"
    figures = [
        (f"{what}, intrinsic dimension", _two_nn(sample), ""),
        (f"{what}, kept", kept_s, "s"),
        (f"{what}, on the disk without the index", before / (1 << 20), "MiB"),
        (f"{what}, index built", built_s, "s", 900.0),
        (f"{what}, index built, processor", built_cpu_s, "s"),
        (f"{what}, index built, memory at most", built_mib, "MiB"),
        (f"{what}, index", index_mib, "MiB"),
        (f"{what}, first search, nothing in memory", cold_ms, "ms"),
        (f"{what}, warm, median", statistics.median(warm_ms), "ms"),
        (f"{what}, warm, p95", float(np.percentile(warm_ms, 95)), "ms", 50.0),
        (f"{what}, warm, processor", cpu_ms, "ms"),
        (f"{what}, recall at {_NEAREST}", recall, "", 0.95, True),
    ]
    return [Figure("cohort search", *figure) for figure in figures]


def _searched(
    folder: Path, encoder: Encoder, asked: _Asked
) -> tuple[float, list[float], float, float]:
    """Return ms of the first search, ms of later ones, their mean on the processor, and recall.

    Times are of what the window asks for: 24 fields of other slides, at most 4 of each.
    """
    _forget(folder)
    store = FeatureStore(folder)
    options = SearchOptions(but="slide0")
    times_ms: list[float] = []
    begun_s = 0.0
    for number, query in enumerate(asked.queries):
        if number == 1:
            begun_s = time.process_time()
        began_s = time.perf_counter()
        find_similar(store, encoder, query, options)
        times_ms.append((time.perf_counter() - began_s) * 1000)
    cpu_ms = (time.process_time() - begun_s) * 1000 / (len(asked.queries) - 1)
    table = store.table_of(encoder)
    hits = 0
    for query, nearest in zip(asked.queries, asked.nearest, strict=True):
        found = nearest_rows(table, query, _NEAREST)
        hits += sum(1 - row["_distance"] >= nearest[-1] - 1e-4 for row in found)
    return times_ms[0], times_ms[len(times_ms) // 4 :], cpu_ms, hits / asked.nearest.size


def _forget(folder: Path) -> None:
    """Have the system drop what it holds of the files of a folder."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


class _Maker:
    """Makes vectors of one distribution."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        spread = np.arange(1, _LATENT + 1) ** -0.5
        self._centers = (self._normal(_CLUSTERS, _LATENT) * spread).astype(np.float32)
        self._spread = (0.4 * spread).astype(np.float32)
        self._basis = np.linalg.qr(self._normal(_LENGTH, _LATENT))[0].T.astype(np.float32)
        self._common = self._normal(1, _LENGTH) * np.float32(0.02)

    def vectors(self, count: int) -> NDArray[np.float32]:
        which = self._rng.integers(_CLUSTERS, size=count)
        latent = self._centers[which] + self._normal(count, _LATENT) * self._spread
        noise = self._normal(count, _LENGTH) * np.float32(0.004)
        return (latent @ self._basis + self._common + noise).astype(np.float32)

    def _normal(self, rows: int, columns: int) -> NDArray[np.float32]:
        return self._rng.standard_normal((rows, columns), np.float32)


def _slide(number: int, vectors: NDArray[np.float32]) -> SlideFeatures:
    count = len(vectors)
    places = np.stack([np.arange(count) % 100, np.arange(count) // 100], 1).astype(np.float64) * 224
    return SlideFeatures(
        f"slide{number}", f"/slides/{number}.svs", f"{number}.svs", 0.5, 224.0, places,
        vectors.astype(np.float16), np.ones(count, np.float32),
    )  # fmt: skip


def _embedded(tiles: list[Path], folder: Path) -> Iterator[SlideFeatures]:
    """Yield what *Tissue likeness* says of tiles, those of each folder put together on a board."""
    encoder = find_model("tissue-likeness")
    of_folder: dict[Path, list[Path]] = {}
    for tile in tiles:
        of_folder.setdefault(tile.parent, []).append(tile)
    with model_processes_kept():
        for number, together in enumerate(of_folder.values()):
            path = folder / f"{number}.png"
            _board(together).save(path, compress_level=1)
            found = run_model(path, encoder, mpp_um=_TILE_MPP_UM, device="cpu").found
            assert isinstance(found, PatchFeatureMap)
            yield _slide(number, found.values[found.known].astype(np.float32))


def _board(tiles: list[Path]) -> Image.Image:
    """Return tiles side by side, in rows."""
    board = Image.new("RGB", (_BOARD_PX, _BOARD_PX), (255, 255, 255))
    x = y = height = 0
    for path in tiles:
        with Image.open(path) as tile:
            if x + tile.width > _BOARD_PX:
                x, y, height = 0, y + height, 0
            board.paste(tile, (x, y))
            x, height = x + tile.width, max(height, tile.height)
    return board.crop((0, 0, _BOARD_PX if y else x, y + height))


def _cosine(queries: NDArray[np.float32], vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    wide = vectors.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    asked = queries.astype(np.float16).astype(np.float32)
    return (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ wide.T


def _two_nn(vectors: NDArray[np.float32]) -> float:
    """Return the intrinsic dimension by the two nearest neighbors of each vector."""
    squares = (vectors**2).sum(1)
    apart = squares[:, np.newaxis] + squares - 2 * vectors @ vectors.T
    np.fill_diagonal(apart, np.inf)
    nearest = np.sqrt(np.maximum(np.sort(np.partition(apart, 2, 1)[:, :2], 1), 1e-12))
    return len(vectors) / float(np.log(nearest[:, 1] / nearest[:, 0]).sum())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tiles", type=Path, help="a folder of tiles in JPEG at 1 um/px")
    options = parser.parse_args()
    print_table(run(options.rows, options.tiles))
