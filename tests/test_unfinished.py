"""What is written beside its place, and what killed programs leave of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked_programs

from viewer.files.atomic_write import atomic_write, atomic_write_bytes, remove_abandoned
from viewer.files.unfinished import remove_left, unfinished_folder

_LARGE = bytes(2 << 20)
_WRITING = """
import sys, time
from pathlib import Path
from viewer.files.atomic_write import atomic_write
from viewer.files.unfinished import unfinished_folder
folder = Path(sys.argv[1])
with unfinished_folder(folder) as place, atomic_write(folder / "a.tif") as file:
    (place / "part").write_bytes(b"x")
    file.write(bytes(1 << 20))
    print("written", flush=True)
    time.sleep(60)
"""


def age(folder: Path) -> None:
    """Let all that is unfinished be of yesterday."""
    yesterday_s = time.time() - 86_400
    for path in folder.glob(".*"):
        os.utime(path, (yesterday_s, yesterday_s))


def unfinished(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.glob(".*"))


def test_what_a_killed_program_left_goes_with_the_next_one(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _WRITING, str(tmp_path)]
    with forked_programs.Popen(words, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"written\n"
        age(tmp_path)
        # It runs: nobody takes away what it writes, however long it takes.
        atomic_write_bytes(tmp_path / "a.tif", _LARGE)
        with unfinished_folder(tmp_path):
            pass
        assert unfinished(tmp_path) == [".part", ".unfinished"]
        program.send_signal(signal.SIGKILL)
    assert unfinished(tmp_path) == [".part", ".unfinished"]
    age(tmp_path)
    atomic_write_bytes(tmp_path / "another.tif", _LARGE)
    assert unfinished(tmp_path) == [".part", ".unfinished"]
    atomic_write_bytes(tmp_path / "a.tif", _LARGE)
    assert unfinished(tmp_path) == [".unfinished"]
    with unfinished_folder(tmp_path) as folder:
        assert unfinished(tmp_path) == [".unfinished"]
        assert folder.is_dir()
    assert unfinished(tmp_path) == []


def test_what_was_changed_just_now_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".b.tif-0123456789ab.part").write_bytes(b"x")
    (tmp_path / ".x.unfinished").mkdir()
    atomic_write_bytes(tmp_path / "b.tif", _LARGE)
    with unfinished_folder(tmp_path):
        pass
    assert unfinished(tmp_path) == [".part", ".unfinished"]


def test_a_link_goes_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (mine := tmp_path / "mine").mkdir()
    (mine / "a").write_text("mine")
    (link := tmp_path / ".x.unfinished").symlink_to(mine)
    os.utime(link, (0, 0), follow_symlinks=False)
    os.mkfifo(pipe := tmp_path / ".y.unfinished")
    os.utime(pipe, (0, 0))
    remove_left(tmp_path.glob(".*.unfinished"))
    assert unfinished(tmp_path) == []
    assert (mine / "a").read_text() == "mine"


def test_a_file_can_be_written_by_two_programs_at_once(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.tif") as first, atomic_write(tmp_path / "a.tif") as second:
        first.write(_LARGE)
        second.write(_LARGE + b"second")
    assert (tmp_path / "a.tif").stat().st_size == len(_LARGE)
    assert unfinished(tmp_path) == []


def test_small_files_that_are_surely_abandoned_go(tmp_path: Path) -> None:
    """Not those of a program that runs, of this hour, or that only look alike."""
    folder = tmp_path / "studies" / "one"
    folder.mkdir(parents=True)
    left, mine = folder / f".settings.json-{'0f' * 6}.part", folder / ".notes-2026.part"
    for path in (left, mine):
        path.write_text("{}")
    with atomic_write(folder / "answers.json") as file:
        age(folder)
        fresh = folder / f".form.json-{'1a' * 6}.part"
        fresh.write_text("{}")
        remove_abandoned(tmp_path)
        assert {path.name for path in folder.iterdir()} == {
            mine.name, fresh.name, Path(file.name).name
        }  # fmt: skip
