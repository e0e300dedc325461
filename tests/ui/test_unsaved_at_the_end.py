"""What cannot be saved as the window closes is said at its end, with where a copy of it waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shapely
from project_steps import FORM, make_slide, write_forms
from pytestqt.qtbot import QtBot
from small_disks import fill, small_disk
from ui_steps import show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.folders import config_folder
from viewer.settings import Settings
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.ui import background_runner
from viewer.ui.main_window import MainWindow

_AGREED = Settings(reader="ada", consent_utc="2026-01-01T00:00:00+00:00")
_HOLDER = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


def words_of(window: MainWindow) -> list[str]:
    """Close the window; return what its last box says."""
    window.close()
    return window.home_notice.last_words


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with small_disk(tmp_path, "6m") as disk:
        monkeypatch.setenv("COVERSLIP_HOME", str(disk))
        yield disk


def test_on_a_full_disk_each_file_is_named_with_its_copy_that_comes_home(
    small_home: Path,
    make_window: Callable[..., MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
) -> None:
    window = make_window(_AGREED)
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    control = window.recording.control
    qtbot.waitUntil(lambda: control._folder is not None, timeout=20_000)
    control.start()
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None, timeout=20_000)
    fill(small_home)
    active = window.annotations.active
    assert active is not None
    boxes = [Annotation(shapely.box(x, 0, x + 5, 5)) for x in range(300)]
    active.do(adding("Boxes", boxes))
    words = words_of(window)
    drawn = next(each for each in words if "of annotations" in each)
    assert drawn.startswith("300 changes of annotations cannot be saved in ")
    copy = Path(drawn.partition(" wait in ")[2].partition(":")[0])
    assert copy.is_file()
    assert small_home not in copy.parents
    recorded = next(each for each in words if each.startswith("The recording cannot be written"))
    assert Path(recorded.partition(" waits in ")[2].partition(" and is")[0]).is_file()
    (small_home / "filler").unlink()
    again = make_window(_AGREED)
    show_slide(again, sample_slide, qtbot)
    qtbot.waitUntil(lambda: again.annotations.active is not None, timeout=20_000)
    assert again.annotations.active is not None
    assert len(again.annotations.active.document) == 300
    assert not copy.exists()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    make_slide(folder / "1.png", 1)
    forms = read_forms(write_forms(tmp_path / "forms.json", FORM))
    slides = tuple(project_slides([folder], folder, []))
    create_project(folder, Project(title="Study", slides=slides, forms=forms))
    return folder


def test_answers_and_a_project_that_cannot_be_written_are_said(
    make_window: Callable[..., MainWindow], study: Path, qtbot: QtBot
) -> None:
    window = make_window(_AGREED)
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    show_slide(window, study / "1.png", qtbot)
    questions = window.projects.questions
    questions.panel.show()
    qtbot.waitUntil(lambda: questions._has_read)
    (study / "answers").write_text("in the way")
    lock = study / ".project.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    questions._take("grading", "conclusion", "free margin")
    window.projects.opened.change(lambda project: project)
    words = words_of(window)
    assert any(each.startswith("The last answers could not be saved to ") for each in words), words
    assert any(each.startswith("A change of the project could not be saved") for each in words)


def test_the_place_of_the_window_that_cannot_be_kept_is_said(
    make_window: Callable[..., MainWindow],
) -> None:
    window = make_window()
    place = config_folder() / "window.ini"
    place.mkdir()
    (sentence,) = words_of(window)
    assert sentence.startswith(f"Size and panels of the window could not be saved to {place} (")


def test_settings_that_still_wait_for_a_lock_at_the_end_are_said(
    make_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window()
    monkeypatch.setattr(background_runner, "_FINISH_WAIT_S", 0.5)
    command = [sys.executable, "-c", _HOLDER, str(config_folder() / ".settings.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        window.change_settings(reader="berta")
        words = words_of(window)
        holder.kill()
    assert words == ["The last settings could not be saved: the drive or its lock did not answer."]


def test_what_failed_before_the_end_and_nobody_heard_of_is_said(
    make_window: Callable[..., MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    runner = background_runner.BackgroundRunner("write", 1, window)
    heard: list[Exception] = []
    target = tmp_path / "file.csv"
    target.mkdir()

    def write() -> None:
        target.write_text("1")

    runner.run(write, lambda _: None, heard.append, keeps=target.name)
    qtbot.waitUntil(lambda: len(heard) == 1)
    window.home_notice.begin_end()
    task = runner.run(write, lambda _: None, heard.append, keeps=target.name)
    while task.error is None:  # it is over, and what comes of it waits for the event loop
        pass
    runner.close(finish=True)
    qtbot.wait(50)
    assert len(heard) == 1
    assert window.home_notice.last_words == [
        f"file.csv could not be saved to {target} (Is a directory)."
    ]
