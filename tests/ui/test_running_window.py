"""A later start opens its slides in the window that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from other_account import needs_root, own_by_other, public_place, run_as_other
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from viewer.running_window import (
    MOST_BYTES,
    RunningWindow,
    _socket_path,
    hand_over,
    read_request,
)
from viewer.ui import window_door
from viewer.ui.window_door import WindowDoor

__all__ = ["public_place"]

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def door(qtbot: QtBot) -> Iterator[WindowDoor]:
    running = RunningWindow.claim()
    assert running is not None
    window = QWidget()
    qtbot.addWidget(window)
    door = WindowDoor(running, window)
    yield door
    door.close()


def asking(paths: list[Path], answers: list[bool]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(hand_over(paths, 15.0)))
    thread.start()
    return thread


def test_paths_are_handed_over_as_they_are(door: WindowDoor, qtbot: QtBot) -> None:
    answers: list[bool] = []
    names = ["a slide.svs", "ä\n'\";$(x).svs", "--help"]
    with qtbot.waitSignal(door.asked) as asked:
        thread = asking([Path(name) for name in names], answers)
    thread.join(15)
    assert answers == [True]
    assert asked.args == [[Path(os.path.abspath(name)) for name in names]]
    assert RunningWindow.claim() is None


def test_the_next_start_is_the_first_once_the_window_closed(qtbot: QtBot) -> None:
    running = RunningWindow.claim()
    assert running is not None
    running.close()
    assert not hand_over([Path("a.svs")])
    again = RunningWindow.claim()
    assert again is not None
    again.close()


def test_each_home_has_a_window_of_its_own(
    door: WindowDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "other"))
    assert not hand_over([Path("a.svs")])
    other = RunningWindow.claim()
    assert other is not None
    other.close()


def test_a_window_that_does_not_answer_stops_no_start() -> None:
    running = RunningWindow.claim()
    assert running is not None
    assert not hand_over([Path("a.svs")], patience_s=0.2)
    running.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"open /etc/passwd\n",
        b'{"paths": "/a.svs"}\n',
        b'{"paths": ["a.svs"]}\n',
        b'{"paths": ["/a\\u0000b.svs"]}\n',
        b'{"paths": [1]}\n',
        msgspec.json.encode({"paths": ["/a"] * 10_001}),
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_list_of_paths_is_not_opened(data: bytes) -> None:
    assert read_request(data) is None


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window sends nobody away for the time that has passed."""
    monkeypatch.setattr(window_door, "_PATIENCE_MS", 3_600_000)


def visitor(door: WindowDoor) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(door._running._path.as_posix())
    connection.setblocking(False)
    return connection


