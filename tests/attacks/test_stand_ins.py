"""What killed runs left in place of a home: whose it must be, and what becomes of it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import shapely
from other_account import needs_root, own_by_other
from pytestqt.qtbot import QtBot
from small_disks import fill, small_disk

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.settings import Settings
from viewer.stand_in import stand_in
from viewer.stand_in.left_behind import PREFIX, bring_back, held, left_behind, say_origin
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow

APP = Path(__file__).parents[2] / "app.py"
Folders = Mapping[str, Path]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """The folders of a home; stand-ins lie where no other program looks for them."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    memory = import_module("viewer.stand_in.left_behind")
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "none")
    monkeypatch.setattr(stand_in, "_checked", None)
    yield {"config": home / "config", "data": home / "data"}
    stand_in.reason, stand_in.folder, stand_in.brought_back = "", None, ""


def draw(path: Path) -> AnnotationStore:
    store = AnnotationStore(path)
    store.write([Stamped.now(adding("Box", [Annotation(shapely.box(1, 1, 2, 2))]))])
    return store


def leave(folders: Folders) -> Path:
    """Leave a stand-in as a killed run does that drew on a slide."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    say_origin(folder, folders)
    draw(folder / "data" / "annotations" / annotations_path("slide").name).close()
    return folder


@needs_root
def test_what_another_account_left_is_not_taken_in(folders: Folders) -> None:
    folder = leave(folders)
    for each in (folder, *folder.rglob("*")):
        own_by_other(each)
    assert list(left_behind(folders)) == []
    assert stand_in.ensure() == ""
    assert stand_in.brought_back == ""
    assert folder.exists()
    assert not annotations_path("slide").exists()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_what_others_can_enter_is_not_taken_in(mode: int, folders: Folders) -> None:
    folder = leave(folders)
    folder.chmod(mode)
    assert list(left_behind(folders)) == []
    folder.chmod(0o700)
    assert [each.folder for each in left_behind(folders)] == [folder]


def test_a_link_to_a_folder_is_not_taken_in(folders: Folders, tmp_path: Path) -> None:
    elsewhere = leave(folders).rename(tmp_path / "elsewhere")
    Path(tempfile.gettempdir(), f"{PREFIX}link").symlink_to(elsewhere)
    assert list(left_behind(folders)) == []


def test_what_a_run_uses_or_stands_for_another_home_is_left_alone(
    folders: Folders, tmp_path: Path
) -> None:
    leave({kind: tmp_path / "other" / kind for kind in folders})
    used = leave(folders)
    lock = held(used)
    assert lock is not None
    assert list(left_behind(folders)) == []
    lock.release()
    assert [each.folder for each in left_behind(folders)] == [used]


def test_what_comes_home_is_its_owners_alone(folders: Folders) -> None:
    before = os.umask(0)
    try:
        folder = leave(folders)
        for each in folder.rglob("*"):
            each.chmod(0o777 if each.is_dir() else 0o666)
        (left,) = left_behind(folders)
        assert "1 file" in bring_back(left)
    finally:
        os.umask(before)
    path = annotations_path("slide")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_comes_home_is_on_the_disk_before_the_stand_in_goes(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, synced, sync = leave(folders), set[int](), os.fsync

    def fsync(handle: int) -> None:
        assert folder.exists()
        synced.add(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    (left,) = left_behind(folders)
    bring_back(left)
    path = annotations_path("slide")
    assert {path.stat().st_ino, path.parent.stat().st_ino} <= synced
    assert not folder.exists()


def test_what_the_home_does_not_take_to_its_disk_stays_in_the_stand_in(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sync = leave(folders), os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert stand_in.ensure() == ""
    assert "cannot be brought back (Disk quota exceeded)" in stand_in.brought_back
    assert folder.exists()


def test_annotations_whose_journal_cannot_be_taken_in_stay_in_the_stand_in(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in lies on a disk that is full: its file alone lacks what was drawn last."""
    path = tmp_path / "killed.sqlite"
    with small_disk(tmp_path, "2m") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        folder = leave(folders)
        (folder / "data" / "marks.json").write_text("[]")
        copy = folder / "data" / "annotations" / "other.sqlite"
        with closing(draw(path)):  # as a program that is killed leaves it
            for end in ("", "-wal"):
                shutil.copy2(f"{path}{end}", f"{copy}{end}")
        fill(disk)
        assert stand_in.ensure() == ""
        assert f"stays in {folder}: it cannot be brought back" in stand_in.brought_back
        assert annotations_path("slide").exists()
        assert (folders["data"] / "marks.json").exists(), "the others come home"
        (disk / "filler").unlink()
        (left,) = left_behind(folders)
        assert "1 file" in bring_back(left)
    with closing(AnnotationStore(annotations_path("slide").with_name("other.sqlite"))) as again:
        assert len(again.annotations()[0]) == 1


