"""Nothing that may tell of a patient can be read by another account."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_steps import invoke
from other_account import needs_root, open_entries, public_place, run_as_other
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QMessageBox
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, open_dialog, press, show_slide

from viewer.access import kept_mode, mend_access, who_can_read
from viewer.annotations.storage.store import AnnotationStore
from viewer.audit_log import trail
from viewer.crash_report import crash_report
from viewer.files.appending import append_whole
from viewer.files.atomic_write import atomic_write
from viewer.folders import cache_folder, config_folder, data_folder, log_folder
from viewer.logs import configure_logging, last_lines
from viewer.settings import Settings, load_settings
from viewer.slides import SlideError, open_slide
from viewer.studies.answers import AnswerFile, keep_answers
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import change_project, create_project
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.privacy.caches_box import CachesBox
from viewer.ui.settings_dialog import SettingsDialog

__all__ = ["public_place"]

REPOSITORY = Path(__file__).parents[2]
AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00", record_texts=True)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The umask that hides nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def open_home(public_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose way is open to every account."""
    home = public_place / "home"
    home.mkdir(mode=0o755)
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    yield home
    trail.flush()  # so that nothing is written where the folder is removed


@pytest.fixture
def make_window(open_home: Path, qtbot: QtBot) -> Iterator[Callable[[Settings], MainWindow]]:
    windows: list[MainWindow] = []

    def make(settings: Settings) -> MainWindow:
        window = MainWindow(settings, TileCache(64 << 20))
        windows.append(window)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


def _entries(home: Path) -> list[str]:
    """Open entries of the program's own folders."""
    return [entry for folder in home.iterdir() for entry in open_entries(folder)]


@needs_root
@pytest.mark.usefixtures("open_umask")
def test_after_a_days_use_no_file_is_readable_by_another_account(
    make_window: Callable[[Settings], MainWindow],
    open_home: Path,
    sample_slide: Path,
    public_place: Path,
    qtbot: QtBot,
) -> None:
    mend_access()  # as each start does first: it closes what is open by then
    configure_logging()
    window = make_window(AGREED)
    window.change_settings(reader="reader-7")
    show_slide(window, sample_slide, qtbot)
    pane = window.panes.active
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: window.recording.control.recording_of(pane) is not None)
    qtbot.waitUntil(lambda: window.annotations.of(pane) is not None)
    press(qtbot, window, Qt.Key.Key_R)
    QTest.mousePress(pane.canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    QTest.mouseMove(pane.canvas, QPoint(260, 200))
    QTest.mouseRelease(pane.canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 250))
    press(qtbot, window, Qt.Key.Key_N, CTRL)
    note = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(note, QInputDialog)
    note.setTextValue("mitoses")
    note.accept()
    qtbot.waitUntil(lambda: window.annotations.is_saved)
    create_project(data_folder() / "projects" / "own", Project())
    window.close()
    run = ["run", "Tissue quality", str(sample_slide), "--region", "0,0,600,600", "--json"]
    result = invoke(run)
    assert result.exit_code == 0, result.output
    out = public_place / "out"
    export = ["sessions", "export", "--format", "csv", "-o", str(out)]
    assert invoke(export).exit_code == 0
    kinds = {path.suffix for path in open_home.rglob("*") if path.is_file()}
    assert {".sqlite", ".jsonl", ".json", ".log"} <= kinds
    assert _entries(open_home) == []
    seen = run_as_other("find", str(open_home), "-type", "f", "-readable")
    assert seen.stdout == ""
    assert "Permission denied" in seen.stderr


@pytest.mark.usefixtures("open_umask")
def test_what_earlier_versions_left_open_is_closed_once(open_home: Path) -> None:
    old = open_home / "data" / "annotations" / "0a1b.sqlite"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    (open_home / "config").mkdir()
    elsewhere = open_home / "shared"
    elsewhere.write_text("not the program's")
    (old.parent / "link").symlink_to(elsewhere)
    assert _entries(open_home)
    result = invoke(["sessions", "list"])
    assert result.exit_code == 0, result.output
    assert [entry for entry in _entries(open_home) if "shared" not in entry] == []
    assert elsewhere.stat().st_mode & 0o777 == 0o666
    old.chmod(0o644)
    mend_access()
    assert old.stat().st_mode & 0o777 == 0o644


