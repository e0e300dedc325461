"""Slides on many machines, as far as it takes no cluster: bands, workers, runs, and refusals."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from cli_steps import coverslip
from inference_steps import make_bundle
from many_slides import slide_at
from msgspec.structs import replace
from range_server import RangeServer

from viewer.cohort.batch import BatchSettings, BatchWhere, kept_batches, open_batch
from viewer.cohort.cluster.executor import ClusterExecutor
from viewer.cohort.cluster.link import Link
from viewer.cohort.cluster.messages import Connect
from viewer.cohort.cluster.task import Notes, run_slide
from viewer.cohort.errors import BatchError
from viewer.cohort.executor import LocalExecutor, RunProgress, RunResult
from viewer.cohort.runner import BatchRunner
from viewer.errors import CoverslipError
from viewer.geometry import Box, Size
from viewer.inference.models.bundle import load_bundle
from viewer.inference.runs.bands import Band, TooManyBlocksError, check_blocks
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.area import blocks_of
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.result_store import read_store, results_folder
from viewer.overlays.segments.places import FolderPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.cohort.batch import Batch, BatchProgress, BatchSlide, SlideRecord

PATIENCE_S = 60.0
BLOCKS = 36


@dataclass(frozen=True)
class Place:
    slide: Path
    model: Path
    store: Path
    home: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("executors")
    slide = slide_at(folder / "a.tif", 3, side_px=1024)
    return Place(slide, make_bundle(folder / "model"), folder / "store", folder / "home")


class Gathered:
    """What a worker is given to tell how far it is: Ray's handle of an actor has `put.remote`."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.put = self

    def remote(self, note: tuple[int, int, int, float | None]) -> None:
        self.notes.put(note)


def blocks_in(store: Path) -> list[tuple[int, int]]:
    """Return the blocks that the manifests of a store list, each as often as it stands there."""
    return [
        (column, row)
        for entry in store.rglob("manifest/*.json")
        for column, row in json.loads(entry.read_text())["blocks"]
    ]


def test_bands_are_all_blocks_each_once() -> None:
    grid = BlockGrid(Size(5000, 3333), 1.7, 256, 32)
    for asked in (Box(0, 0, 5000, 3333), Box(700, 900, 3000, 2950)):
        with pytest.raises(TooManyBlocksError) as caught:
            check_blocks(grid, asked, 9)
        count = caught.value.bands
        keys = [
            key for n in range(count) for key in blocks_of(grid, Band(n, count).of(grid, asked))
        ]
        assert sorted(keys) == sorted(blocks_of(grid, asked))
    check_blocks(grid, Box(0, 0, 5000, 3333), 96)


@pytest.mark.parametrize("text", ["3/3", "1", "-1/2", "a/b", "1/0"])
def test_what_is_no_band_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Band.named(text)


def test_a_worker_runs_bands_into_a_store_and_holds_nothing_itself(place: Place) -> None:
    told, store = Gathered(), f"--store={place.store}"
    rest = [store, "--", str(place.model), str(place.slide)]
    result = run_slide(1, ["--most-blocks=20", *rest], {}, "", told)
    assert (result["bands"], blocks_in(place.store)) == (2, [])
    for band in range(2):
        done = run_slide(2, [f"--band={band}/2", *rest], {}, "", told)
        assert done["error"] == ""
    kept = blocks_in(place.store)
    assert len(kept) == len(set(kept)) == BLOCKS
    whole = run_slide(3, rest, {}, "", told)
    record: Any = whole["record"]
    assert record["device"] == "kept results"
    bundle = load_bundle(place.model)
    alone = run_model(place.slide, bundle)
    assert record["objects"] == len(alone.objects()) > 20
    assert {number for number, *_ in told.notes.take()} == {1, 2, 3}
    # What one machine keeps for itself is what the store has, block by block.
    (own,) = results_folder().rglob("*.sqlite")
    held = read_store(own)
    assert held is not None
    shared = run_model(place.slide, bundle, store=FolderPlace(place.store))
    assert shared.device == ""
    found, expected = shared.objects(), alone.objects()
    assert found.to_bytes() == expected.to_bytes()


