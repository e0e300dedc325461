"""A session whose events are known is written whole, also by two at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from recording_steps import HEADER, view

from viewer.recording.event_writer import Entry
from viewer.recording.importers.session_writing import write_session
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header


def _entries(count: int = 5) -> Iterator[Entry]:
    for number in range(count):
        yield number * 100_000_000, number * 100, view(number * 10.0)


def test_two_at_once_write_the_same_session(tmp_path: Path) -> None:
    def entries() -> Iterator[Entry]:
        yield from _entries(3)
        write_session(_entries(), HEADER, tmp_path)  # another process, half-way through
        yield 300_000_000, 300, view(30.0)

    folder = write_session(entries(), HEADER, tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
    assert read_header(folder).id == HEADER.id
    assert verify(folder).is_good


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    left = tmp_path / ".abcdefgh.unfinished"
    left.mkdir()
    (left / "events").write_bytes(b"torn")
    long_ago_s = time.time() - 2 * 86_400
    os.utime(left, (long_ago_s, long_ago_s))
    folder = write_session(_entries(), HEADER, tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
