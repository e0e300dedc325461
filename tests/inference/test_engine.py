"""The engine with a real process on a real slide: order, death, errors, and its end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from behavior_steps import write_slide
from inference_steps import Heard, Nonsense, Raises, Spacious, engine_on, make_bundle, whole
from torch import nn

from viewer.geometry import Box
from viewer.inference.process import model_process
from viewer.inference.runs import ending
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.known_blocks import KnownBlocks
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.result_store import results_folder
from viewer.processes.confinement.launching import ChildProcess, launch
from viewer.slides import open_slide
from viewer.slides.region import read_region

Start = Callable[..., tuple[Engine, BlockGrid, Heard]]
FIELD = Box(1000, 1000, 1100, 1100)


@pytest.fixture
def start(sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts engines that end with the test, and their processes with them."""
    engines: list[Engine] = []
    children: list[ChildProcess] = []

    def launched(
        main: str, arguments: Sequence[str], *, inherited_fds: Sequence[int], uses_cuda: bool
    ) -> ChildProcess:
        child = launch(main, arguments, inherited_fds=inherited_fds, uses_cuda=uses_cuda)
        children.append(child)
        return child

    monkeypatch.setattr(model_process, "launch", launched)

    def begin(
        module: nn.Module | None = None, slide: Path = sample_slide
    ) -> tuple[Engine, BlockGrid, Heard]:
        folder = make_bundle(tmp_path / f"model{len(engines)}", module)
        heard = Heard()
        engine, grid, _ = engine_on(slide, folder, heard)
        engines.append(engine)
        return engine, grid, heard

    yield begin
    for engine in engines:
        engine.close()
    for child in children:
        child.popen.wait(10.0)  # raises an error where it goes on


@pytest.fixture
def field_slide(sample_slide: Path, tmp_path: Path) -> Path:
    """A slide that is a field of the sample slide: a few blocks."""
    with closing(open_slide(sample_slide)) as source:
        pixels = read_region(source, Box(900, 1000, 1500, 1600), 600, 600)
    return write_slide(tmp_path / "field.tif", pixels, 0.5)


def _process(engine: Engine, heard: Heard) -> int:
    heard.wait(lambda: engine.process_id is not None)
    assert engine.process_id is not None
    return engine.process_id


def test_a_whole_slide_is_worked_through_and_kept(start: Start) -> None:
    engine, grid, heard = start()
    engine.run(whole(grid))
    heard.wait_for_run()
    assert set(heard.blocks) == set(grid.covering(whole(grid)))
    count = sum(map(len, heard.blocks.values()))
    assert count > 300
    assert heard.devices == ["cpu"]
    assert heard.troubles == heard.final == []
    engine.close()
    again, _, told = start()
    told.wait(lambda: len(told.blocks) == len(heard.blocks))
    assert sum(map(len, told.blocks.values())) == count
    assert again.process_id is None


