"""Files of the program's own that cannot be written are said in the window, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer import settings as settings_module
from viewer.audit_log import check_audit, read_audit, trail
from viewer.folders import config_folder, data_folder
from viewer.settings import Settings, load_settings
from viewer.ui.main_window import MainWindow

_HOLDER = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""

_CLOSES = """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from viewer.ui import application
from viewer.ui.main_window import MainWindow

def shown(kind):
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]

class Closing(QApplication):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.timer = QTimer(self, interval=50, timeout=self.look)
        self.timer.start()

    def look(self):
        for window in shown(MainWindow):
            window.change_settings(reader="anna")
            window.close()
            return
        for box in shown(QMessageBox):
            print(box.informativeText(), flush=True)
            box.accept()

application.QApplication = Closing
application.run([])
print("the end")
"""


def said(window: MainWindow) -> str:
    bar = window.home_notice.bar
    return bar.sentence.text() if bar.isVisible() else ""


def test_a_log_of_what_was_done_that_cannot_be_written_is_said_and_waits(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    place = data_folder() / "audit"
    place.write_text("in the way")
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: f"mend or remove {place}" in said(window), timeout=20_000)
    assert not trail.flush(), "it waits"
    window.home_notice.bar.hide()
    trail.note("opened", "/slides/later.svs")
    assert not trail.flush()
    qtbot.wait(50)
    assert said(window) == "", "it is said once"
    place.unlink()
    assert trail.flush(20)
    assert [each.subject for each in read_audit()] == ["/slides/later.svs", str(sample_slide)]
    assert check_audit().problem == ""


@pytest.fixture
def held_lock() -> Iterator[None]:
    """The lock of the settings, held by another program."""
    lock = config_folder() / ".settings.lock"
    command = [sys.executable, "-c", _HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.kill()


@pytest.mark.usefixtures("held_lock")
def test_a_lock_of_the_settings_that_is_not_given_up_holds_up_nothing_and_is_said(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr(settings_module, "_LOCK_WAIT_S", 0.2)
    for name in ("anna", "berta"):
        window.change_settings(reader=name)
        qtbot.waitUntil(lambda: "another program holds it" in said(window), timeout=20_000)
    qtbot.wait(500)
    assert said(window).count("settings cannot be kept") == 1
    assert window.settings.reader == "berta", "it holds until the end"
    assert ".settings.lock" in said(window)


def test_a_lock_of_the_settings_that_is_no_file_is_said(window: MainWindow, qtbot: QtBot) -> None:
    lock = config_folder() / ".settings.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    window.change_settings(reader="anna")
    qtbot.waitUntil(lambda: f"remove {lock}" in said(window), timeout=20_000)
    lock.rmdir()
    window.change_settings(reader="berta")
    qtbot.waitUntil(lambda: load_settings(config_folder()).reader == "berta", timeout=20_000)


def in_the_way() -> Path:
    """Put a folder where the settings have their lock."""
    lock = config_folder() / ".settings.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    return lock


def test_settings_that_cannot_be_kept_as_the_window_closes_are_said(
    window: MainWindow, caplog: pytest.LogCaptureFixture
) -> None:
    lock = in_the_way()
    window.change_settings(reader="anna")
    window.close()
    (sentence,) = window.home_notice.last_words
    assert "settings cannot be kept" in sentence
    assert f"remove {lock}" in sentence
    assert sentence in caplog.text
    assert load_settings(config_folder()) == Settings()


def test_what_a_window_says_as_it_closes_is_shown_until_it_is_read() -> None:
    lock = in_the_way()
    done = subprocess.run(
        [sys.executable, "-c", _CLOSES], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    sentence, end = done.stdout.splitlines()
    assert f"remove {lock}" in sentence
    assert end == "the end"
