"""What computes for long gives way to the window."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from inference_steps import make_bundle
from many_slides import slide_at

from viewer.cohort.executor import LocalExecutor
from viewer.inference.process.model_process import ModelProcess
from viewer.processes.giving_way import give_way, let_window_come_first
from viewer.slides.reader_process.process import ReaderProcess

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(params=[True, False], ids=["window", "command"])
def has_window(request: pytest.FixtureRequest) -> Generator[bool]:
    let_window_come_first(has_window=request.param)
    yield request.param
    let_window_come_first(has_window=False)


def is_session_slowed(pid: int, niceness: int, patience_s: float = 60) -> bool:
    """Wait for the niceness of a session, which a thread gives it; True where none has any."""
    group = Path(f"/proc/{pid}/autogroup")
    until_s = time.monotonic() + patience_s
    while group.exists() and (words := group.read_text().split()):
        if words[-2:] == ["nice", str(niceness)]:
            return True
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.usefixtures("real_children")
def test_a_model_gives_way_to_a_window_and_to_nothing_else(has_window: bool) -> None:
    model = ModelProcess(with_torch=False)
    try:
        own = psutil.Process().nice()
        assert psutil.Process(model.pid).nice() == (10 if has_window else own)
        assert not has_window or is_session_slowed(model.pid, 10)
    finally:
        model.close()


def test_a_reader_gives_way_to_a_window_less_than_a_model(has_window: bool) -> None:
    reader = ReaderProcess(lanes=1)
    try:
        own = psutil.Process().nice()
        assert psutil.Process(reader.pid).nice() == (max(5, own) if has_window else own)
        assert not has_window or is_session_slowed(reader.pid, 5)
    finally:
        reader.end()


_STARTS_MANY = """
    import ctypes
    import subprocess
    import sys

    from viewer.processes.giving_way import give_way, let_window_come_first

    libc = ctypes.CDLL(None)
    header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    rights[0] &= ~(1 << 21)  # CAP_SYS_ADMIN, which users lack
    assert libc.capset(header, rights) == 0
    let_window_come_first()
    command = [sys.executable, "-c", "input()"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) for _ in range(4)
    ]
    for each in started:
        give_way(each.pid)
    print(*(each.pid for each in started), flush=True)
    input()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has such sessions")
def test_all_that_a_user_starts_at_once_give_way() -> None:
    """The kernel hears one such wish of users in a tenth of a second; the others went unheard."""
    command = [sys.executable, "-c", textwrap.dedent(_STARTS_MANY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        started = [int(pid) for pid in program.stdout.readline().split()]
        are_slowed = [is_session_slowed(pid, 10, patience_s=20) for pid in started]
        program.communicate("\n")
    assert are_slowed == [True] * 4


def test_one_that_has_ended_is_no_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = psutil.Process().nice()
    let_window_come_first()
    try:
        give_way(ended.pid)
    finally:
        let_window_come_first(has_window=False)
    assert psutil.Process().nice() == own


@pytest.mark.usefixtures("real_children")  # which have command lines of their own
def test_a_batch_gives_way_to_the_window_that_started_it_and_not_to_a_command(
    has_window: bool, tmp_path: Path
) -> None:
    """With the model that it starts; in a session of its own, as the window's is slowed whole."""
    slide, model = slide_at(tmp_path / "a.tif", 3, side_px=1024), make_bundle(tmp_path / "model")
    executor = LocalExecutor()
    own_nice, own_session = psutil.Process().nice(), os.getsid(0)
    nice: dict[str, int] = {}
    try:
        executor.run(["--", str(model), str(slide)], lambda _: nice.update(_nice_of(executor)))
        process = executor._process
        assert process is not None
        assert (os.getsid(process.pid) == own_session) is not has_window
    finally:
        executor.close()
    assert any("model_main" in command for command in nice), nice
    # The model is lower by itself as soon as it computes.
    assert min(nice.values()) == (10 if has_window else own_nice), nice


def _nice_of(executor: LocalExecutor) -> dict[str, int]:
    """Return the niceness of a batch and of its readers and models, by their command lines."""
    found: dict[str, int] = {}
    assert executor._process is not None
    batch = psutil.Process(executor._process.pid)
    for process in (batch, *batch.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[" ".join(process.cmdline())] = process.nice()
    return found