def test_the_end_holds_nobody_up_and_the_next_finds_what_is_kept_then(
    start: Start, field_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, grid, heard = start(slide=field_slide)
    engine.run(whole(grid))
    heard.wait_for_run()
    may_keep, close = threading.Event(), KnownBlocks.close

    def slow(known: KnownBlocks) -> None:
        assert may_keep.wait(60)
        close(known)

    monkeypatch.setattr(KnownBlocks, "close", slow)
    monkeypatch.setattr(ending, "_WAIT_S", 60.0)
    engine.end()  # would wait for ever
    again, _, told = start(slide=field_slide)
    assert again.results == ""
    assert not told.blocks, "before what it has to know is kept"
    may_keep.set()
    told.wait(lambda: len(told.blocks) == len(heard.blocks))
    assert again.process_id is None


def test_what_is_looked_at_comes_first_and_a_move_reorders(start: Start) -> None:
    engine, grid, heard = start()
    engine.run(whole(grid))
    engine.look_at(FIELD)
    heard.wait(lambda: len(heard.order) >= 1)
    assert heard.order[0] in grid.covering(FIELD.grown(grid.side))
    corner = Box(1900, 2700, 2000, 2800)
    before = len(heard.order)
    engine.look_at(corner)
    heard.wait(lambda: set(grid.covering(corner)) <= set(heard.blocks))
    # What was under way or read ahead may still come between.
    assert len(heard.order) - before <= 3 + len(grid.covering(corner)) + 9


def test_a_stopped_run_asks_for_no_more(start: Start) -> None:
    engine, grid, heard = start()
    engine.look_at(whole(grid))
    engine.run(whole(grid))
    heard.wait(lambda: len(heard.blocks) >= 2)
    engine.stop()
    heard.wait(lambda: heard.progress.total == 0 and not heard.progress.is_busy)
    count = len(heard.blocks)
    assert count < len(grid.covering(whole(grid)))
    with pytest.raises(AssertionError):
        heard.wait(lambda: len(heard.blocks) > count, patience_s=1.0)


def test_a_pause_holds_and_resumes(start: Start, field_slide: Path) -> None:
    engine, grid, heard = start(slide=field_slide)
    engine.set_paused(paused=True)
    engine.run(whole(grid))
    with pytest.raises(AssertionError):
        heard.wait(lambda: heard.blocks, patience_s=1.0)
    engine.set_paused(paused=False)
    heard.wait_for_run()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps what was freed")
def test_an_idle_process_gives_back_what_it_computed_with(start: Start, field_slide: Path) -> None:
    engine, grid, heard = start(Spacious(), field_slide)
    engine.run(whole(grid))
    heard.wait_for_run()
    status = Path(f"/proc/{_process(engine, heard)}/status")

    def given_back_kb() -> int:
        lines = (line.split() for line in status.read_text().splitlines())
        sizes_kb = {line[0]: int(line[1]) for line in lines if line[-1] == "kB"}
        return sizes_kb["VmHWM:"] - sizes_kb["VmRSS:"]

    heard.wait(lambda: given_back_kb() > 100_000)


def test_a_killed_process_is_told_and_started_again(start: Start) -> None:
    engine, grid, heard = start()
    engine.run(whole(grid))
    heard.wait(lambda: len(heard.blocks) >= 1)
    first = _process(engine, heard)
    os.kill(first, signal.SIGKILL)
    heard.wait_for_run()
    assert engine.process_id != first
    assert heard.troubles == ["The model's process ended and is started again."]
    assert set(heard.blocks) == set(grid.covering(whole(grid)))


def test_a_block_that_ends_the_process_twice_is_left_out(start: Start) -> None:
    engine, _, heard = start()
    engine.run(FIELD)
    for _ in range(2):
        process = _process(engine, heard)
        os.kill(process, signal.SIGKILL)
        heard.wait(lambda process=process: engine.process_id != process)
    heard.wait_for_run()
    assert any("left out" in sentence for sentence in heard.troubles)
    assert heard.final == []


def test_a_process_that_always_ends_is_not_started_for_ever(start: Start) -> None:
    engine, grid, heard = start()
    engine.run(whole(grid))
    for _ in range(4):
        process = _process(engine, heard)
        os.kill(process, signal.SIGKILL)
        heard.wait(lambda process=process: engine.process_id != process)
    heard.wait(lambda: heard.final)
    assert heard.final == ["The model's process ends again and again before it finds anything."]
    assert engine.process_id is None


@pytest.mark.parametrize(("module", "told"), [(Raises(), "failed"), (Nonsense(), "not finite")])
def test_a_model_that_fails_says_so_and_stops(start: Start, module: nn.Module, told: str) -> None:
    engine, grid, heard = start(module)
    engine.run(whole(grid))
    heard.wait(lambda: heard.final)
    assert told in heard.final[0]
    assert heard.blocks == {}
    heard.wait(lambda: engine.process_id is None)


def test_an_unknown_device_is_told(sample_slide: Path, tmp_path: Path) -> None:
    heard = Heard()
    engine, grid, bundle = engine_on(sample_slide, make_bundle(tmp_path), heard)
    engine.close()
    other = Engine(sample_slide, "x", grid, 0.5, bundle, heard, "cuda:77")
    other.run(whole(grid))
    heard.wait(lambda: heard.final)
    assert "cuda:77" in heard.final[0]
    other.close()


def test_a_slide_that_vanished_is_told(start: Start, sample_slide: Path, tmp_path: Path) -> None:
    slide = tmp_path / "gone.svs"
    shutil.copyfile(sample_slide, slide)
    engine, grid, heard = start(slide=slide)
    slide.unlink()
    engine.run(whole(grid))
    heard.wait(lambda: heard.final)
    assert "gone.svs" in heard.final[0]


def test_a_slide_that_changes_ends_the_run_and_is_told_once(
    start: Start, sample_slide: Path, tmp_path: Path
) -> None:
    slide = tmp_path / "S-1.svs"
    shutil.copyfile(sample_slide, slide)
    engine, grid, heard = start(slide=slide)
    engine.run(FIELD)
    heard.wait_for_run()
    held = set(heard.blocks)
    with slide.open("ab") as file:
        file.write(b"\0")
    engine.run(whole(grid))
    heard.wait(lambda: heard.final)
    (sentence,) = heard.final
    assert sentence.startswith("S-1.svs was changed on the disk while it was open")
    assert heard.troubles == []
    assert engine.unreadable == 0
    assert set(heard.blocks) == held


def test_results_that_cannot_be_kept_are_shown_all_the_same(start: Start) -> None:
    folder = results_folder()
    folder.rmdir()
    folder.write_text("in the way")
    engine, _, heard = start()
    engine.run(FIELD)
    heard.wait_for_run()
    assert sum(map(len, heard.blocks.values())) > 0
    assert any("cannot be kept" in sentence for sentence in heard.troubles)


def test_closing_at_once_leaves_no_process(start: Start) -> None:
    for _ in range(3):
        engine, grid, _ = start()
        engine.run(whole(grid))
        engine.close()
        assert engine.process_id is None
