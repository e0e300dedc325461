"""The helper process: started at need, told its secrets over the pipe, gone with its window."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from viewer.files.set_aside import listeners
from viewer.folders import data_folder
from viewer.processes.helper import (
    Helper,
    HelperCall,
    HelperEndedError,
    HelperFailedError,
    HelperStoppedError,
)
from viewer.processes.own_modules import IMPORT_PATHS

TASKS = "helper_tasks"
WAIT_S = 20.0
pytestmark = pytest.mark.usefixtures("real_children")


class Text(msgspec.Struct):
    text: str


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    # The tasks of this test lie beside it; those of Coverslip are found without any help.
    paths = [*IMPORT_PATHS, str(Path(__file__).parent)]
    monkeypatch.setattr("viewer.processes.own_modules.IMPORT_PATHS", paths)
    helper = Helper()
    yield helper
    helper.close()


def text_of(body: bytes) -> str:
    return msgspec.msgpack.decode(body, type=str)


def test_no_process_is_started_before_it_is_needed(helper: Helper) -> None:
    assert helper.process is None
    assert text_of(helper.run(f"{TASKS}:shout", Text("gland"))) == "GLAND"
    first = helper.process
    helper.run(f"{TASKS}:shout", Text("again"))
    assert helper.process is first


def test_what_is_asked_stands_in_no_command_line_or_environment(helper: Helper) -> None:
    call = helper.start(f"{TASKS}:wait_for_ever", Text("sk-very-secret"))
    assert helper.process is not None
    process = psutil.Process(helper.process.pid)
    assert "sk-very-secret" not in " ".join(process.cmdline())
    assert "sk-very-secret" not in str(process.environ())
    call.stop()


def test_tasks_run_side_by_side_and_stop_at_once(helper: Helper) -> None:
    helper.run(f"{TASKS}:shout", Text("warm"))
    heard: list[str] = []
    call = helper.start(f"{TASKS}:wait_for_ever", Text("x"))
    threading.Timer(0.3, call.stop).start()
    started_s = time.monotonic()
    assert text_of(helper.run(f"{TASKS}:shout", Text("other"))) == "OTHER"
    with pytest.raises(HelperStoppedError):
        call.wait(lambda body: heard.append(text_of(body)))
    assert time.monotonic() - started_s < WAIT_S
    assert heard == ["waiting"]
    until_s = time.monotonic() + WAIT_S
    while text_of(helper.run(f"{TASKS}:stopped", Text(""))) != "1":
        assert time.monotonic() < until_s, "the task never heard that it was stopped"
        time.sleep(0.05)


def test_errors_come_back(helper: Helper, tmp_path: Path) -> None:
    with pytest.raises(HelperFailedError, match="no good") as failed:
        helper.run(f"{TASKS}:fail", Text("no good"))
    assert failed.value.kind == "ValueError"
    with pytest.raises(FileNotFoundError) as missing:
        helper.run(f"{TASKS}:read", Text(str(tmp_path / "absent")))
    assert missing.value.filename == str(tmp_path / "absent")


def test_what_it_cannot_write_down_is_said_by_its_window(helper: Helper) -> None:
    (data_folder() / "audit").write_text("in the way")
    said: list[str] = []
    listeners.append(said.append)
    try:
        helper.run(f"{TASKS}:note", Text("models.example"))
        helper.run(f"{TASKS}:shout", Text("said by now"))
    finally:
        listeners.remove(said.append)
    (sentence,) = said
    assert "cannot be written down" in sentence
    assert str(data_folder() / "audit") in sentence


def test_a_killed_helper_is_started_again(helper: Helper) -> None:
    call = helper.start(f"{TASKS}:wait_for_ever", Text("x"))
    assert helper.process is not None
    helper.process.kill()
    with pytest.raises(HelperEndedError):
        call.wait()
    assert text_of(helper.run(f"{TASKS}:shout", Text("back"))) == "BACK"


def test_it_ends_when_its_window_is_killed() -> None:
    code = (
        "import time, msgspec; from viewer.processes.helper import HelperFailedError, helper\n"
        "class Text(msgspec.Struct): text: str\n"
        "try: helper().run('viewer.processes.helper:none', Text(''))\n"
        "except HelperFailedError: pass\n"  # it answers
        "print(helper().process.pid, flush=True); time.sleep(60)"
    )
    window = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert window.stdout is not None
    process = psutil.Process(int(window.stdout.readline()))
    window.kill()
    window.wait()
    psutil.wait_procs([process], timeout=WAIT_S)
    assert not process.is_running()
    window.stdout.close()


def test_it_ends_with_its_window_amid_a_task_that_hears_of_nothing(helper: Helper) -> None:
    call = helper.start(f"{TASKS}:hear_nothing", Text("x"))
    begun = threading.Event()
    waiting = threading.Thread(target=_wait, args=(call, begun))
    waiting.start()
    assert begun.wait(WAIT_S)
    process = helper.process
    assert process is not None
    assert helper._channel is not None
    helper._channel.close()  # as the system does when the window is killed
    assert process.wait(WAIT_S) == 0
    waiting.join()


def _wait(call: HelperCall, begun: threading.Event) -> None:
    with contextlib.suppress(HelperEndedError):
        call.wait(lambda _: begun.set())
