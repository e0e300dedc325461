"""Killed processes, full disks, vanished folders, torn and tampered logs."""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import forked_programs
import msgspec
import pytest
from recording_steps import HEADER, count_lines, record, wait_until
from session_lines import read_lines
from small_disks import mount_again, small_disk

from viewer.files import set_aside
from viewer.recording.events import SlideClosed, SlideOpened, ToolChosen
from viewer.recording.library import Library
from viewer.recording.log_file import LogFile, spilled
from viewer.recording.log_reader import is_being_recorded, repair, verify
from viewer.recording.recorder import Recorder
from viewer.recording.session import EVENTS_FILE, HEADER_FILE, SessionError, read_header

_KILLS = 50
_AT_ONCE = 5
_PAUSE_S = 0.002
"""Of a process that records, after each event."""

_READING = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from recording_steps import HEADER
    from viewer.recording.events import ToolChosen
    from viewer.recording.recorder import Recorder
    recorder = Recorder(Path(sys.argv[1]), HEADER)
    number = 0
    while True:
        recorder.record(ToolChosen(str(number)))
        os.write(1, b"%d %d\\n" % (number, time.monotonic_ns()))
        number += 1
        time.sleep(float(sys.argv[2]))
    """
)


def tools(folder: Path) -> list[str]:
    return [line.event.name for line in read_lines(folder) if isinstance(line.event, ToolChosen)]


def waiting_events(session_id: str) -> bytes:
    """What waits for a session whose folder takes nothing."""
    path = spilled(session_id)
    return b"" if path is None else path.read_bytes()


def kill_while_reading(folder: Path, rng: random.Random) -> tuple[list[int], int]:
    """Kills a recording process; the times at which it recorded each event, and of the kill."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with forked_programs.Popen(
        [sys.executable, "-c", _READING, str(folder), str(_PAUSE_S)],
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        written = child.stdout
        assert written is not None
        said = [written.readline()]
        reader = threading.Thread(target=lambda: said.extend(written))
        reader.start()
        time.sleep(rng.uniform(0.0, 1.6))
        killed_ns = time.monotonic_ns()
        child.send_signal(signal.SIGKILL)
        reader.join()
    return [int(line.split()[1]) for line in said if line.endswith(b"\n")], killed_ns