def test_a_process_is_kept_from_slide_to_slide_but_for_one_that_failed(
    place: Place, tmp_path: Path
) -> None:
    model = str(place.model)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no slide")
    slides = [str(slide_at(tmp_path / f"{number}.tif", number)) for number in range(3)]
    executor = LocalExecutor()
    used: list[int] = []

    def run(slide: str) -> RunResult:
        result = executor.run(["--", model, slide], lambda _: None)
        if (process := executor._process) is not None:
            used.append(process.pid)
        return result

    try:
        assert [run(slide).error for slide in slides[:2]] == ["", ""]
        assert len(set(used)) == 1
        (refused,) = [run(str(broken))]
        assert "broken.tif: unrecognized file format" in refused.error
        assert len(used) == 2, "a process that failed is kept for nothing"
        done = run(slides[2])
        assert used[2] != used[1]
        executor.stop()
        again = run(slides[0])
        assert again.record is not None
        assert again.record["device"] == "kept results"
        alone = run_model(Path(slides[2]), load_bundle(place.model))
        assert done.record is not None
        assert done.record["objects"] == len(alone.objects()) > 0
    finally:
        executor.close()
    assert not [each for each in used if psutil.pid_exists(each)]


def test_a_worker_loads_no_model_decoder_or_network() -> None:
    code = (
        "import sys, viewer.cohort.cluster.task\n"
        "held = {'torch', 'onnxruntime', 'openslide', 'tifffile', 'imagecodecs', 'obstore', 'ray',"
        " 'PySide6', 'openai'} & set(sys.modules)\n"
        "assert not held, held"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_frozen_file_goes_along_to_a_worker(place: Place) -> None:
    arguments = ["--frozen={files}/batch.json", "--", str(place.model), str(place.slide)]
    done = run_slide(1, arguments, {"batch.json": b"no batch"}, "", Gathered())
    assert "cannot be read" in str(done["error"])


def test_results_of_this_machine_go_into_a_store_without_being_made_again(
    place: Place, tmp_path: Path
) -> None:
    bundle = load_bundle(place.model)
    run_model(place.slide, bundle)
    shared = run_model(place.slide, bundle, store=FolderPlace(tmp_path / "store"))
    assert shared.device == ""
    assert len(set(blocks_in(tmp_path / "store"))) == BLOCKS


def test_a_store_that_takes_no_more_ends_the_run(place: Place, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(RunError, match="store cannot be"):
        run_model(place.slide, load_bundle(place.model), store=FolderPlace(tmp_path / "store"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--on", "ray://127.0.0.1:1"], "There is no Ray cluster at ray://127.0.0.1:1"),
        (["--on", "slurm"], "--on takes local"),
        (["--on", "ray://head"], "--on takes local"),
        (["--gpus-per-task", "0.5"], "--gpus-per-task is of clusters"),
        (["--store", "/proc/store"], "Nothing can be written into /proc/store"),
        (["--store", "http://host/x"], "is no store"),
    ],
)
def test_what_cannot_run_is_one_sentence(place: Place, arguments: list[str], sentence: str) -> None:
    pytest.importorskip("ray", reason="Ray is not here: install coverslip[cohort]")
    ended = coverslip("run", place.model, place.slide, *arguments, COVERSLIP_HOME=str(place.home))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_without_ray_a_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BatchError, match=r"pip install coverslip\[cohort\]"):
        ClusterExecutor("127.0.0.1", 1)


def test_tls_without_certificates_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc", reason="Ray is not here: install coverslip[cohort]")
    monkeypatch.setenv("RAY_USE_TLS", "1")
    monkeypatch.delenv("RAY_TLS_CA_CERT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = Connect("127.0.0.1", server.getsockname()[1], 0.0)
        with pytest.raises(CoverslipError, match="RAY_USE_TLS is set"):
            Link(asked, lambda _: None).connect()


def test_what_is_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="Ray is not here: install coverslip[cohort]")
    server = RangeServer(tmp_path).start()
    try:
        with pytest.raises(CoverslipError, match="is no Ray cluster"):
            Link(Connect("127.0.0.1", server.port, 0.0), lambda _: None).connect()
    finally:
        server.stop()


# The queue, many at once ------------------------------------------------------------------------


@dataclass
class Wide:
    """An executor that lets runs end once so many are under way."""

    at_once: int
    failing: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.barrier = threading.Barrier(self.at_once)
        self.stopped = threading.Event()

    def run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        name = Path(arguments[-1]).name
        self.asked.append(name)
        on_progress(RunProgress(1, 4, 3.0))
        if len(self.asked) <= self.at_once:
            self.barrier.wait(PATIENCE_S)
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            return RunResult(error="It is torn.")
        return RunResult({"objects": 1})

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Heard:
    states: list[tuple[str, str]] = field(default_factory=list)
    progress: list[BatchProgress] = field(default_factory=list)

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        self.states.append((slide.name, record.state))

    def on_progress(self, progress: BatchProgress) -> None:
        self.progress.append(progress)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
    slides = [(tmp_path / name, name) for name in "abcdef"]
    for path, _ in slides:
        path.write_text(path.name)
    return open_batch(settings, slides)


def test_many_slides_run_at_once_and_one_that_fails_is_tried_again(batch: Batch) -> None:
    wide, heard = Wide(3, {"b": 1, "d": 9}), Heard()
    BatchRunner(batch, wide, heard, width=3, tries=2).run()
    states = {record.slide[-1]: record.state for record in batch.records()}
    assert states == dict.fromkeys("abcef", "done") | {"d": "failed"}
    assert (wide.asked.count("b"), wide.asked.count("d"), len(wide.asked)) == (2, 2, 8)
    assert max(each.running for each in heard.progress) == 3
    assert any(each.left_s for each in heard.progress)
    last = heard.progress[-1]
    assert (last.done, last.failed, last.share, last.left_s) == (5, 1, 0.0, 0.0)
    again = Wide(1)
    (batch_again,) = kept_batches()
    batch_again.note(replace(batch_again.record(batch_again.slides[0]), state="waiting"))
    BatchRunner(batch_again, again, Heard()).run(only_failed=True)
    assert again.asked == ["d"]


def test_ctrl_c_ends_all_runs_and_every_thread(batch: Batch) -> None:
    class Interrupted(Wide):
        def run(
            self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
        ) -> RunResult:
            del arguments, on_progress
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            assert self.stopped.wait(PATIENCE_S)
            return RunResult(was_stopped=True)

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        BatchRunner(batch, Interrupted(1), Heard(), width=3).run()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert not kept_batches()[0].is_running


def test_who_runs_a_batch_hears_that_it_is_to_end(batch: Batch) -> None:
    wide = Wide(2)
    runner = BatchRunner(batch, wide, Heard())
    thread = threading.Thread(target=runner.run)
    thread.start()
    other = kept_batches()[0]
    while not wide.asked:
        thread.join(0.01)
    assert other.is_running
    assert other.progress is not None
    other.ask_to_cancel()
    assert wide.stopped.wait(PATIENCE_S)
    wide.barrier.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not other.is_running


def test_runs_are_listed_ended_and_gone_on_with(place: Place, tmp_path: Path) -> None:
    home = {"COVERSLIP_HOME": str(tmp_path / "home")}
    none = coverslip("runs", "resume", **home)
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "no runs yet" in none.stderr
    broken = tmp_path / "broken.tif"
    broken.write_text("no slide")
    store = tmp_path / "store"
    first = coverslip("run", place.model, place.slide, broken, "--store", store, **home)
    assert first.returncode == 1
    assert len(blocks_in(store)) == BLOCKS
    (listed,) = json.loads(coverslip("runs", "status", "--json", **home).stdout)
    assert json.loads(coverslip("runs", "list", "--json", **home).stdout) == [listed]
    assert (listed["state"], listed["done"], listed["failed"]) == ("failed", 1, 1)
    assert listed["store"] == str(store)
    shown = coverslip("runs", "status", listed["run"][:6], **home).stdout
    assert "unrecognized" in shown
    assert "a slide has 36 blocks" in shown
    assert "does not run now" in coverslip("runs", "cancel", **home).stderr
    broken.write_bytes(place.slide.read_bytes())
    again = coverslip("runs", "retry", "--json", **home)
    assert again.returncode == 0, again.stderr
    assert [each["state"] for each in json.loads(again.stdout)] == ["done", "done"]
    assert len(blocks_in(store)) == BLOCKS  # the same slide: nothing was made again
    assert "No slide of" in coverslip("runs", "retry", **home).stderr
    assert "computed before" in coverslip("runs", "resume", **home).stderr
    assert coverslip("runs", "status", "zz", **home).returncode == 2


def test_where_a_batch_runs_is_no_part_of_what_it_is(batch: Batch) -> None:
    slides = [(Path(each.path), each.name) for each in batch.slides]
    elsewhere = BatchWhere(on="ray://head:10001", gpus_per_task=0.25)
    moved = open_batch(batch.settings, slides, where=elsewhere)
    assert (moved.id, moved.where) == (batch.id, elsewhere)


def test_the_policy_holds_for_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    from viewer import egress
    from viewer.policy import Policy

    monkeypatch.setattr(egress, "policy", lambda: Policy(network=False))
    with pytest.raises(BatchError, match=r"Nothing was sent to cluster\.example\.org: .*policy"):
        ClusterExecutor("cluster.example.org", 10001)