@pytest.mark.usefixtures("open_umask")
def test_what_was_opened_to_others_is_closed_at_its_next_use(open_home: Path) -> None:
    mend_access()
    line = b"{}\n"
    kept = data_folder() / "lines.jsonl"
    append_whole(kept, [line])
    kept.chmod(0o644)
    append_whole(kept, [line])
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.parent.chmod(0o755)
    assert data_folder().stat().st_mode & 0o777 == 0o700
    shared = open_home / "study"
    shared.mkdir(mode=0o770)
    theirs = shared / "lines.jsonl"
    append_whole(theirs, [line])
    assert theirs.stat().st_mode & 0o777 == 0o660
    theirs.chmod(0o600)
    append_whole(theirs, [line])
    assert theirs.stat().st_mode & 0o777 == 0o600, "its owner closed it"


@pytest.mark.parametrize("mask", [0, 0o077, 0o277])
def test_a_folder_of_the_program_is_its_owners_alone_whatever_the_umask(
    open_home: Path, open_umask: None, mask: int
) -> None:
    os.umask(mask)
    for folder in (config_folder, data_folder, cache_folder, log_folder):
        assert folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("open_umask")
def test_what_is_not_whole_yet_is_its_owners_alone(tmp_path: Path, own_home: Path) -> None:
    tmp_path.chmod(0o777)
    for path, is_kept in ((tmp_path / "a.json", True), (data_folder() / "a.json", False)):
        with atomic_write(path, kept=is_kept) as file:
            assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_export_over_a_file_is_never_open_to_more_than_that(tmp_path: Path, mode: int) -> None:
    table = tmp_path / "table.csv"
    table.touch()
    table.chmod(mode)
    with atomic_write(table) as file:
        file.write(b"slide,score\n")
        assert os.fstat(file.fileno()).st_mode & 0o777 & ~mode == 0
    assert table.stat().st_mode & 0o777 == mode


_CRASHES = """
import os
from viewer import cli
cli.app_of = lambda args: os.abort()
{run}
"""


@pytest.mark.skipif(not hasattr(os, "WCOREDUMP"), reason="a system without core files")
def test_a_crash_of_a_command_leaves_no_memory_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.chdir(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    try:
        for run in ("cli.app_of([])", "cli.main()"):
            arguments = [sys.executable, "-c", _CRASHES.format(run=run)]
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            process = os.posix_spawn(sys.executable, arguments, environment)
            status = os.waitpid(process, 0)[1]
            assert os.WTERMSIG(status) == signal.SIGABRT
            left = os.WCOREDUMP(status) or [*tmp_path.iterdir()]
            if run == "cli.app_of([])" and not left:
                pytest.skip("no core files here")
            for each in tmp_path.iterdir():
                each.unlink()
        assert not left
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "said"),
    [
        (0o700, 0o600, "Only you"),
        (0o750, 0o640, "can read what"),
        (0o770, 0o660, "can read and change"),
        (0o777, 0o660, "can read and change"),
    ],
)
def test_in_a_shared_project_the_group_of_the_folder_decides(
    tmp_path: Path, folder_mode: int, file_mode: int, said: str
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    folder.chmod(folder_mode)
    create_project(folder, Project(title="Margins"))
    slide = ProjectSlide(identity="s1-0", path="a.svs")
    change_project(folder, lambda project: Project(title=project.title, slides=(slide,)))
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes.values()) == {file_mode}, modes
    assert kept_mode(folder) == file_mode
    assert said in who_can_read(folder)
    sheet = AnswerFile(folder, "reader-7", "s1-0", "a.svs")
    keep_answers(sheet, [sheet.given("margins", "clear", "yes")])
    (answers,) = sheet.files()
    assert answers.stat().st_mode & 0o777 == file_mode
    assert answers.parent.stat().st_mode & 0o777 == 0o700 | folder_mode & 0o070


