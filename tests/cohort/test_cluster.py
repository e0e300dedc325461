"""Nuclei and features of many slides on a Ray cluster of three nodes, of which each part dies once.

Run it with `make cohort`: it takes some minutes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from behavior_steps import write_slide
from bucket import BUCKET, Bucket
from ui_steps import show_slide

from viewer.cohort.cluster import executor as cluster_executor
from viewer.cohort.cluster.executor import ClusterExecutor
from viewer.cohort.errors import PlaceLostError
from viewer.cohort.features.embedding import EmbedOptions, embed_slides, encoder_of
from viewer.cohort.features.errors import FeatureStoreError
from viewer.cohort.features.store import FeatureStore
from viewer.geometry import Box
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.running import run_model
from viewer.overlays.blocks import BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.result_store import read_store, results_folder
from viewer.overlays.segments.places import BucketPlace, place_of
from viewer.overlays.segments.segment import ManifestEntry
from viewer.overlays.segments.segment_store import SegmentStore
from viewer.settings import Settings
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytestqt.qtbot import QtBot

    from viewer.overlays.result_store import StoreAbout

pytestmark = [pytest.mark.cohort, pytest.mark.timeout(2400)]
SLIDES = int(os.environ.get("COVERSLIP_COHORT_SLIDES", "24"))
SIDE_PX = 640
PATIENCE_S = 900.0
STORE_BYTES = 80_000_000
REFUSAL_S = 10.0

Kept = dict[str, tuple["StoreAbout", dict[BlockKey, bytes]]]


@pytest.fixture(scope="module", autouse=True)
def ray() -> Any:
    pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
    return pytest.importorskip("ray", reason="Ray is not here: install coverslip[cohort]")


@pytest.fixture(scope="module")
def slides(sample_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small slides, each a field of the bundled slide."""
    folder = tmp_path_factory.mktemp("cohort") / "slides"
    folder.mkdir()
    with closing(open_slide(sample_slide)) as source:
        mpp_um = source.info.optics.mean_mpp_um
        assert mpp_um is not None
        for number in range(SLIDES):
            x, y = 60 + 310 * (number % 5), 80 + 420 * (number // 5)
            pixels = read_region(source, Box(x, y, x + SIDE_PX, y + SIDE_PX), SIDE_PX, SIDE_PX)
            write_slide(folder / f"case-{number:02}.tif", pixels, mpp_um)
    return folder


@pytest.fixture(scope="module")
def one_machine(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """What one machine keeps of all slides, by the name of the results."""
    model, kept = find_model("nuclei"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(tmp_path_factory.mktemp("alone")))
        for slide in sorted(slides.iterdir()):
            name = run_model(slide, model, device="cpu").results
            held = read_store(results_folder() / f"{name}.sqlite")
            assert held is not None
            kept[name] = held[0], dict(held[1])
    assert len(kept) == SLIDES
    return kept


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with Bucket(tmp_path_factory.mktemp("bucket")) as bucket:
        yield bucket


@dataclass
class Nodes:
    """A cluster of this machine alone."""

    cluster: Any
    client_port: int
    workers: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"ray://127.0.0.1:{self.client_port}"

    def add(self) -> None:
        self.workers.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES))

    def kill_one(self) -> None:
        """Kill a node that is not the head, as a loss of power does."""
        node = self.workers.pop(random.randrange(len(self.workers)))
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def nodes(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "nodes"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={**head, "ray_client_server_port": port})
    nodes = Nodes(cluster, port)
    try:
        nodes.add()
        nodes.add()
        yield nodes
    finally:
        cluster.shutdown()


def entries_of(place: BucketPlace, name: str) -> list[ManifestEntry]:
    folder = f"{name}/manifest"
    return [
        ManifestEntry.from_bytes(place.read(f"{folder}/{each}") or b"")
        for each in place.names(folder)
    ]


def counts_of(place: BucketPlace, expected: Kept) -> dict[str, int]:
    """Return how many blocks of each slide are kept now."""
    return {name: sum(len(e.blocks) for e in entries_of(place, name)) for name in expected}


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1].decode())
        assert time.monotonic() < deadline_s
        time.sleep(0.3)