def test_a_kill_at_any_moment_loses_at_most_the_last_second(tmp_path: Path) -> None:
    def try_one(index: int) -> None:
        folder = tmp_path / f"s{index}"
        recorded_ns, killed_ns = kill_while_reading(folder, random.Random(index))
        if folder.exists() and (folder / HEADER_FILE).exists():
            repair(folder)
            assert verify(folder).is_good
            assert verify(folder).torn_bytes == 0
            kept = tools(folder)
        else:
            kept = []  # killed before the writer had made the folder
        assert kept == [str(number) for number in range(len(kept))]
        safe = sum(at_ns < killed_ns - 1_000_000_000 for at_ns in recorded_ns)
        # A process that gets no core writes nothing, but records as little meanwhile.
        assert len(kept) >= min(safe, len(recorded_ns) - round(1.0 / _PAUSE_S))
        outcomes.append(len(kept))

    outcomes: list[int] = []
    for start in range(0, _KILLS, _AT_ONCE):
        threads = [
            threading.Thread(target=try_one, args=(start + index,)) for index in range(_AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == _KILLS
    assert max(outcomes) > 100


class Disk:
    """A disk with room for so many bytes; writes in part when it fills up, as disks do."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes

    def write(self, fd: int, data: memoryview) -> int:
        if self.room_bytes <= 0:
            raise OSError(28, "No space left on device")
        written = os.write(fd, data[: self.room_bytes])
        self.room_bytes -= written
        return written


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    disk = Disk(3000)
    told: list[str] = []
    recorder = Recorder(
        tmp_path / "s",
        HEADER,
        on_trouble=told.append,
        open_file=functools.partial(LogFile, write=disk.write),
    )
    for number in range(200):
        recorder.record(ToolChosen(str(number)))
    wait_until(lambda: bool(told))
    assert "No space left on device" in told[0]
    spill = spilled(HEADER.id)
    assert spill is not None
    assert spill.stat().st_mode & 0o777 == 0o600
    whole = verify(tmp_path / "s")
    assert whole.is_good
    assert whole.torn_bytes == 0
    for number in range(200, 300):
        recorder.record(ToolChosen(str(number)))
    disk.room_bytes = 1 << 20
    wait_until(lambda: told[-1] == "")
    recorder.close()
    assert tools(tmp_path / "s") == [str(number) for number in range(300)]
    assert verify(tmp_path / "s").is_good
    assert spilled(HEADER.id) is None


def test_a_real_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path, "64k") as mounted:
        told: list[str] = []
        recorder = Recorder(mounted / "s", HEADER, on_trouble=told.append)
        for number in range(3000):
            recorder.record(ToolChosen(str(number)))
        wait_until(lambda: bool(told) and "space" in told[-1])
        mount_again(mounted, "size=4m")
        wait_until(lambda: told[-1] == "")
        recorder.close()
        assert tools(mounted / "s") == [str(number) for number in range(3000)]
        assert verify(mounted / "s").is_good


def test_a_header_that_was_refused_is_written_before_all_is_said_to_be_well(tmp_path: Path) -> None:
    told: list[str] = []
    file = LogFile(tmp_path / "s", HEADER, told.append)
    path = tmp_path / "s" / HEADER_FILE
    path.unlink()
    path.mkdir()  # no file can take its place
    changed = msgspec.structs.replace(HEADER, title="changed")
    file.change_header(changed)
    assert len(told) == 1
    file.append(b"{}\n")
    file.retry()
    assert file.trouble == told[-1] != ""
    path.rmdir()
    file.retry()
    assert told[-1] == file.trouble == ""
    assert read_header(tmp_path / "s") == changed
    file.close()
    assert file.path.read_bytes() == b"{}\n"


def test_a_folder_that_vanishes_comes_back_with_all_it_held(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = Recorder(tmp_path / "sessions" / "s", HEADER, on_trouble=told.append)
    recorder.record(ToolChosen("before"))
    wait_until(lambda: count_lines(tmp_path / "sessions" / "s") == 2)
    shutil.rmtree(tmp_path / "sessions")
    (tmp_path / "sessions").write_text("in the way")
    wait_until(lambda: bool(told))
    assert "sessions/s" in told[0]
    recorder.record(ToolChosen("meanwhile"))
    wait_until(lambda: b"meanwhile" in waiting_events(HEADER.id))
    (tmp_path / "sessions").unlink()
    wait_until(lambda: told[-1] == "")
    recorder.record(ToolChosen("after"))
    recorder.close()
    assert tools(tmp_path / "sessions" / "s") == ["before", "meanwhile", "after"]
    assert verify(tmp_path / "sessions" / "s").is_good


def test_a_drive_that_went_and_came_back_is_written_on(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = Recorder(tmp_path / "s", HEADER, on_trouble=told.append)
    recorder.record(ToolChosen("before"))
    wait_until(lambda: count_lines(tmp_path / "s") == 2)
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    shutil.rmtree(tmp_path / "s")
    (tmp_path / "s").write_text("in the way")
    wait_until(lambda: bool(told))
    (tmp_path / "s").unlink()
    shutil.copytree(tmp_path / "copy", tmp_path / "s")
    wait_until(lambda: told[-1] == "")
    recorder.record(ToolChosen("after"))
    recorder.close()
    assert tools(tmp_path / "s") == ["before", "after"]
    assert verify(tmp_path / "s").is_good


@pytest.mark.parametrize("is_former", [False, True])
def test_a_crash_on_a_full_disk_is_mended_from_the_temporary_folder(
    tmp_path: Path, is_former: bool
) -> None:
    disk = Disk(1500)
    file = LogFile(tmp_path / "s", HEADER, write=disk.write)
    shown = record(tmp_path / "whole", [ToolChosen(str(number)) for number in range(50)])
    for line in (shown / EVENTS_FILE).read_bytes().splitlines(keepends=True):
        file.append(line)
    assert file.trouble
    if is_former:  # versions before 0.2 did not say behind how many bytes the lines belong
        spill = spilled(HEADER.id)
        assert spill is not None
        _, _, lines = spill.read_bytes().partition(b"\n")
        spill.write_bytes(lines)
    file._lock.release()  # as the system does for a process that was killed
    assert count_lines(tmp_path / "s") < 52
    note = repair(tmp_path / "s")
    assert note is not None
    assert "from the temporary folder" in note
    assert read_lines(tmp_path / "s") == read_lines(shown)
    assert verify(tmp_path / "s").is_good
    assert spilled(HEADER.id) is None


def test_what_waits_for_a_log_that_was_cut_since_is_kept(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(set_aside, "listeners", [heard.append])
    waited: list[bytes] = []
    for number in range(2):
        folder = tmp_path / str(number) / "s"
        file = LogFile(folder, HEADER, write=Disk(1500).write)
        shown = record(tmp_path / f"whole{number}", [ToolChosen(str(n)) for n in range(50)])
        for line in (shown / EVENTS_FILE).read_bytes().splitlines(keepends=True):
            file.append(line)
        file._lock.release()
        waited.append(waiting_events(HEADER.id))
        lines = (folder / EVENTS_FILE).read_bytes().splitlines(keepends=True)
        (folder / EVENTS_FILE).write_bytes(b"".join(lines[:-2]))  # as a loss of power does
        repair(folder)
        assert verify(folder).is_good
        assert waiting_events(HEADER.id) == b""
    kept = sorted((own_home / "data" / "temporary").glob("*.left*"))
    assert [path.read_bytes() for path in kept] == waited
    assert [path.name in said for path, said in zip(kept, heard, strict=True)] == [True, True]


def test_a_torn_last_line_is_cut_off_with_a_note(tmp_path: Path) -> None:
    folder = record(tmp_path / "s", [ToolChosen("move"), ToolChosen("brush")])
    path = folder / EVENTS_FILE
    path.write_bytes(path.read_bytes()[:-7])
    assert verify(folder).torn_bytes > 0
    assert tools(folder) == ["move", "brush"]
    assert "torn last line" in (repair(folder) or "")
    assert verify(folder).torn_bytes == 0
    assert "torn last line" in read_header(folder).repairs[0].note
    assert repair(folder) is None


def flipped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"brush", b"brusk"), *lines[3:]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (flipped, "chain"),
        (lambda lines: [*lines[:2], *lines[3:]], "number"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "number"),
        (lambda lines: [*lines[:2], b"nonsense\n", *lines[3:]], "schema"),
        (lambda lines: [*lines[:2], b'[2,1,1,["tool"],"x"]\n', *lines[3:]], "schema"),
    ],
)
def test_verify_names_the_first_bad_line(tmp_path: Path, change, reason: str) -> None:
    folder = record(tmp_path / "s", [ToolChosen(name) for name in ("move", "brush", "wand")])
    path = folder / EVENTS_FILE
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    verdict = verify(folder)
    assert verdict.bad_line == 3
    assert verdict.lines == 2
    assert reason in verdict.reason


def test_events_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    folder = record(tmp_path / "s", [])
    path = folder / EVENTS_FILE
    first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'[1,1,1,["hologram",5],"xxxxxxxxxxxx"]\n' + last)
    assert [type(line.event) for line in read_lines(folder)] == [SlideOpened, SlideClosed]


def test_a_session_being_recorded_is_left_alone(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / HEADER.id, HEADER)
    wait_until(lambda: count_lines(tmp_path / HEADER.id) == 1)
    library = Library(tmp_path)
    assert is_being_recorded(tmp_path / HEADER.id)
    assert library.recover() == []
    with pytest.raises(SessionError, match="is being recorded"):
        library.delete(HEADER.id)
    recorder.close()
    assert not is_being_recorded(tmp_path / HEADER.id)


def test_two_recorders_record_two_sessions(tmp_path: Path) -> None:
    first, second = Recorder(tmp_path / "a", HEADER), Recorder(tmp_path / "b", HEADER)
    first.record(ToolChosen("first"))
    second.record(ToolChosen("second"))
    first.close()
    second.close()
    assert (tools(tmp_path / "a"), tools(tmp_path / "b")) == (["first"], ["second"])