_KEEPS = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from viewer.access import open_kept
os.umask(0)
os.close(open_kept(Path(sys.argv[2]), os.O_RDWR))
"""


@needs_root
def test_a_file_of_a_shared_folder_is_given_to_its_group_or_stays_its_owners_alone(
    public_place: Path,
) -> None:
    folder = public_place / "study"
    folder.mkdir()
    os.chown(folder, 65534, 4242)
    folder.chmod(0o770)
    create_project(folder, Project(title="Margins"))
    (kept,) = (path for path in folder.iterdir() if path.suffix == ".json")
    assert (kept.stat().st_gid, kept.stat().st_mode & 0o777) == (4242, 0o660)
    # An account that is not of the group can give it nothing: its own group gets no rights.
    done = run_as_other(sys.executable, "-c", _KEEPS, str(REPOSITORY), str(folder / "other"))
    assert done.returncode == 0, done.stderr
    other = (folder / "other").stat()
    assert (other.st_gid, other.st_mode & 0o777) == (65534, 0o600)


@pytest.mark.usefixtures("open_umask")
def test_annotations_beside_a_slide_are_open_to_the_folders_group_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    AnnotationStore(tmp_path / "a.svs.annotations.sqlite").close()
    (kept,) = tmp_path.glob("*.sqlite")
    assert kept.stat().st_mode & 0o777 == 0o640


def test_logs_and_reports_name_no_slide_folder_or_reader(tmp_path: Path, own_home: Path) -> None:
    configure_logging("info")
    (config_folder() / "settings.json").write_text(
        '{"reader": "kowalski", "recent_slides": ["/archive/Lovelace/block", "Wu Chien.cell"]}'
    )
    load_settings(config_folder())
    slide = tmp_path / "Hopper Grace" / "S26-1234"
    slide.parent.mkdir()
    slide.write_bytes(b"no slide")
    with pytest.raises(SlideError) as failed:
        open_slide(slide)
    log = logging.getLogger("viewer.test")
    log.warning("%s", failed.value)
    log.warning("S26-1234 of kowalski: the tile in block of Hopper Grace is torn")
    log.warning("%r", FileNotFoundError(2, "No such file or directory", "Curie/a b"))
    log.warning("%s", FileNotFoundError(2, "No such file or directory", "Curie/a b"))
    log.warning("/archive/Noether Emmy/block 3 cannot be read")
    log.warning("the tile of Meitner Lise 5.svs is torn")
    log.warning("the tile of Wu Chien is torn")
    text = "\n".join(last_lines(10))
    try:
        raise ValueError("S26-1234 by kowalski, in Hopper Grace, as Lovelace")
    except ValueError as error:
        report = crash_report(type(error), error, error.__traceback__)
    for name in (
        "S26-1234",
        "kowalski",
        "Hopper",
        "Grace",
        "Lovelace",
        "Curie",
        "Noether",
        "Meitner",
        "Chien",
    ):
        assert name not in text
        assert name not in report.split("raise ValueError")[1]
    assert "viewer.test" in text
    assert "the tile in" in text


def test_all_caches_are_deleted_from_the_settings(own_home: Path, qtbot: QtBot) -> None:
    kept = cache_folder() / "levels" / "s1" / "tile.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"tissue" * 1000)
    for name in ("thumbnails/a.png", "overlays/a.sqlite", "web/block", "alone"):
        (cache_folder() / name).parent.mkdir(exist_ok=True)
        (cache_folder() / name).write_bytes(b"tissue")
    elsewhere = data_folder() / "elsewhere"
    elsewhere.mkdir()
    (cache_folder() / "link").symlink_to(elsewhere)
    store = AnnotationStore(data_folder() / "annotations" / "s1.sqlite")
    assert store.annotations() == ([], 0)
    store.close()
    dialog = SettingsDialog(Settings())
    qtbot.addWidget(dialog)
    dialog.show()
    caches = dialog.findChild(CachesBox)
    assert caches is not None
    qtbot.mouseClick(caches.delete, Qt.MouseButton.LeftButton)
    box = caches.findChild(QMessageBox)
    assert box is not None
    yes = next(button for button in box.buttons() if button.text() == "Delete")
    qtbot.mouseClick(yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "were deleted" in caches.summary.text())
    assert list(cache_folder().iterdir()) == []
    assert elsewhere.exists()
    assert (data_folder() / "annotations" / "s1.sqlite").exists()
    dialog.reject()
