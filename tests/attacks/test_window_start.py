"""A start always ends in a window that rests, whatever the last one left; on a screen of X11."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from other_account import open_entries
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication, QMainWindow, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from viewer.folders import config_folder, log_folder
from viewer.settings import Settings
from viewer.start_guard import LAST_CRASH, StartGuard
from viewer.tiles.cache import TileCache
from viewer.ui.crash_dialog import CrashDialog, CrashWatch
from viewer.ui.main_window import MainWindow
from viewer.ui.window_state import forget_window_state, restore_window_state, save_window_state

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
WINDOW_PROCESS = Path(__file__).with_name("window_process.py")
START_S = 60.0
REST_S = 1.5
ENDED_PID = 99_999_999
ALL_PANELS = [
    "panels.tray",
    "panels.display",
    "panels.annotations",
    "panels.questions",
    "panels.sessions",
    "panels.replay",
]

needs_screen = pytest.mark.skipif(
    shutil.which("Xvfb") is None, reason="Xvfb is not here: install xvfb to test on a screen"
)


@contextmanager
def screen(width_px: int, height_px: int) -> Iterator[dict[str, str]]:
    """Start an X server of this size; give the environment of programs on it."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width_px}x{height_px}x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with open(reading) as number:
            display = number.readline().strip()
        assert display
        yield {**os.environ, "DISPLAY": f":{display}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait()


def use_window(screen_size: tuple[int, int], *steps: str) -> str:
    """Start the window, do these steps and close it; return what it printed."""
    with screen(*screen_size) as environment:
        done = subprocess.run(
            [sys.executable, WINDOW_PROCESS, *steps, "close"],
            env=environment,
            cwd=REPOSITORY,
            timeout=START_S,
            check=True,
            capture_output=True,
            text=True,
        )
    return done.stdout


@contextmanager
def started(screen_size: tuple[int, int], *arguments: str) -> Iterator[psutil.Process]:
    """Start `coverslip` as a user does, until it has drawn its window."""
    with screen(*screen_size) as environment:
        command = [sys.executable, "app.py", *arguments]
        with subprocess.Popen(command, env=environment, cwd=REPOSITORY) as process:
            try:
                wait_for_window(process)
                yield psutil.Process(process.pid)
            finally:
                process.kill()


@contextmanager
def running_process() -> Iterator[subprocess.Popen[bytes]]:
    """Give a process of this account that runs until then."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_window(process: subprocess.Popen[bytes]) -> None:
    starting = config_folder() / "starting"
    until_s = time.monotonic() + START_S
    while not starting.exists() or starting.read_text() != str(process.pid):
        assert time.monotonic() < until_s, "the start was never noted"
        assert process.poll() is None
        time.sleep(0.05)
    while starting.exists():
        assert time.monotonic() < until_s, "no window was drawn"
        assert process.poll() is None
        time.sleep(0.05)


def assert_rests(process: psutil.Process) -> None:
    before = sum(process.cpu_times()[:2])
    time.sleep(REST_S)
    assert sum(process.cpu_times()[:2]) - before < REST_S / 2


def sizes_px(printed: str) -> dict[str, tuple[int, int]]:
    parts = [line.split("|") for line in printed.splitlines()]
    return {title: (int(width), int(height)) for title, width, height in parts}


@needs_screen
@pytest.mark.parametrize(
    ("smaller", "filling", "panels"),
    [
        ((1366, 768), "maximize", ["panels.overlays"]),
        pytest.param((1366, 768), "full_screen", ALL_PANELS, marks=pytest.mark.slow),
        pytest.param((800, 600), "maximize", ALL_PANELS, marks=pytest.mark.slow),
    ],
)
def test_a_filled_window_starts_on_a_smaller_screen(
    smaller: tuple[int, int], filling: str, panels: list[str]
) -> None:
    use_window((1600, 1000), filling, *panels)
    with started(smaller) as process:
        assert_rests(process)


@needs_screen
def test_the_first_window_fits_the_screen() -> None:
    x, y, width, height = map(int, use_window((1366, 768), "geometry").split())
    assert x >= 0
    assert y >= 24, "a title bar has no room"
    assert x + width <= 1366
    assert y + height <= 768


@needs_screen
def test_the_panels_come_back_at_their_size_on_the_same_screen() -> None:
    panels = ["panels.overlays", "panels.tray"]
    before = sizes_px(use_window((1600, 1000), "maximize", *panels, "sizes"))
    assert len(before) == len(panels)
    after = sizes_px(use_window((1600, 1000), "sizes"))
    assert after.keys() == before.keys()
    for title, (width_px, height_px) in before.items():
        assert after[title][0] == width_px
        # Without a window manager the window leaves room for a frame.
        assert abs(after[title][1] - height_px) <= 40


@needs_screen
@pytest.mark.slow
def test_after_a_start_without_a_window_the_next_has_the_default() -> None:
    use_window((1600, 1000), "panels.overlays")
    state = config_folder() / "window.ini"
    assert state.exists()
    with screen(1366, 768) as environment:
        process = subprocess.Popen([sys.executable, "app.py"], env=environment, cwd=REPOSITORY)
        while not (config_folder() / "starting").exists():
            time.sleep(0.01)
        process.kill()  # before it draws, as a user does who waits in vain
        process.wait()
    with started((1366, 768)):
        assert not state.exists()
    use_window((1366, 768), "geometry")
    assert state.exists()


@needs_screen
def test_a_start_that_ends_before_its_window_rests_is_a_failure() -> None:
    use_window((1366, 768), "die")
    assert not StartGuard(os.getpid()).begin()


@needs_screen
@pytest.mark.slow
def test_reset_window_forgets_the_saved_state(sample_slide: Path) -> None:
    use_window((1600, 1000), "maximize", *ALL_PANELS)
    with started((1366, 768), str(sample_slide), "--reset-window"):
        assert not (config_folder() / "window.ini").exists()


@needs_screen
def test_a_native_crash_leaves_a_trace(qtbot: QtBot) -> None:
    with started((1366, 768)) as process:
        assert (log_folder() / f"trace-{process.pid}.txt").exists()
        assert open_entries(log_folder()) == [], "a trace is its owner's alone"
        process.send_signal(signal.SIGSEGV)
        process.wait(START_S)
    guard = StartGuard(os.getpid())
    trace = guard.take_trace()
    assert "Segmentation fault" in trace
    assert "application.py" in trace
    assert "\nThread 0x" in trace, "of others than the one that crashed, too"
    assert (log_folder() / LAST_CRASH).read_text() == trace
    assert guard.take_trace() == "", "it is offered once"
    watch = CrashWatch()
    watch.show_trace(trace)
    qtbot.waitUntil(lambda: watch.dialog is not None)
    assert isinstance(watch.dialog, CrashDialog)
    report = watch.dialog.findChild(QPlainTextEdit)
    assert report is not None
    assert "Segmentation fault" in report.toPlainText()
    assert str(REPOSITORY) not in report.toPlainText(), "folders of the user stay out of it"
    watch.dialog.reject()


@needs_screen
def test_the_next_start_offers_the_trace_of_a_crash() -> None:
    with started((1366, 768)) as process:
        process.send_signal(signal.SIGSEGV)
        process.wait(START_S)
    offered = use_window((1366, 768), "report")
    assert "Segmentation fault" in offered
    assert str(REPOSITORY) not in offered


@needs_screen
def test_a_start_after_one_without_a_window_has_the_default_and_says_so() -> None:
    state = config_folder() / "window.ini"
    state.write_text("[General]\nof_the_last_time=kept\n")
    (config_folder() / "starting").write_text(str(ENDED_PID))
    assert "The last start showed no window" in use_window((1366, 768), "status")
    assert "of_the_last_time" not in state.read_text()


def test_a_start_that_hangs_without_a_window_is_a_failure() -> None:
    with running_process() as other:
        assert StartGuard(other.pid).begin()
        starting = config_folder() / "starting"
        long_ago_s = time.time() - 60
        os.utime(starting, (long_ago_s, long_ago_s))
        assert not StartGuard(os.getpid()).begin()


def test_a_start_with_the_number_of_the_last_one_knows_that_it_failed() -> None:
    """As each has in a container."""
    assert StartGuard(os.getpid()).begin()
    assert not StartGuard(os.getpid()).begin()


def test_a_torn_note_of_a_start_is_that_of_one_that_failed() -> None:
    (config_folder() / "starting").write_text("12 34")
    assert not StartGuard(os.getpid()).begin()


def test_a_window_that_is_drawn_takes_no_note_of_another_away() -> None:
    with running_process() as other:
        assert StartGuard(other.pid).begin()
        StartGuard(os.getpid()).drawn()
        assert (config_folder() / "starting").exists()


def test_the_trace_of_a_window_that_runs_is_left_to_it() -> None:
    with running_process() as other:
        trace = log_folder() / f"trace-{other.pid}.txt"
        trace.write_text("Fatal Python error")
        assert StartGuard(os.getpid()).take_trace() == ""
        assert trace.exists()
    assert StartGuard(os.getpid()).take_trace() == "Fatal Python error"


def test_a_start_that_ends_well_leaves_nothing() -> None:
    guard = StartGuard(os.getpid())
    assert guard.begin()
    guard.drawn()
    assert guard.begin()
    guard.drawn()
    assert list(config_folder().iterdir()) == []


def test_another_window_that_is_starting_is_no_failure() -> None:
    with running_process() as other:
        assert StartGuard(other.pid).begin()
        assert StartGuard(os.getpid()).begin()
        StartGuard(other.pid).begin()
    assert not StartGuard(os.getpid()).begin(), "the other ended without a window"


def of_geometry(numbers: bytes) -> bytes:
    """Return a saved state whose places and sizes are all these four bytes."""
    escaped = "".join(f"\\x{each:x}" for each in b"\x01\xd9\xd0\xcb\x00\x03\x00\x00" + numbers * 12)
    return f"[General]\ngeometry=@ByteArray({escaped})\n".encode()


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)) * 20,
        b"[General]\ngeometry=@Variant(\\0\\0\\0\\x7f\\xff\\xff\\xff\\xff)\n",
        b"[General]\ngeometry=left\npanels=a, b\n",
        of_geometry(b"\x7f\xff\xff\xff"),
        of_geometry(b"\xff\xff\xf0\x00"),
        b"[General]\npanels=" + b"a" * (2 << 20),
    ],
    ids=["bytes", "variant", "other kinds", "far right", "far left", "long"],
)
def test_a_damaged_state_gives_a_window_on_the_screen(content: bytes, qtbot: QtBot) -> None:
    (config_folder() / "window.ini").write_bytes(content)
    window = QMainWindow()
    qtbot.addWidget(window)
    assert restore_window_state(window) is None
    screen = QApplication.primaryScreen().availableGeometry()
    assert screen.contains(window.geometry())
    save_window_state(window, "panels")
    assert restore_window_state(window) == "panels"


@pytest.mark.parametrize(
    "panels",
    [
        "left, right",
        "[" * 200_000,
        "[1]",
        '{"inspector": [1], "drawer": 7, "sizes_px": {"a": 1}}',
        '{"sizes_px": [1' + "0" * 30 + ", -1, true]}",
        '{"sizes_px": [99999999999, 2147483647, 2147483647]}',
        '{"inspector": {"tabs": {"results": 1' + "0" * 30 + '}, "pinned": [1], "page": {}}}',
        '{"inspector": {"undocked": {"results": "AdnQywAD", "?": 1, "slide": ""}}}',
    ],
    ids=["words", "nested", "list", "kinds", "enormous", "wide", "no tabs", "undocked"],
)
def test_damaged_panels_hold_up_no_start(panels: str, qtbot: QtBot) -> None:
    before = QMainWindow()
    qtbot.addWidget(before)
    save_window_state(before, panels)
    window = MainWindow(Settings(), TileCache(64 << 20))
    qtbot.addWidget(window, before_close_func=QWidget.hide)
    with qtbot.waitExposed(window):
        window.show()
    screen = QApplication.primaryScreen().availableGeometry()
    assert screen.contains(window.geometry())


def test_a_window_that_was_larger_than_the_screen_fits_it(qtbot: QtBot) -> None:
    larger, window = QMainWindow(), QMainWindow()
    for each in (larger, window):
        qtbot.addWidget(each)
    screen = QApplication.primaryScreen().availableGeometry()
    larger.setGeometry(QRect(screen.topLeft(), screen.size() * 2))
    with qtbot.waitExposed(larger):
        larger.show()
    save_window_state(larger, "panels")
    restore_window_state(window)
    with qtbot.waitExposed(window):
        window.show()
    assert screen.contains(window.geometry())


def test_a_pipe_or_folder_in_place_of_the_state_holds_up_nothing(qtbot: QtBot) -> None:
    state = config_folder() / "window.ini"
    window = QMainWindow()
    qtbot.addWidget(window)
    os.mkfifo(state)
    assert restore_window_state(window) is None
    save_window_state(window, "panels")
    assert restore_window_state(window) == "panels"
    state.unlink()
    state.mkdir()
    assert restore_window_state(window) is None
    save_window_state(window, "panels")
    forget_window_state()
    assert state.is_dir()
