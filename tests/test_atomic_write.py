"""Files that are there whole, or as they were before."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_disks import mount_again, small_disk

from viewer.files.appending import append_whole
from viewer.files.atomic_write import (
    ShortFileError,
    atomic_write,
    atomic_write_bytes,
    atomic_write_text,
    create_whole,
    unwritable,
)
from viewer.files.journal import Journal


def test_the_new_file_takes_the_place_of_the_old_one_with_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    with atomic_write(target) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def interrupted() -> None:
        with atomic_write(target) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    def failing() -> None:
        with atomic_write_text(target) as text:
            text.write("new")
            raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ZeroDivisionError):
        failing()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_mode_is_that_of_the_file_from_its_beginning(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "secret", mode=0o600) as file:
        assert stat.S_IMODE(os.stat(file.name).st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_text_keeps_its_line_ends_and_loses_no_file_for_a_lone_surrogate(tmp_path: Path) -> None:
    with atomic_write_text(tmp_path / "a.txt") as text:
        text.write("a\r\nb\n\ud800")
    assert (tmp_path / "a.txt").read_bytes() == b"a\r\nb\n?"


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    target = tmp_path / "other" / "a.txt"
    link = tmp_path / "link"
    link.symlink_to("other/a.txt")
    atomic_write_bytes(link, b"first")  # to where it points, though nothing is there yet
    atomic_write_bytes(link, b"second")
    assert link.is_symlink()
    assert target.read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["a.txt"]


def test_a_ring_of_links_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        atomic_write_bytes(tmp_path / "a", b"x")
    assert (tmp_path / "a").is_symlink()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        atomic_write_bytes(tmp_path, b"x")
    assert unwritable(tmp_path, caught.value) == (
        f"{tmp_path} cannot be written (it is a folder): choose another place."
    )
    full = OSError(28, "No space left on device", str(tmp_path / "a.csv"))
    for error, reason in ((full, "No space left on device"), (ValueError("no rows"), "no rows")):
        assert unwritable(tmp_path / "a.csv", error) == (
            f"{tmp_path / 'a.csv'} cannot be written ({reason}): choose another place."
        )


def test_a_device_is_written_to(tmp_path: Path) -> None:
    atomic_write_bytes(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match="No space left"):
        atomic_write_bytes(Path("/dev/full"), b"x")
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        atomic_write_bytes(link, b"x")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(pipe) as file:
        file.write(b"12345")
        file.seek(1)
        file.write(b"x")
    reader.join(10)
    assert found == [b"1x345"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_long_name_has_room_for_its_unfinished_file(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 127)
    atomic_write_bytes(target, b"x")
    assert target.read_bytes() == b"x"


def test_a_file_that_came_out_short_does_not_replace_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def cut_short() -> None:
        with atomic_write(target) as file:
            file.write(b"x" * (2 << 20))
            file.flush()
            os.truncate(file.name, 1000)  # as a disk does that takes what it cannot keep

    with pytest.raises(ShortFileError):
        cut_short()
    assert target.read_bytes() == b"old"


def test_without_second_names_a_full_disk_leaves_nothing_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))  # as FAT does

    monkeypatch.setattr(os, "link", refuse)
    with small_disk(tmp_path, "1m") as disk:
        path, data = disk / "a", os.urandom(600_000)  # there is room for one, and not for a second
        with pytest.raises(OSError, match="No space left"):
            create_whole(path, data)
        assert list(disk.iterdir()) == []
        mount_again(disk, "size=4m")
        assert create_whole(path, data)
        assert path.read_bytes() == data
        assert not create_whole(path, b"x")


def test_names_of_new_files_of_lines_outlive_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "lines"
    append_whole(path, [b"one\n"])
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]
    append_whole(path, [b"two\n"])
    assert synced[2:] == [path.stat().st_ino]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EIO])
def test_a_drive_that_cannot_wait_for_its_disk_is_written_and_one_that_fails_is_not(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    lines, log = tmp_path / "lines", tmp_path / "log"
    said: list[str] = []
    journal = Journal(log, "log.waiting", said.append, what="The log")
    journal.append(b"one\n")
    journal.sync()
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            append_whole(lines, [b"one\n"])
        assert "The log cannot be written" in said[-1]
    else:
        append_whole(lines, [b"one\n"])
        append_whole(lines, [b"two\n"], first_at_last=lambda: b"TWO\n")
        assert lines.read_bytes() == b"one\nTWO\n"
        assert log.read_bytes() == b"one\n"
        assert said == []
    journal.close()


def test_a_file_that_is_protected_stays_as_it_is(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is protected from the superuser")
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o444)
    with pytest.raises(PermissionError, match="protected"):
        atomic_write_bytes(target, b"new")
    assert target.read_text() == "old"


def test_what_goes_to_an_open_file_is_followed_by_what_is_printed(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from viewer.files.atomic_write import atomic_write_bytes;"
        "atomic_write_bytes(Path('/dev/stdout'), b'first\\n'); print('second')"
    )
    out = tmp_path / "out"
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, check=True, timeout=60)
    assert out.read_text() == "first\nsecond\n"
    piped = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"first\nsecond\n"