def driver(home: Path, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from viewer.cli import main; main()"]
    return subprocess.Popen(
        [*command, *map(str, arguments)], env={**os.environ, "COVERSLIP_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run_while_parts_die(
    command: Sequence[object], home: Path, nodes: Nodes, bucket: Bucket, count: Callable[[], int],
) -> tuple[dict[str, str], list[dict[str, Any]]]:  # fmt: skip
    """Run a command while a node, the bucket for a while, and the driver die, and resume it.

    Returns the state of each slide when the driver died, and what was said of them at the end.

    Parameters
    ----------
    count
        Gives how many slides there is something of now.
    """
    first = driver(home, *command, "--on", nodes.address)
    wait_for(lambda: count() >= SLIDES // 6, first)
    nodes.kill_one()
    wait_for(lambda: count() >= SLIDES // 3, first)
    bucket.refuse(REFUSAL_S)
    time.sleep(REFUSAL_S)
    wait_for(lambda: count() >= SLIDES // 2, first)
    children = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, alive = psutil.wait_procs(children, 30)
    assert not alive
    count()

    status = driver(home, "runs", "status", "--json")
    (listed,) = json.loads(status.communicate()[0])
    assert listed["state"] == "stopped"
    before = {each["slide"]: each["state"] for each in _slides(home)}
    second = driver(home, "runs", "resume", "--json")
    output, errors = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, errors.decode()
    records = json.loads(output)
    assert [each["state"] for each in records] == ["done"] * SLIDES
    return before, records


def test_whatever_dies_is_kept_once_and_equals_one_machine(
    nodes: Nodes, bucket: Bucket, one_machine: Kept, slides: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    address = f"s3://{BUCKET}/results"
    place = BucketPlace(address)
    counts: dict[str, int] = {}

    def count() -> int:
        counts.update(counts_of(place, one_machine))
        return sum(each > 0 for each in counts.values())

    command = ["run", "nuclei", slides, "--store", address, "--device", "cpu"]
    before, records = run_while_parts_die(command, tmp_path / "driver", nodes, bucket, count)
    for name, (about, expected) in one_machine.items():
        listed_blocks = Counter(key for entry in entries_of(place, name) for key in entry.blocks)
        assert set(listed_blocks.values()) == {1}, "a block was kept twice"
        assert dict(SegmentStore(place, about)) == expected, Path(about.slide).name
    for record in records:
        # What was kept before the driver died was not computed again.
        total = len(one_machine[record["results"]][1])
        if before[record["name"]] != "done":
            assert record["computed"] <= total - counts[record["results"]]

    _open_in_window(slides / "case-04.tif", address, one_machine, qtbot)


def test_features_are_kept_once_and_equal_one_machine(
    nodes: Nodes, bucket: Bucket, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, address = find_model("tissue-likeness"), f"s3://{BUCKET}/features"
    encoder = encoder_of(model, 0)
    named = [(slide, slide.name) for slide in sorted(slides.iterdir())]
    with monkeypatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(tmp_path / "alone"))
        expected = FeatureStore(tmp_path / "one machine", writes=True)
        options = EmbedOptions(device="cpu", measures_quality=False)
        done = embed_slides(model, named, expected, options, Unheard())
    assert [each.state for each in done] == ["done"] * SLIDES

    def count() -> int:
        try:
            return len(FeatureStore(address).slides(encoder))
        except FeatureStoreError:  # there is none yet, or the bucket refuses
            return 0

    command = ["embed", "tissue-likeness", slides, "--store", address, "--device", "cpu"]
    command += ["--no-quality"]
    run_while_parts_die(command, tmp_path / "driver", nodes, bucket, count)
    store, encoder = FeatureStore(address), expected.encoder()
    assert set(store.slides(encoder)) == {each.slide for each in done}
    rows = 0
    for each in done:
        ours, theirs = (
            store.read_slide(encoder, each.slide),
            expected.read_slide(encoder, each.slide),
        )
        assert ours.places.tolist() == theirs.places.tolist()
        assert (ours.vectors == theirs.vectors).all(), each.name
        rows += len(theirs)
    assert store.table_of(encoder).count_rows() == rows, "a slide was kept twice"


class Unheard:
    """Hears how an embedding goes on."""

    def on_begin(self, name: str) -> None: ...

    def on_progress(self, progress: object) -> None: ...

    def on_slide(self, outcome: object) -> None: ...


def _slides(home: Path) -> list[dict[str, Any]]:
    (run,) = json.loads(driver(home, "runs", "status", "--json").communicate()[0])
    status = driver(home, "runs", "status", run["run"], "--json")
    return json.loads(status.communicate()[0])["list"]


def _open_in_window(slide: Path, store: str, expected: Kept, qtbot: QtBot) -> None:
    from viewer.ui.application import make_window

    window = make_window(Settings(result_stores=[store]), [])
    try:
        window.show()
        show_slide(window, slide, qtbot)
        key = find_model("nuclei").key
        qtbot.waitUntil(lambda: any(each.key == key for each in window.overlays.bundles))
        window.overlays.panel.models.choose(key)
        window.overlays.switch_chosen(True)
        run = window.overlays.run_of(window.panes.active)
        assert run is not None
        run.stop()  # nothing is computed here
        (blocks,) = [held for about, held in expected.values() if Path(about.slide) == slide]
        found = run.found
        assert isinstance(found, ObjectMap)
        qtbot.waitUntil(lambda: found.done == set(blocks), timeout=60_000)
        assert found.count > 0
    finally:
        window.close()


def test_the_window_runs_a_batch_on_a_cluster(
    nodes: Nodes, one_machine: Kept, slides: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    from viewer.ui.application import make_window

    chosen, store = sorted(slides.iterdir())[:3], tmp_path / "store"
    window = make_window(Settings(device="cpu"), [])
    try:
        window.show()
        page, panel = window.batch, window.batch.panel
        page.choose(str(find_model("nuclei").folder))
        page.add(chosen)
        qtbot.waitUntil(lambda: len(page.slides.paths) == 3, timeout=60_000)
        qtbot.waitUntil(lambda: panel.models.currentText() == "Nuclei", timeout=60_000)
        panel.where.kind.setCurrentText("A Ray cluster")
        qtbot.keyClicks(panel.where.address, nodes.address)
        qtbot.keyClicks(panel.where.store, str(store))
        panel.start.click()
        assert page.is_running
        qtbot.waitUntil(lambda: not page.is_running, timeout=600_000)
        assert panel.why.text() == ""
        assert panel.state.text() == "3 of 3 slides are done."
    finally:
        window.close()
    for about, expected in one_machine.values():
        if Path(about.slide) in chosen:
            assert dict(SegmentStore(place_of(str(store)), about)) == expected


def test_bands_of_a_large_slide_meet_in_the_store_and_a_dead_head_ends_the_run(
    nodes: Nodes, one_machine: Kept, slides: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cluster_executor, "BLOCKS_A_TASK", 3)
    store, slide = tmp_path / "store", slides / "case-03.tif"
    (about, expected) = next(held for held in one_machine.values() if Path(held[0].slide) == slide)
    rest = [f"--store={store}", "--device=cpu", "--", "nuclei", str(slide)]
    host, _, port = nodes.cluster.address.partition(":")
    with ClusterExecutor(
        host, int(port)
    ) as executor:  # the cluster's own port, on one of its nodes
        assert executor.width == 6
        shares: list[tuple[int, int]] = []
        result = executor.run(rest, lambda progress: shares.append((progress.done, progress.total)))
        assert result.error == ""
        assert result.record is not None
        assert result.record["device"] == "kept results"
        assert dict(SegmentStore(place_of(str(store)), about)) == expected
        assert shares[-1][0] <= len(expected)
        broken = tmp_path / "broken.tif"
        broken.write_text("no slide")
        failed = executor.run([f"--store={store}", "--", "nuclei", str(broken)], lambda _: None)
        assert "unrecognized file format" in failed.error

        def shut_down_once_begun(_progress: object) -> None:
            if not done:
                done.append(True)
                nodes.cluster.remove_node(nodes.cluster.head_node, allow_graceful=False)

        done: list[bool] = []
        with pytest.raises(PlaceLostError, match=r"is gone\. What was computed is kept"):
            executor.run([f"--store={tmp_path}/other", *rest[1:]], shut_down_once_begun)
