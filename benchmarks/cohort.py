"""What running many slides costs: over the bare loop, on a Ray cluster, and in memory.

The bare loop is a few lines of Python that call `run_model` slide after slide. Times are those of
the processor with all processes that were started, and of the clock; where other programs use the
machine, those of the processor are the ones to look at.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np
import psutil
import tifffile

from benchmarks.report import Figure
from viewer.slides import open_slide
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIDE_PX = int(os.environ.get("COVERSLIP_BENCH_SIDE_PX", "4096"))
_SLIDES = int(os.environ.get("COVERSLIP_BENCH_SLIDES", "2"))
_WORKERS = 2
_WATCH_S = float(os.environ.get("COVERSLIP_BENCH_WATCH_S", "240"))
_CORE_PX = 512
_TURNS = int(os.environ.get("COVERSLIP_BENCH_TURNS", "3"))
_LOOK_S = 0.25
_STORE_BYTES = 80_000_000
_BARE = """
import sys
from pathlib import Path
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.running import run_model
for slide in sys.argv[1:]:
    print(run_model(Path(slide), find_model("nuclei"), device="cpu").elapsed_s)
"""
_COVERSLIP = "from viewer.cli import main; main()"


class _Spent(msgspec.Struct, frozen=True):
    """Seconds of the clock, and of the processor in all children."""

    wall_s: float
    cpu_s: float


def run(sample: Path, large: Path) -> list[Figure]:
    """Measure all; `large` is the slide over which the memory of a worker is watched."""
    with tempfile.TemporaryDirectory() as folder:
        slides = [
            _slide(Path(folder) / f"{number}.tif", sample, number) for number in range(_SLIDES)
        ]
        blocks = len(slides) * (-(-_SIDE_PX // _CORE_PX)) ** 2
        return [
            *_over_the_loop(Path(folder), slides, blocks),
            *_two_workers(Path(folder), slides, blocks),
            *_memory(Path(folder), large),
        ]


def _over_the_loop(folder: Path, slides: Sequence[Path], blocks: int) -> list[Figure]:
    loop = _spent(["-c", _BARE, *map(str, slides)], folder / "loop")
    store = f"--store={folder / 'store'}"
    words = ["run", "nuclei", *map(str, slides), store, "--device=cpu"]
    ours = _spent(["-c", _COVERSLIP, *words], folder / "ours")
    return [
        Figure("cohort", f"bare loop, {blocks} blocks, processor", loop.cpu_s, "s"),
        Figure("cohort", "coverslip run --store, processor", ours.cpu_s, "s"),
        Figure("cohort", "over the bare loop, processor", _over(ours.cpu_s, loop.cpu_s), "%", 10.0),
        Figure("cohort", "over the bare loop, clock", _over(ours.wall_s, loop.wall_s), "%"),
    ]


def _two_workers(folder: Path, slides: Sequence[Path], blocks: int) -> list[Figure]:
    """Compare two bare processes with two workers of Ray, in turns: the machine's load changes."""
    by_clock: list[float] = []
    by_processor: list[float] = []
    spent: list[tuple[float, float, float]] = []
    with _cluster(folder / "nodes", _WORKERS) as address:
        for turn in range(_TURNS):
            home = folder / f"turn {turn}"
            bare_s, bare_cpu_s = _bare(home, slides)
            began_s = time.monotonic()
            words = ["run", "nuclei", *map(str, slides), f"--store={home / 'store'}"]
            words += ["--device=cpu", f"--on=ray://{address}"]
            with _Processor() as used:
                _spent(["-c", _COVERSLIP, *words], home / "driver")
            ran_s, ran_cpu_s = _elapsed_s(home / "driver"), used.total_s
            by_clock.append(bare_s / ran_s)
            by_processor.append(bare_cpu_s / ran_cpu_s)
            spent.append((bare_s, ran_s, time.monotonic() - began_s))
    bare_s, ran_s, whole_s = np.median(spent, 0).tolist()
    # By the clock, both from the start of the model to the last block that is kept.
    figures = [
        Figure("cohort", f"two bare processes at once, clock, median of {_TURNS}", bare_s, "s"),
        Figure("cohort", "two workers of Ray at once, clock", ran_s, "s"),
        Figure("cohort", "the whole command, joining the cluster included", whole_s, "s"),
        Figure("cohort", "blocks a second of two workers", blocks / ran_s, "1/s"),
    ]
    for what, shares in (("clock", by_clock), ("processor, Ray's own included", by_processor)):
        name = f"speed of two workers, of two bare processes, {what}"
        share = float(np.median(shares))
        figures.append(Figure("cohort", name, share, "x", 0.95, at_least=True))
    return figures


