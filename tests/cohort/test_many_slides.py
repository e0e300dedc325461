"""A model over many slides: one command, one queue, one table; ended at any time, it goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest
from cli_steps import coverslip
from inference_steps import make_bundle
from many_slides import slide_at

from viewer.cohort.batch import (
    Batch,
    BatchSettings,
    SlideRecord,
    frozen_stains,
    kept_batches,
    open_batch,
    output_names,
)
from viewer.cohort.errors import BatchError
from viewer.cohort.executor import RunProgress, RunResult
from viewer.cohort.runner import BatchProgress, BatchRunner, duration_text, run_arguments
from viewer.cohort.starting import begin_batch
from viewer.inference.cells.kept_settings import keep_settings
from viewer.inference.cells.settings import CellSettings
from viewer.inference.cells.stain_vectors import StainVectors
from viewer.slides import SlideError, open_slide
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import create_project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.cohort.batch import BatchSlide

GOOD = "=a.tif"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Place:
    """A home, a folder of slides and a model, and what a run over the folder said."""

    home: Path
    slides: Path
    model: Path
    out: Path
    first: subprocess.CompletedProcess[str]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return coverslip("run", self.model, *arguments, COVERSLIP_HOME=str(self.home))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("cohort")
    slides = folder / "slides"
    slides.mkdir()
    slide_at(slides / GOOD, 0)
    (slides / "broken.tif").write_text("no slide")
    model = make_bundle(folder / "model")
    home, out = folder / "home", folder / "out"
    first = coverslip("run", model, slides, "-o", out, "--json", COVERSLIP_HOME=str(home))
    return Place(home, slides, model, out, first)


def test_a_folder_gives_a_record_a_file_and_a_row_a_slide(place: Place) -> None:
    records = {each["name"]: each for each in json.loads(place.first.stdout)}
    assert place.first.returncode == 1  # one slide failed, and the others went on
    assert {name: each["state"] for name, each in records.items()} == {
        GOOD: "done", "broken.tif": "failed",
    }  # fmt: skip
    assert "unrecognized file format" in records["broken.tif"]["error"]
    alone = place.run(place.slides / GOOD, "--json")
    one = json.loads(alone.stdout)
    assert alone.returncode == 0
    assert one.keys() <= records[GOOD].keys()
    assert one["objects"] == records[GOOD]["objects"] > 3
    assert one["device"] == "kept results"
    features = json.loads((place.out / "=a.geojson").read_text())["features"]
    assert len(features) == one["objects"]
    with (place.out / "slides.csv").open(newline="") as file:
        rows = {row["slide"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"'=a.tif", "broken.tif"}  # no spreadsheet takes it for a formula
    assert int(rows["'=a.tif"]["objects"]) == one["objects"]
    assert float(rows["'=a.tif"]["objects per mm2"]) > 0
    assert json.loads(rows["'=a.tif"]["settings"]) == records[GOOD]["frozen"]


def test_what_is_computed_is_not_computed_again(place: Place) -> None:
    again = place.run(place.slides, "-o", place.out, "--json")
    assert f"{GOOD}: computed before" in again.stderr
    first = {each["name"]: each for each in json.loads(place.first.stdout)}
    assert {each["name"]: each for each in json.loads(again.stdout)} == first


def test_the_missing_slide_of_a_project_is_named_and_the_rest_goes_on(
    place: Place, tmp_path: Path
) -> None:
    listed = (
        ProjectSlide(identity="s1-none", path="gone.svs", name="gone.svs"),
        ProjectSlide(identity="s1-a", path=str(place.slides / GOOD), name="Case 1"),
    )
    create_project(tmp_path / "study", Project(slides=listed))
    ran = place.run(tmp_path / "study", "--json")
    assert ran.returncode == 1
    assert "gone.svs is missing" in ran.stderr
    states = {each["name"]: each["state"] for each in json.loads(ran.stdout)}
    assert states == {"Case 1": "done", "gone.svs": "failed"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--within", "x.geojson"], "one slide"),
        (["-o", "objects.csv"], "folder"),
        (["-o", "out", "--format", "docx"], 'no format "docx"'),
        (["--region", "1,2"], "X,Y,W,H"),
        (["--region", "0,0,0,10"], "X,Y,W,H"),
        pytest.param(
            ["-o", "/proc"],
            "Nothing can be written into /proc",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="a folder of Linux"),
        ),
    ],
)
def test_what_several_slides_cannot_have_is_refused(
    place: Place, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    words = ("run", place.model, place.slides, *arguments)
    ended = coverslip(*words, folder=tmp_path, COVERSLIP_HOME=str(place.home))
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_nothing_to_run_on_is_said(place: Place, tmp_path: Path) -> None:
    ended = place.run(tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == f"There are no slides in {tmp_path}.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
def test_a_slide_whose_name_is_no_text_costs_no_other(place: Place, tmp_path: Path) -> None:
    unnamable = Path(os.fsdecode(bytes(tmp_path) + b"/M\xfcller.tif"))
    unnamable.write_bytes((place.slides / GOOD).read_bytes())
    alone = place.run(unnamable)
    assert (alone.returncode, alone.stdout, alone.stderr.count("\n")) == (2, "", 1)
    assert "not written in UTF-8" in alone.stderr
    both = place.run(place.slides / GOOD, unnamable, "--json")
    assert both.returncode == 1
    assert [each["state"] for each in json.loads(both.stdout)] == ["done", "failed"]
    with pytest.raises(SlideError, match="rename the file"):
        open_slide(unnamable)


def test_a_pixel_size_that_cannot_be_is_refused_before_it_takes_all_memory(place: Place) -> None:
    for mpp in ("1e4", "0.001"):
        ended = place.run(place.slides / GOOD, "--mpp", mpp)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "correct its pixel size" in ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_killed_run_leaves_no_process_and_goes_on(place: Place, tmp_path: Path) -> None:
    slides = [slide_at(tmp_path / f"{name}.tif", 10 + at) for at, name in enumerate("cd")]
    environment = {**os.environ, "COVERSLIP_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", "from viewer.cli import main; main()", "run"]
    # Another run of the same slide and model at the same time spoils nothing.
    beside = subprocess.Popen(
        [*command, str(place.model), str(slides[0]), "--json"],
        env=environment, stdout=subprocess.PIPE,
    )  # fmt: skip
    killed = subprocess.Popen(
        [*command, str(place.model), *map(str, slides)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert killed.stderr is not None
    assert b"c.tif" in killed.stderr.readline()
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    _, alive = psutil.wait_procs(children, PATIENCE_S)
    assert not alive
    other = json.loads(beside.communicate(timeout=PATIENCE_S)[0])
    ended = coverslip("run", place.model, *slides, "--json", COVERSLIP_HOME=str(tmp_path / "home"))
    assert ended.returncode == 0
    assert "c.tif: computed before" in ended.stderr
    records = json.loads(ended.stdout)
    assert records[0]["objects"] == other["objects"]
    assert [each["state"] for each in records] == ["done", "done"]


# The queue by itself --------------------------------------------------------------------------


@dataclass
class Scripted:
    """An executor that answers what it is told to, or waits until it is stopped."""

    answers: dict[str, Callable[[], RunResult]]
    asked: list[str] = field(default_factory=list[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        name = Path(arguments[-1]).name
        self.asked.append(name)
        self.stopped.clear()
        on_progress(RunProgress(1, 2, 3.0))
        return self.answers.get(name, lambda: RunResult({"objects": 1}))()

    def stop(self) -> None:
        self.stopped.set()

    def wait(self) -> RunResult:
        assert self.stopped.wait(PATIENCE_S)
        return RunResult(was_stopped=True)


@dataclass
class Heard:
    """What a batch says."""

    states: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    progress: list[BatchProgress] = field(default_factory=list[BatchProgress])

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        self.states.append((slide.name, record.state))

    def on_progress(self, progress: BatchProgress) -> None:
        self.progress.append(progress)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
    slides = [(tmp_path / name, name) for name in ("a", "b", "c")]
    for path, _ in slides:
        path.write_text(path.name)
    return open_batch(settings, slides)


def test_failed_slides_are_run_again_and_changed_files_too(batch: Batch, tmp_path: Path) -> None:
    heard = Heard()
    failing = Scripted({"b": lambda: RunResult(error="It is torn.")})
    BatchRunner(batch, failing, heard).run()
    assert [record.state for record in batch.records()] == ["done", "failed", "done"]
    assert batch.records()[1].error == "It is torn."
    assert heard.progress[-1] == BatchProgress(2, 1, 3, 0.0, 0.0)
    assert any(each.left_s for each in heard.progress)
    (tmp_path / "c").write_text("another slide")
    again = Scripted({})
    BatchRunner(kept_batches()[0], again, Heard()).run()
    assert again.asked == ["b", "c"]


def test_a_slide_whose_file_is_gone_from_the_folder_is_run_again(batch: Batch) -> None:
    out = Path(batch.slides[0].path).parent / "out"
    out.mkdir()
    settings = msgspec.structs.replace(batch.settings, out=str(out), suffix=".csv")
    writing = open_batch(settings, [(Path(each.path), each.name) for each in batch.slides])

    def write(name: str) -> RunResult:
        (out / f"{name}.csv").write_text("")
        return RunResult({"objects": 1})

    names = ("a", "b", "c")
    first = Scripted({name: lambda name=name: write(name) for name in names})
    BatchRunner(writing, first, Heard()).run()
    (out / "b.csv").unlink()
    again = Scripted(first.answers)
    BatchRunner(writing, again, Heard()).run()
    assert (first.asked, again.asked) == ([*names], ["b"])


def test_a_paused_slide_is_begun_again_and_a_canceled_batch_goes_on_later(batch: Batch) -> None:
    scripted = Scripted({})
    scripted.answers = {"b": scripted.wait}
    runner = BatchRunner(batch, scripted, Heard())
    thread = threading.Thread(target=runner.run)
    thread.start()
    _wait_for(lambda: scripted.asked == ["a", "b"])
    with pytest.raises(BatchError, match="being run already"):
        BatchRunner(kept_batches()[0], Scripted({}), Heard()).run()
    runner.pause(paused=True)
    _wait_for(scripted.stopped.is_set)
    runner.pause(paused=False)
    _wait_for(lambda: scripted.asked == ["a", "b", "b"])
    runner.cancel()
    thread.join(PATIENCE_S)
    assert [record.state for record in kept_batches()[0].records()] == [
        "done", "waiting", "waiting",
    ]  # fmt: skip
    later = Scripted({})
    BatchRunner(kept_batches()[0], later, Heard()).run()
    assert later.asked == ["b", "c"]


def test_an_option_without_a_value_is_passed_on_as_one(batch: Batch) -> None:
    slides = [(Path(each.path), each.name) for each in batch.slides]
    frozen = msgspec.structs.replace(batch.settings, options={"unconfined": "", "mpp": "0.3"})
    arguments = run_arguments(open_batch(frozen, slides), batch.slides[0])
    assert {"--unconfined", "--mpp=0.3"} <= set(arguments)


def test_other_settings_are_another_batch(batch: Batch, tmp_path: Path) -> None:
    slides = [(tmp_path / name, name) for name in ("a", "b", "c")]
    assert open_batch(batch.settings, slides).id == batch.id
    frozen = msgspec.structs.replace(batch.settings, options={"mpp": "0.3"})
    assert open_batch(frozen, slides).id != batch.id


def test_stains_are_frozen_when_a_batch_begins(tmp_path: Path) -> None:
    first, later = StainVectors(origin="first"), StainVectors(origin="later")
    slide = f"s1-{'a' * 40}"
    keep_settings(slide, CellSettings(stains=first, threshold=0.3))
    slides = [(tmp_path / "a", "a")]
    began = begin_batch("cells", slides, {"set": "threshold=0.2"})
    arguments = run_arguments(began, began.slides[0])
    assert "--set=threshold=0.2" in arguments
    (frozen,) = [each.partition("=")[2] for each in arguments if each.startswith("--frozen=")]
    keep_settings(slide, CellSettings(stains=later))
    assert frozen_stains(Path(frozen)) == {slide: first}
    assert begin_batch("cells", slides, {"set": "threshold=0.2"}).id != began.id


def test_slides_called_alike_have_files_of_their_own() -> None:
    names = output_names(["/x/a.svs", "/y/a.svs", "/y/A.tif", "/x/b.tif"], ".csv")
    assert names == ["a.csv", "a (2).csv", "A (3).csv", "b.csv"]


def test_durations_are_said_in_words() -> None:
    assert [duration_text(each) for each in (42, 600, 7500)] == ["42 s", "10 min", "2 h 5 min"]


def _wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
