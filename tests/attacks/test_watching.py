"""A model process is watched from outside, and what it answers is not believed."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import hostile_models as hostile
import numpy as np
import pytest
import torch

from viewer.geometry import Box
from viewer.inference.errors import ModelProcessError
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.models.model_library import find_model
from viewer.inference.process import model_process, process_limits
from viewer.inference.process.model_process import ModelProcess
from viewer.inference.process.network import Network
from viewer.inference.process.nuclei_lesson import NucleiLesson
from viewer.inference.process.tuning_messages import (
    FieldSeen,
    MeasureTuned,
    SeeField,
    TunedSteps,
    TuneSteps,
)
from viewer.inference.runs.running import RunError, run_model
from viewer.processes.confinement import launching
from viewer.processes.shared_pixels import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.processes.shared_pixels import Tile

FIELD = Box(900, 900, 1500, 1500)


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is watched are processes at work, however they were started: they are forked."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of a minute."""
    monkeypatch.setattr(process_limits, "NO_PROGRESS_S", 3.0)


@pytest.mark.usefixtures("impatient")
def test_a_model_that_never_returns_is_stopped(sample_slide: Path, tmp_path: Path) -> None:
    bundle = load_bundle(hostile.make_model(tmp_path / "m", hostile.Endless()))
    with pytest.raises(BundleError, match="no progress for 3 s"):
        try_model(bundle)
    with pytest.raises(RunError, match="no progress for 3 s"):
        run_model(sample_slide, bundle, FIELD, device="cpu")


UNLOADED = """
import time
from viewer.inference.process.messages import *
from viewer.inference.process.tuning_messages import *
from viewer.processes.channel import inherited_channel
channel = inherited_channel(int(arguments[0]), requests())
"""
LOADED = """
request = channel.receive()
while not isinstance(request, Loaded):
    request = channel.receive()
channel.send(Ready("cpu", 1))
while not isinstance(request, Compute):
    request = channel.receive()
"""


def launching_rogues(program: str) -> Callable[..., launching.ChildProcess]:
    """Return what launches a program in place of a model process, confined like it."""

    def launch(main: str, arguments: list[str], **options: Any) -> launching.ChildProcess:
        call = f"exec({program!r}, {{'__name__': 'rogue', 'arguments': {arguments!r}}})"
        return launching.launch("timeit", ["-n1", "-r1", call], **options)

    return launch


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ('channel.send(Done(5, 5000, b""))', "nobody asked for"),
        ('channel.send(Done(request.column, request.row, b"x" * 100))', "no result"),
        ('channel.send(Judged([1.0], b""))', "nobody asked for"),
        ("channel._socket.sendall(b'\\xff' * 64)", "again and again"),
        ("channel._socket.sendall(b'\\x05' + bytes(7) + b'hello')", "again and again"),
        ("import os; os._exit(0)", "again and again"),
    ],
    ids=["another block", "no result", "another answer", "endless frame", "garbage", "end"],
)
def test_a_process_that_was_taken_over_gets_no_further(
    code: str, sentence: str, sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"{UNLOADED}{LOADED}{code}\ntime.sleep(60)"
    monkeypatch.setattr(model_process, "launch", launching_rogues(program))
    bundle = load_bundle(hostile.make_model(tmp_path / "m", hostile.Harmless()))
    with pytest.raises(RunError, match=sentence):
        run_model(sample_slide, bundle, FIELD, device="cpu")


SILENT = """
from viewer.inference.process import model_main, nuclei_lesson
begin = nuclei_lesson.NucleiLesson.__init__
nuclei_lesson.NucleiLesson.__init__ = (
    lambda self, network, about, on_progress: begin(self, network, about, lambda: None)
)
model_main.main(arguments)
"""
SIDE_PX = 192


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8)


def field(tile: Tile) -> SeeField:
    """Return a field with one nucleus, in which all nuclei are outlined."""
    labels = np.zeros((SIDE_PX, SIDE_PX), np.int32)
    labels[80:100, 80:100] = 1
    return SeeField(tile, labels.tobytes(), np.zeros(labels.shape, np.bool_).tobytes(), 16, True)


def test_training_tells_each_step_and_each_field_that_it_measures() -> None:
    """However long all of them take, the process is not silent for a minute."""
    nuclei = find_model("nuclei")
    network = Network(nuclei, torch.device("cpu"))
    told: list[str] = []
    what = "seen"
    lesson = NucleiLesson(network, nuclei.description, lambda: told.append(what))
    for _ in range(3):
        lesson.answer(field(hand_over(picture(), None)), picture())
    what = "step"
    lesson.answer(TuneSteps(2, 2), None)
    what = "measured"
    lesson.answer(MeasureTuned(), None)
    counts = Counter(told)
    assert counts["seen"] == counts["measured"] >= 3
    assert counts["step"] == 2


def test_what_makes_progress_goes_on_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = """
while True:
    if isinstance(channel.receive(), TuneSteps):
        for _ in range(20):
            time.sleep(0.3)
            channel.send(Alive())
        channel.send(TunedSteps(0.5))
"""
    monkeypatch.setattr(model_process, "launch", launching_rogues(UNLOADED + slow))
    monkeypatch.setattr(process_limits, "NO_PROGRESS_S", 3.0)
    with closing(ModelProcess(uses_cuda=False)) as process:
        began_s = time.monotonic()
        assert process.ask(TuneSteps(5, 300)) == TunedSteps(0.5)
        assert time.monotonic() - began_s > 6.0


def test_training_that_tells_no_progress_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_process, "launch", launching_rogues(SILENT))
    with closing(ModelProcess(uses_cuda=False)) as process:
        process.load(find_model("nuclei"), "cpu", 1)
        assert process.ask(field(process.put(picture()))) == FieldSeen()
        monkeypatch.setattr(process_limits, "NO_PROGRESS_S", 2.0)
        with pytest.raises(ModelProcessError, match="no progress for 2 s and was stopped"):
            process.ask(TuneSteps(100_000, 100_000))
