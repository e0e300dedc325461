"""A home that cannot be written costs a sentence, and nothing that is done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path

import forked_programs
import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot
from small_disks import fill, mount_again, small_disk
from ui_steps import open_dialog, show_slide

from viewer.agents.endpoint import Endpoint, load_endpoint
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.folders import config_folder, data_folder
from viewer.inference.cells.kept_settings import kept_settings
from viewer.overlays.files.marks_file import load_marks
from viewer.recording.library import Library
from viewer.settings import Settings
from viewer.slides.calibration import remembered_mpp_um
from viewer.slides.slide_key import file_name_of
from viewer.stand_in import stand_in
from viewer.stand_in.left_behind import PREFIX, bring_back, left_behind, say_origin
from viewer.tiles.cache import TileCache
from viewer.tiles.kept_display import load_display
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow

APP = Path(__file__).parents[2] / "app.py"
AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home below a file: it can be neither made nor written."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setenv("COVERSLIP_HOME", str(file / "home"))
    yield file / "home"
    stand_in.reason, stand_in.folder = "", None


@pytest.fixture(params=["read-only", "full"])
def mounted_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home with a session, on a small disk that is read-only or full."""
    with small_disk(tmp_path, "2m") as disk:
        home = disk / "home"
        sample = APP.parent / "resources" / "slides" / "CMU-1-Small-Region.svs"
        made = coverslip(home, "sessions", "simulate", str(sample), "--policy", "drill")
        assert made.returncode == 0, made.stderr
        if request.param == "read-only":
            mount_again(disk, "ro")
        else:
            fill(disk)
        yield home