def _bare(home: Path, slides: Sequence[Path]) -> tuple[float, float]:
    """Return the mean seconds of two bare processes, and those on the processor of both."""
    with _Processor() as used:
        bare = [
            _started(["-c", _BARE, *map(str, slides[number::_WORKERS])], home / f"bare {number}")
            for number in range(_WORKERS)
        ]
        elapsed_s = [float(text) for process in bare for text in process.communicate()[0].split()]
    return sum(elapsed_s) / _WORKERS, used.total_s


def _memory(folder: Path, large: Path) -> list[Figure]:
    """Watch the processes of one band that is the whole of a large slide."""
    words = ["run", "--lines", "--band=0/1", f"--store={folder / 'large'}", "--device=cpu"]
    command = ["-c", _COVERSLIP, *words, "nuclei", str(large)]
    process = _started(command, folder / "memory", hears=False)
    sampled: list[float] = []
    until_s = time.monotonic() + _WATCH_S
    while time.monotonic() < until_s and process.poll() is None:
        time.sleep(0.5)
        sampled.append(_tree_mib(process.pid))
    kept = sum(1 for _ in (folder / "large").rglob("segments/*"))
    _end(process)
    quarter = len(sampled) // 4
    second = float(np.median(sampled[quarter : 2 * quarter]))
    last = float(np.median(sampled[-quarter:]))
    return [
        Figure("cohort", f"memory of a run over {large.stem}, after {kept} segments", last, "MiB"),
        Figure("cohort", "of that, over a quarter of the time", last / second, "x", 1.05),
    ]


def _slide(path: Path, sample: Path, seed: int) -> Path:
    """Write a slide of tissue all over, at 0.5 um/px."""
    with closing(open_slide(sample)) as source:
        pixels = read_level(source, 0)
    field = pixels[600:2136, 300 : 300 + 1536]
    times = -(-_SIDE_PX // 1536)
    tiled = np.tile(np.roll(field, 97 * seed, 0), (times, times, 1))[:_SIDE_PX, :_SIDE_PX]
    tifffile.imwrite(
        path, tiled, tile=(256, 256), photometric="rgb", compression="jpeg",
        resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def _started(
    arguments: Sequence[str], home: Path, *, hears: bool = True
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, "COVERSLIP_HOME": str(home)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if hears else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _spent(arguments: Sequence[str], home: Path) -> _Spent:
    began_s, before_s = time.monotonic(), _children_s()
    process = _started(arguments, home)
    process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{arguments[-3:]} ended with code {process.returncode}")
    return _Spent(time.monotonic() - began_s, _children_s() - before_s)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Processor:
    """Seconds on the processor of all processes that this one started, while it is entered.

    They are looked at again and again: workers of Ray end, and nobody is told what they took.
    """

    def __init__(self) -> None:
        self.total_s = 0.0
        self._last_s: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._before_s = sum(self._last_s.values())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        self.total_s = sum(self._last_s.values()) - self._before_s

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                used = process.cpu_times()
                self._last_s[process.pid, process.create_time()] = used.user + used.system
            except psutil.Error:
                continue


@contextmanager
def _cluster(home: Path, cpus: int) -> Iterator[str]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray runs workers at a lower priority (nice 15), which on a busy machine measures the others.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray spells it
    before, os.environ["COVERSLIP_HOME"] = os.environ["COVERSLIP_HOME"], str(home)
    head: dict[str, Any] = {
        "num_cpus": cpus, "object_store_memory": _STORE_BYTES, "include_dashboard": False,
    }  # fmt: skip
    cluster = Cluster(initialize_head=True, head_node_args=head)
    os.environ["COVERSLIP_HOME"] = before
    try:
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def _elapsed_s(home: Path) -> float:
    """Return how long the slides took, from the start of the run of each to its end, a worker."""
    from viewer.cohort.batch import kept_batches

    (batch,) = kept_batches(home / "data" / "batches")
    elapsed_s = [float(str(record.record["elapsed_s"])) for record in batch.records()]
    return sum(elapsed_s) / _WORKERS


def _tree_mib(pid: int) -> float:
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / (1 << 20)


def _end(process: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, 20)


def _over(ours: float, bare: float) -> float:
    return 100.0 * (ours / bare - 1.0)
