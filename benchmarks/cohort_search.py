"""How long a search over a cohort's patches takes, and how many of the nearest it finds.

Vectors that are made have the structure of an encoder's: clusters on a surface of few dimensions
whose spectrum falls off, in 768 numbers. Their intrinsic dimension is told, by the ratio of the
distances to the two nearest neighbors (TwoNN; Facco et al. 2017).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure, print_table
from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.cohort.features.searching import keep_index, nearest_rows
from viewer.cohort.features.store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH, _LATENT, _CLUSTERS = 768, 24, 2_000
_ROWS_A_SLIDE = 10_000
_QUERIES, _NEAREST = 200, 10
_SAMPLE = 2_000


def run(rows: int = 1_000_000) -> list[Figure]:
    """Return build time, size, recall and the time of cold and warm searches."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        return _measured(Path(folder), rows)


def _measured(folder: Path, rows: int) -> list[Figure]:
    encoder = Encoder("made", "Made", "1", _LENGTH, 224, 0.5)
    store = FeatureStore(folder, writes=True)
    make = _Maker()
    queries = make.vectors(_QUERIES)
    best = np.full((_QUERIES, _NEAREST), -np.inf, np.float32)
    begin_s = time.perf_counter()
    for number in range(rows // _ROWS_A_SLIDE):
        vectors = make.vectors(_ROWS_A_SLIDE)
        store.add_slide(encoder, _slide(number, vectors))
        best = _merged(best, _cosine(queries, vectors.astype(np.float16)))
    kept_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    keep_index(store, encoder)
    built_s = time.perf_counter() - begin_s
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    table = FeatureStore(folder).table_of(encoder)
    times_ms: list[float] = []
    hits = 0
    for query, nearest in zip(queries, best, strict=True):
        begin_s = time.perf_counter()
        found = nearest_rows(table, query, _NEAREST)
        times_ms.append((time.perf_counter() - begin_s) * 1000)
        hits += sum(1 - row["_distance"] >= nearest[-1] - 1e-3 for row in found)
    warm = times_ms[_QUERIES // 4 :]
    what = f"{rows:,} x {_LENGTH}"
    return [
        Figure("cohort search", f"{what}, intrinsic dimension", _two_nn(make.vectors(_SAMPLE)), ""),
        Figure("cohort search", f"{what}, kept", kept_s, "s"),
        Figure("cohort search", f"{what}, index built", built_s, "s", 900.0),
        Figure("cohort search", f"{what}, on the disk", size / (1 << 30), "GiB"),
        Figure("cohort search", f"{what}, first search", times_ms[0], "ms"),
        Figure("cohort search", f"{what}, warm, median", statistics.median(warm), "ms"),
        Figure("cohort search", f"{what}, warm, p95", float(np.percentile(warm, 95)), "ms", 50.0),
        Figure(
            "cohort search", f"{what}, recall at {_NEAREST}", hits / (_QUERIES * _NEAREST), "",
            0.95, at_least=True,
        ),
    ]  # fmt: skip


class _Maker:
    """Makes vectors of one distribution."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        spread = np.arange(1, _LATENT + 1) ** -0.5
        self._centers = self._rng.normal(size=(_CLUSTERS, _LATENT)) * spread
        self._spread = 0.4 * spread
        self._basis, _ = np.linalg.qr(self._rng.normal(size=(_LENGTH, _LATENT)))
        self._common = self._rng.normal(size=_LENGTH) * 0.02

    def vectors(self, count: int) -> NDArray[np.float32]:
        which = self._rng.integers(_CLUSTERS, size=count)
        latent = self._centers[which] + self._rng.normal(size=(count, _LATENT)) * self._spread
        noise = self._rng.normal(size=(count, _LENGTH), scale=0.004)
        return (latent @ self._basis.T + self._common + noise).astype(np.float32)


def _slide(number: int, vectors: NDArray[np.float32]) -> SlideFeatures:
    count = len(vectors)
    places = np.stack([np.arange(count) % 100, np.arange(count) // 100], 1).astype(np.float64) * 224
    return SlideFeatures(
        f"slide{number}", f"/slides/{number}.svs", f"{number}.svs", 0.5, 224.0, places,
        vectors.astype(np.float16), np.ones(count, np.float32),
    )  # fmt: skip


def _cosine(queries: NDArray[np.float32], vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    wide = vectors.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    asked = queries.astype(np.float16).astype(np.float32)
    return (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ wide.T


def _merged(best: NDArray[np.float32], likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest (queries, 10) of both, the largest first."""
    both = np.concatenate([best, likeness], 1)
    return -np.sort(-np.partition(both, -_NEAREST, 1)[:, -_NEAREST:], 1)


def _two_nn(vectors: NDArray[np.float32]) -> float:
    """Return the intrinsic dimension by the two nearest neighbors of each vector."""
    squares = (vectors**2).sum(1)
    apart = squares[:, np.newaxis] + squares - 2 * vectors @ vectors.T
    np.fill_diagonal(apart, np.inf)
    nearest = np.sqrt(np.maximum(np.sort(np.partition(apart, 2, 1)[:, :2], 1), 1e-12))
    return len(vectors) / float(np.log(nearest[:, 1] / nearest[:, 0]).sum())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    print_table(run(parser.parse_args().rows))
