"""A model process is watched from outside, and what it answers is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hostile_models as hostile
import pytest

from viewer.geometry import Box
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.process import model_process, process_limits
from viewer.inference.runs.running import RunError, run_model
from viewer.processes.confinement import launching

if TYPE_CHECKING:
    from pathlib import Path

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


ROGUE = """
import msgspec, sys
from viewer.inference.process.messages import *
from viewer.processes.channel import inherited_channel
channel = inherited_channel({channel}, requests())
request = channel.receive()
while not isinstance(request, Loaded):
    request = channel.receive()
channel.send(Ready("cpu", 1))
while not isinstance(request, Compute):
    request = channel.receive()
{code}
import time
time.sleep(60)
"""


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
    def launch(main: str, arguments: list[str], **options: Any) -> launching.ChildProcess:
        program = ROGUE.format(channel=arguments[0], code=code)
        call = f"exec({program!r}, {{'__name__': 'rogue'}})"
        return launching.launch("timeit", ["-n1", "-r1", call], **options)

    monkeypatch.setattr(model_process, "launch", launch)
    bundle = load_bundle(hostile.make_model(tmp_path / "m", hostile.Harmless()))
    with pytest.raises(RunError, match=sentence):
        run_model(sample_slide, bundle, FIELD, device="cpu")
