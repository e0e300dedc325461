"""Work that waits for a full disk is taken in only where this account left it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import shapely
from other_account import needs_root, own_by_other, public_place, run_as_other
from small_disks import fill, small_disk

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.storage.fallback import spill
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.files.fallback import fallback_path, is_own_file, waiting
from viewer.files.journal import Journal

__all__ = ["public_place"]


@pytest.fixture
def temporary(public_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared temporary folder: anybody may make files in it."""
    folder = public_place / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def forged(path: Path) -> None:
    store = AnnotationStore(path)
    store.write([Stamped.now(adding("Draw", [Annotation(shapely.box(0, 0, 9, 9))]))])
    store.close()


def names_of(path: Path) -> str:
    """What version 0.1 called the waiting changes of a file of annotations."""
    before = set(fallback_path("x").parent.iterdir())
    spill(path, [])
    (made,) = {each for each in fallback_path("x").parent.iterdir() if each not in before}
    made.unlink()
    return made.name


@needs_root
@pytest.mark.parametrize("place", ["temporary", "data"])
def test_a_foreign_database_is_not_taken_in(place: str, temporary: Path, tmp_path: Path) -> None:
    path = tmp_path / "slide.sqlite"
    name = names_of(path)
    if place == "data":
        foreign = fallback_path(name)
    else:
        foreign = temporary / "coverslip-annotations" / name.removeprefix("annotations-")
        foreign.parent.mkdir()
        own_by_other(foreign.parent)
    forged(foreign)
    own_by_other(foreign)
    opened = open_annotations(path)
    assert opened.annotations == []
    assert opened.notice == ""
    opened.close()
    assert foreign.exists()


def test_what_this_account_left_comes_home_from_both_places(
    temporary: Path, tmp_path: Path
) -> None:
    path = tmp_path / "slide.sqlite"
    name = names_of(path)
    former = temporary / "coverslip-annotations" / name.removeprefix("annotations-")
    former.parent.mkdir(mode=0o700)
    for place in (fallback_path(name), former):
        forged(place)
        opened = open_annotations(path)
        assert "1 change that" in opened.notice
        opened.close()
        assert not place.exists()


@pytest.mark.usefixtures("temporary")
def test_links_pipes_and_files_that_others_write_are_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_bytes(b"0\n")
    for make in (
        lambda path: path.symlink_to(real),
        lambda path: os.link(real, path),
        os.mkfifo,
        lambda path: (path.write_bytes(b"0\n"), path.chmod(0o666)),
        lambda path: path.mkdir(),
    ):
        path = fallback_path("review-1.jsonl")
        make(path)
        assert not is_own_file(path)
        assert waiting("review-1.jsonl") is None
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@needs_root
def test_a_file_that_others_can_replace_in_its_folder_is_refused(public_place: Path) -> None:
    path = public_place / "waiting" / "review-1.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"0\n")
    path.chmod(0o600)
    for mode, is_ours in (
        (0o700, True),
        (0o755, True),
        (0o1777, True),
        (0o777, False),
        (0o775, False),
    ):
        path.parent.chmod(mode)
        assert is_own_file(path) is is_ours, oct(mode)
    path.parent.chmod(0o755)
    own_by_other(path.parent)
    assert not is_own_file(path)


@needs_root
def test_nothing_waits_where_another_account_can_see_or_replace_it(
    public_place: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(public_place / "home"))
    review = public_place / "review.jsonl"
    review.mkdir()  # in the way of the file
    journal = Journal(review, "review-1.jsonl", what="The review")
    journal.append(b"{}\n")
    journal.close()
    path = fallback_path("review-1.jsonl")
    assert path.is_relative_to(public_place / "home" / "data")
    assert list(temporary.iterdir()) == []
    assert Journal(review, "review-1.jsonl", what="The review").left == b"{}\n"
    assert run_as_other("cat", str(path)).returncode != 0
    assert run_as_other("ls", str(path.parent)).returncode != 0


@pytest.fixture
def full_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on a small disk that is full."""
    with small_disk(tmp_path, "2m") as disk:
        home = disk / "home"
        monkeypatch.setenv("COVERSLIP_HOME", str(home))
        fallback_path("x")  # its folders are made
        fill(disk)
        yield home


def test_what_a_full_disk_refuses_waits_elsewhere_and_comes_home(
    full_home: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("viewer.stand_in.left_behind"), "_MEMORY", temporary / "none")
    path = full_home.parent / "slide.sqlite"
    spill(path, [Stamped.now(adding("Draw", [Annotation(shapely.box(0, 0, 9, 9))]))])
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(each.stat().st_mode & 0o077 == 0 for each in folder.iterdir())
    (full_home.parent / "filler").unlink()
    opened = open_annotations(path)
    assert len(opened.annotations) == 1
    assert list(folder.iterdir()) == []
    opened.store.close()


@needs_root
def test_nothing_waits_in_a_folder_of_another_account(
    full_home: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("viewer.stand_in.left_behind"), "_MEMORY", temporary / "none")
    planted = temporary / f"coverslip-waiting-{os.getuid()}"
    planted.mkdir(mode=0o777)
    own_by_other(planted)
    with pytest.raises(OSError, match="not permitted"):
        fallback_path("review-1.jsonl")
    assert list(planted.iterdir()) == []
    assert full_home.exists()