def test_annotations_that_are_open_at_home_are_not_replaced(folders: Folders) -> None:
    path = annotations_path("slide")
    draw(path).close()
    folder = leave(folders)
    copy = folder / "data" / "annotations" / path.name
    shutil.copy2(path, copy)
    say_origin(folder, folders)
    with closing(draw(path)) as at_home:  # as long as it is open all is in its journal
        draw(copy).close()
        (left,) = left_behind(folders)
        assert "1 of them in" in bring_back(left)
        assert len(at_home.annotations()[0]) == 2
    with closing(AnnotationStore(path)) as again:
        assert len(again.annotations()[0]) == 2


def test_what_was_deleted_at_home_meanwhile_does_not_come_back(folders: Folders) -> None:
    folder = leave(folders)
    copy = folder / "config" / "settings.json"
    copy.parent.mkdir()
    copy.write_text("{}")
    say_origin(folder, folders)  # it had both when it was filled
    (left,) = left_behind(folders)
    assert bring_back(left) == ""
    assert not (folders["config"] / "settings.json").exists()
    assert not annotations_path("slide").exists()


def test_what_cannot_be_brought_back_stays_and_that_is_said(folders: Folders) -> None:
    folder = leave(folders)
    (folders["data"] / "annotations").write_text("in the way")
    assert stand_in.ensure() == ""
    assert f"stays in {folder}" in stand_in.brought_back
    assert "cannot be brought back" in stand_in.brought_back
    assert any(folder.rglob("*.sqlite"))


def test_what_was_brought_back_is_said_by_a_command(folders: Folders) -> None:
    leave(folders)
    done = run("sessions", "list")
    assert done.returncode == 0
    assert done.stderr.startswith("What was done while the home could not be written is in it now")
    assert annotations_path("slide").exists()


def test_what_was_brought_back_is_said_in_the_window(folders: Folders, qtbot: QtBot) -> None:
    leave(folders)
    window = MainWindow(Settings(), TileCache(64 << 20))
    qtbot.addWidget(window)
    window.show()
    bar = window.home_notice.bar
    qtbot.waitUntil(bar.isVisible)
    assert "is in it now" in bar.sentence.text()
    window.close()


@pytest.mark.parametrize("kind", ["config", "data", "cache", "log"])
def test_each_folder_of_the_home_has_to_be_writable(
    kind: str, folders: Folders, tmp_path: Path
) -> None:
    place = tmp_path / "home" / kind
    place.parent.mkdir()
    place.write_text("in the way")
    assert stand_in.ensure().startswith(f"{place} cannot be written")
    assert stand_in.folder is not None
    assert os.environ["COVERSLIP_HOME"] == str(stand_in.folder)
    assert stand_in.folder.stat().st_mode & 0o777 == 0o700
    assert folders["data"].parent == tmp_path / "home"


def test_a_stand_in_lies_in_memory_and_is_closed_before_anything_is_in_it(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(import_module("viewer.stand_in.left_behind"), "_MEMORY", memory)
    module = import_module("viewer.stand_in")
    copy, modes = module._copy, list[int]()

    def watched(originals: Folders, folder: Path) -> None:
        modes.append(folder.stat().st_mode & 0o777)
        copy(originals, folder)

    monkeypatch.setattr(module, "_copy", watched)
    folders["data"].parent.write_text("in the way")
    stand_in.ensure()
    assert stand_in.folder is not None
    assert stand_in.folder.parent == memory
    assert modes == [0o700]


def test_a_stand_in_goes_with_its_program(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("in the way")
    done = run("sessions", "list")
    assert done.returncode == 0
    assert "cannot be written" in done.stderr
    # Programs leave it where all do.
    memory = import_module("viewer.stand_in.left_behind")
    monkeypatch.setattr(memory, "_MEMORY", Path("/dev/shm"))  # noqa: S108 - as the program does
    assert [each.folder for each in left_behind(folders)] == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(APP), *arguments],
        env=os.environ | {"TMPDIR": tempfile.gettempdir()},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
