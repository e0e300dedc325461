"""The window waits for no thread and for no process while slides are opened and left."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.processes.confinement import spawning
from viewer.processes.confinement.spawning import SpawnedProcess
from viewer.slides.reader_process.process import ReaderProcess
from viewer.ui import background_runner
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.main_window import MainWindow

_AWAITED: tuple[tuple[type[Any] | Any, str], ...] = (
    (threading.Thread, "start"),
    (threading.Thread, "join"),
    (subprocess.Popen, "__init__"),
    (subprocess.Popen, "wait"),
    (spawning, "_spawned"),
    (SpawnedProcess, "wait"),
    (os, "waitpid"),
    (shutil, "rmtree"),
    (ReaderProcess, "end"),
)


@pytest.fixture
def awaited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the window's thread waited for since the test asked for this."""
    found: list[str] = []
    own = threading.get_ident()

    def watch(owner: Any, name: str) -> None:
        real: Callable[..., object] = getattr(owner, name)

        def call(*given: object, **named: object) -> object:
            if threading.get_ident() == own:
                found.append(f"{owner.__name__}.{name}")
            return real(*given, **named)

        monkeypatch.setattr(owner, name, call)

    for owner, name in _AWAITED:
        watch(owner, name)
    return found


@pytest.fixture
def two_slides(sample_slide: Path, tmp_path: Path) -> list[Path]:
    return [Path(shutil.copy(sample_slide, tmp_path / name)) for name in ("a.svs", "b.svs")]


def test_slides_are_opened_and_left_without_waiting(
    window: MainWindow, two_slides: list[Path], qtbot: QtBot, awaited: list[str]
) -> None:
    pane = window.panes.active
    for path in (*two_slides, two_slides[0]):
        show_slide(window, path, qtbot)
    # One that is given up before it is there: what was read of it is closed, too.
    pane.open(two_slides[1])
    pane.open(two_slides[0])
    pane.open(two_slides[1])
    qtbot.waitUntil(lambda: pane.path == two_slides[1], timeout=20_000)
    pane.close_slide()
    qtbot.waitUntil(
        lambda: not any(t.name.startswith("end of tiles") for t in threading.enumerate())
    )
    assert awaited == []


def test_what_came_as_nobody_wanted_it_any_more_is_closed_in_a_thread(qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    dropped: list[int] = []
    task = background.run(
        lambda: 1, dropped.append, dropped=lambda _: dropped.append(threading.get_ident())
    )
    assert background_runner.QUEUE.wait_for(background._lane, 10)
    assert not dropped, "it waits for the window, which has not come to it yet"
    task.cancel()
    qtbot.waitUntil(lambda: len(dropped) == 1)
    assert dropped[0] != threading.get_ident()
    background.close()
