"""Programs that are started while other threads go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from viewer.processes.confinement import launching
from viewer.processes.confinement.spawning import SpawnedProcess, can_spawn, spawn

pytestmark = pytest.mark.skipif(not can_spawn(), reason="needs posix_spawn of glibc")

_TELL = """
import json, os, signal, sys
print(json.dumps({
    "arguments": sys.argv[1:], "folder": os.getcwd(), "variables": dict(os.environ),
    "session": os.getsid(0), "is_ignored": signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN,
    "descriptors": sorted(os.listdir("/proc/self/fd"), key=int),
    "standard": [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1)],
}), file=sys.stderr)
sys.exit(7)
"""


def _python(folder: Path, code: str, *more: str, fds: tuple[int, ...] = ()) -> SpawnedProcess:
    return spawn(
        [sys.executable, "-I", "-c", code, *more],
        folder=str(folder),
        environment={"NAME": "größer=1"},
        inherited_fds=fds,
    )


def test_a_program_is_started_as_it_was_asked(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("here")
    with (tmp_path / "in").open() as inherited:
        process = _python(tmp_path, _TELL, "an argument", "ö", fds=(inherited.fileno(),))
        with process.stderr as said:
            told = json.loads(said.read())
        assert process.wait() == process.poll() == 7
        assert str(inherited.fileno()) in told["descriptors"]
    assert told["arguments"] == ["an argument", "ö"]
    assert told["folder"] == str(tmp_path)
    assert told["variables"]["NAME"] == "größer=1"
    assert set(told["variables"]) <= {"NAME", "LC_CTYPE"}
    assert told["session"] == process.pid
    assert told["standard"] == [os.devnull] * 2


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    for command, folder in (("/no/such", str(tmp_path)), (sys.executable, "/no/such")):
        with pytest.raises(FileNotFoundError):
            spawn([command], folder=folder, environment={})
    with pytest.raises(ValueError, match="null"):
        spawn([sys.executable, "a\0b"], folder=str(tmp_path), environment={})


def test_a_program_is_killed_and_waited_for_from_several_threads(tmp_path: Path) -> None:
    process = _python(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    found: list[int] = []
    waiting = [threading.Thread(target=lambda: found.append(process.wait())) for _ in range(4)]
    for each in waiting:
        each.start()
    process.kill()
    process.kill()
    for each in waiting:
        each.join()
    process.kill()  # long gone
    assert found == [-signal.SIGKILL] * 4
    process.stderr.close()


def test_other_threads_go_on_while_a_program_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start of a program whose file cannot be read yet waits, and no other thread does."""
    entered, may_go = threading.Event(), threading.Event()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(os, "devnull", str(pipe))  # what is opened before the program begins

    def start() -> None:
        entered.set()
        process = _python(tmp_path, "")
        may_go.set()
        process.kill()
        process.wait()
        process.stderr.close()

    starting = threading.Thread(target=start)
    starting.start()
    assert entered.wait(10)
    time.sleep(0.2)  # this thread computes
    assert not may_go.is_set()
    with pipe.open("wb"):
        starting.join(10)
    assert may_go.is_set()


@pytest.mark.usefixtures("real_children")
def test_a_child_has_no_descriptor_that_a_library_left_open() -> None:
    left_open = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(left_open, True)
    code = f"import os; os._exit(4 if os.path.exists('/proc/self/fd/{left_open}') else 3)"
    child = launching.launch("timeit", ["-n1", "-r1", code])
    try:
        assert child.popen.wait(20) == 3, child.last_words()
    finally:
        child.close()
        os.close(left_open)