def is_sent_away(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:  # with what it had said unread
        return True


def assert_serves(door: WindowDoor, qtbot: QtBot) -> None:
    answers: list[bool] = []
    with qtbot.waitSignal(door.asked) as asked:
        thread = asking([Path("/slides/a.svs")], answers)
    thread.join(15)
    assert answers == [True]
    assert asked.args == [[Path("/slides/a.svs")]]


@pytest.mark.usefixtures("patient")
def test_a_visitor_who_talks_on_is_sent_away(door: WindowDoor, qtbot: QtBot) -> None:
    asked: list[list[Path]] = []
    door.asked.connect(asked.append)
    sent: list[int] = []

    def is_heard_no_more() -> bool:
        try:
            sent.append(connection.send(b"x" * (1 << 17)))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    with visitor(door) as connection:
        qtbot.waitUntil(is_heard_no_more)
    assert MOST_BYTES < sum(sent) < 2 * MOST_BYTES, "what the system holds comes on top"
    assert asked == []
    assert_serves(door, qtbot)


def test_a_visitor_who_stays_silent_is_sent_away(
    door: WindowDoor, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_door, "_PATIENCE_MS", 200)
    with visitor(door) as silent, visitor(door) as slow:
        slow.send(b'{"paths": ["/slides/')
        qtbot.waitUntil(lambda: is_sent_away(silent))
        qtbot.waitUntil(lambda: is_sent_away(slow))
    assert_serves(door, qtbot)


@pytest.mark.usefixtures("patient")
def test_of_visitors_without_number_a_few_are_let_in(door: WindowDoor, qtbot: QtBot) -> None:
    inside = [visitor(door) for _ in range(window_door._MOST_VISITORS)]
    with visitor(door) as one_more:
        qtbot.waitUntil(lambda: is_sent_away(one_more))
    assert not any(map(is_sent_away, inside))
    inside.pop().close()
    qtbot.waitUntil(lambda: len(door._visitors) < window_door._MOST_VISITORS)
    assert_serves(door, qtbot)
    for connection in inside:
        connection.close()


def test_what_a_start_no_longer_waits_for_is_not_opened_here_too(
    door: WindowDoor, qtbot: QtBot
) -> None:
    asked: list[list[Path]] = []
    door.asked.connect(asked.append)
    assert not hand_over([Path("/slides/b.svs")], 0.1), "the window hangs for so long"
    assert_serves(door, qtbot)
    qtbot.wait(50)
    assert asked == [[Path("/slides/a.svs")]]


_ASKS = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(10)
    connection.connect(sys.argv[1])
    connection.sendall(b'{"paths": ["/a.svs"]}\\n')
    print(connection.recv(10))
"""
_LISTENS = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
print(connection.recv(100), flush=True)
"""
PLAIN_PYTHON = [os.path.realpath(sys.executable), "-I", "-S", "-c"]


@pytest.fixture
def open_place(public_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for sockets to which every account can come, with a umask that hides nothing."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(public_place))
    place = _socket_path()
    assert place is not None
    assert place.is_relative_to(public_place)
    before = os.umask(0)
    yield place
    os.umask(before)


@needs_root
def test_another_account_cannot_ask_for_anything(open_place: Path, qtbot: QtBot) -> None:
    """Three walls: the folder, the socket, and who is at the other end."""
    running = RunningWindow.claim()
    assert running is not None
    window = QWidget()
    qtbot.addWidget(window)
    door = WindowDoor(running, window)
    asked: list[list[Path]] = []
    door.asked.connect(asked.append)
    assert open_place.stat().st_mode & 0o077 == 0
    for folder_mode, socket_mode, answer in (
        (0o700, 0o666, "PermissionError"),
        (0o755, 0o600, "PermissionError"),
        (0o755, 0o666, ""),
    ):
        open_place.parent.chmod(folder_mode)
        open_place.chmod(socket_mode)
        heard: list[str] = []

        def ask(heard: list[str] = heard) -> None:
            done = run_as_other(*PLAIN_PYTHON, _ASKS, str(open_place))
            heard.append(done.stdout + done.stderr)

        thread = threading.Thread(target=ask)
        thread.start()
        qtbot.waitUntil(lambda heard=heard: bool(heard), timeout=20_000)
        thread.join()
        assert "opened" not in heard[0]
        assert answer in heard[0]
    assert asked == []
    door.close()


@needs_root
def test_nothing_is_handed_over_to_another_account(open_place: Path) -> None:
    open_place.parent.chmod(0o777)
    command = [*PLAIN_PYTHON, _LISTENS, str(open_place)]
    with subprocess.Popen(
        command, user=65534, group=65534, extra_groups=[], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "listening\n"
        open_place.parent.chmod(0o700)
        assert not hand_over([Path("/slides/a.svs")], 2.0)
        assert other.stdout.readline() == "b''\n", "it hears of no slide"


@needs_root
def test_a_folder_that_others_can_enter_or_made_is_not_listened_in(
    open_place: Path, public_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(public_place))
    open_place.parent.chmod(0o755)
    instead = _socket_path()
    assert instead is not None
    assert instead.parent != open_place.parent
    assert instead.parent.stat().st_mode & 0o777 == 0o700
    open_place.parent.chmod(0o700)
    assert _socket_path() == open_place
    for folder in (open_place.parent, instead.parent):
        own_by_other(folder)
    assert _socket_path() is None


def test_a_start_opens_in_the_window_that_runs_and_a_kill_leaves_nothing_in_the_way(
    own_home: Path, sample_slide: Path
) -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    place = _socket_path()
    assert place is not None
    with subprocess.Popen([sys.executable, str(APP)], env=environment) as window:
        try:
            wait_for(place.exists)
            later = subprocess.run(
                [sys.executable, str(APP), sample_slide.name],
                env=environment,
                cwd=sample_slide.parent,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (later.returncode, later.stderr) == (0, "")
            assert later.stdout.startswith("Opened in the window that runs")
            wait_for((own_home / "data" / "annotations").is_dir)  # the slide is open there
        finally:
            window.send_signal(signal.SIGKILL)
    assert place.exists()
    next_start = RunningWindow.claim()
    assert next_start is not None
    next_start.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.05)