def coverslip(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COVERSLIP_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
    return forked_programs.run(
        [sys.executable, str(APP), *arguments],
        along=(*forked_programs.COMMANDS, *forked_programs.MODELS),
        env=environment, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_commands_say_so_once_and_work(mounted_home: Path) -> None:
    for arguments in (("models", "list"), ("sessions", "list", "--json"), ("projects", "--help")):
        done = coverslip(mounted_home, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("cannot be written") == 1
        assert "Traceback" not in done.stderr
        if arguments[0] == "sessions":
            assert "simulated:drill" in done.stdout


def test_a_model_runs_without_a_home(no_home: Path, sample_slide: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.csv"
    run = ("run", "Tissue quality", str(sample_slide), "--region", "0,0,600,600", "-o", str(out))
    done = coverslip(no_home, *run)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert out.exists()


@pytest.fixture
def make_window(no_home: Path, qtbot: QtBot) -> Iterator[Callable[[], MainWindow]]:
    windows: list[MainWindow] = []

    def make() -> MainWindow:
        window = MainWindow(AGREED, TileCache(64 << 20))
        windows.append(window)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield make
    for window in windows:
        window.home_notice.let_go()
        window.close()
        window.deleteLater()


def drawn(window: MainWindow) -> PaneAnnotations:
    assert window.annotations.active is not None
    return window.annotations.active


def test_the_window_keeps_what_is_done_where_the_user_chooses(
    make_window: Callable[[], MainWindow], sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    bar = window.home_notice.bar
    assert bar.isVisible()
    assert "cannot be written" in bar.sentence.text()
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    window.recording.control.start()
    qtbot.waitUntil(
        lambda: window.recording.control.recording_of(window.panes.active) is not None,
    )
    drawn(window).do(adding("Box", [Annotation(shapely.box(10, 10, 90, 90))]))
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    stand = stand_in.folder
    assert stand is not None
    window.home_notice.move_to(chosen)
    qtbot.waitUntil(lambda: not bar.isVisible(), timeout=20_000)
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    assert data_folder() == chosen / "coverslip" / "data"
    assert not stand.exists()
    assert len(drawn(window).document) == 1
    drawn(window).do(adding("Box", [Annotation(shapely.box(20, 20, 50, 50))]))
    qtbot.waitUntil(lambda: window.annotations.is_saved)
    (summary,) = Library().summaries()
    assert summary.ended_well
    window.close()
    again = MainWindow(AGREED, TileCache(64 << 20))
    qtbot.addWidget(again)
    assert not again.home_notice.bar.isVisible()
    show_slide(again, sample_slide, qtbot)
    qtbot.waitUntil(lambda: again.annotations.active is not None)
    assert len(drawn(again).document) == 2
    again.close()


def box_of(window: MainWindow, qtbot: QtBot) -> QMessageBox:
    """Return the question that is open over the window."""

    def boxes() -> list[QMessageBox]:
        return [each for each in window.findChildren(QMessageBox) if each.isVisible()]

    qtbot.waitUntil(lambda: bool(boxes()))
    return boxes()[-1]


def button_of(box: QMessageBox, text: str) -> QAbstractButton:
    return next(each for each in box.buttons() if each.text().replace("&", "") == text)


def test_a_window_that_closes_asks_before_what_was_done_goes(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window()
    stand = stand_in.folder
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    assert not stand_in.holds_work, "nothing was done yet"
    drawn(window).do(adding("Box", [Annotation(shapely.box(10, 10, 90, 90))]))
    assert not window.close(), "not even before it is saved"
    qtbot.mouseClick(button_of(box_of(window, qtbot), "Cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.annotations.is_saved)
    assert stand_in.holds_work
    assert window.isVisible()
    assert len(drawn(window).document) == 1
    assert not window.close()
    box = box_of(window, qtbot)
    assert "cannot be written" in box.informativeText()
    qtbot.mouseClick(button_of(box, "Choose a folder..."), Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, QFileDialog, qtbot)
    dialog.reject()
    assert window.isVisible()
    assert not window.close()
    box = box_of(window, qtbot)
    qtbot.mouseClick(button_of(box, "Close and discard"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert stand == stand_in.folder


def test_a_window_in_which_nothing_was_done_closes_unasked(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    assert window.close()


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("marks", load_marks),
        ("cells", kept_settings),
        ("display", load_display),
        ("pixel-sizes", remembered_mpp_um),
    ],
)
def test_a_damaged_file_that_cannot_be_renamed_is_left_out(
    folder: str, read: Callable[[str], object]
) -> None:
    path = data_folder() / folder / f"{file_name_of('slide')}.json"
    (path.with_suffix(".bad") / "holds something").mkdir(parents=True)
    path.write_text("{ torn")
    assert not read("slide")
    assert path.read_text() == "{ torn"


def test_damaged_settings_of_a_server_that_cannot_be_renamed_are_left_out() -> None:
    path = config_folder() / "endpoint.json"
    (path.with_suffix(".bad.json") / "holds something").mkdir(parents=True)
    path.write_text("{ torn")
    assert load_endpoint() == Endpoint()
    assert path.read_text() == "{ torn"


def test_a_folder_that_cannot_be_written_either_is_said(
    make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    window.home_notice.move_to(tmp_path / "file" / "under")
    bar = window.home_notice.bar
    qtbot.waitUntil(lambda: "choose another" in bar.sentence.text())
    assert data_folder().is_dir()


_DRAW = """
import os, signal
import shapely
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.stand_in import stand_in

stand_in.ensure()
store = AnnotationStore(annotations_path("slide"))
print(len(store.annotations()[0]), flush=True)
store.write([Stamped.now(adding("Box", [Annotation(shapely.box(10, 10, 90, 90))]))])
os.kill(os.getpid(), signal.SIGKILL)
"""


def drawn_and_killed(home: Path) -> str:
    """Draws a box in a run that is killed; what it saw before."""
    done = forked_programs.run(
        [sys.executable, "-c", _DRAW],
        env=os.environ | {"COVERSLIP_HOME": str(home), "PYTHONPATH": str(APP.parent)},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def test_what_a_killed_run_left_is_taken_up_and_brought_back(
    no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [drawn_and_killed(no_home) for _ in range(3)] == ["0", "1", "2"]
    # Programs leave it where all do.
    memory = import_module("viewer.stand_in.left_behind")
    monkeypatch.setattr(memory, "_MEMORY", Path("/dev/shm"))  # noqa: S108 - as the program does
    no_home.parent.unlink()
    monkeypatch.setattr(stand_in, "_checked", None)
    assert stand_in.ensure() == ""
    assert "1 file" in stand_in.brought_back
    with closing(AnnotationStore(annotations_path("slide"))) as store:
        assert len(store.annotations()[0]) == 3
    assert data_folder().is_relative_to(no_home)
    monkeypatch.setattr(stand_in, "_checked", None)
    stand_in.ensure()
    assert stand_in.brought_back == ""


def test_what_changed_at_home_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    path = home / "data" / "annotations" / annotations_path("slide").name
    with closing(AnnotationStore(path)) as store:
        store.write([Stamped.now(adding("Box", [Annotation(shapely.box(1, 1, 2, 2))]))])
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    folders = {"config": home / "config", "data": home / "data"}
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    shutil.copytree(home / "data", folder / "data")
    say_origin(folder, folders)
    for place, count in ((path, 1), (folder / "data" / "annotations" / path.name, 2)):
        with closing(AnnotationStore(place)) as store:
            boxes = [Annotation(shapely.box(3, 3, 4, 4)) for _ in range(count)]
            store.write([Stamped.now(adding("Box", boxes))])
    (left,) = left_behind(folders)
    said = bring_back(left)
    (beside,) = (home / "data" / "recovered").rglob("*.sqlite")
    assert "1 of them in" in said
    assert str(beside.parents[2]) in said
    counts = []
    for place in (path, beside):
        with closing(AnnotationStore(place)) as store:
            counts.append(len(store.annotations()[0]))
    assert counts == [2, 3]
    assert not folder.exists()
