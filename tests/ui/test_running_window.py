"""A later start opens its slides in the window that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from viewer.running_window import (
    MOST_BYTES,
    RunningWindow,
    _socket_path,
    hand_over,
    read_request,
)
from viewer.ui.window_door import WindowDoor

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
    with qtbot.waitSignal(door.asked, timeout=15_000) as asked:
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


def test_a_visitor_who_talks_on_is_sent_away(door: WindowDoor, qtbot: QtBot) -> None:
    asked: list[list[Path]] = []
    door.asked.connect(asked.append)
    ended: list[bytes] = []

    def talk() -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(15)
            connection.connect(door._running._path.as_posix())
            try:
                connection.sendall(b"x" * (MOST_BYTES + (1 << 17)))
                ended.append(connection.recv(1))
            except OSError:
                ended.append(b"")

    thread = threading.Thread(target=talk)
    thread.start()
    qtbot.waitUntil(lambda: bool(ended), timeout=15_000)
    thread.join(15)
    assert (ended, asked) == ([b""], [])


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
