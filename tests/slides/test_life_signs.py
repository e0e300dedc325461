"""A reader that is at work for long says so, and is not taken for a stuck one."""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from random_pngs import random_png

from viewer.processes.channel import ChannelTimeoutError, inherited_channel, open_channel
from viewer.progress import progress_to, tell_progress
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process import life_signs, process
from viewer.slides.reader_process.life_signs import LifeSigns
from viewer.slides.reader_process.messages import Answer, AtWork, Unreadable
from viewer.slides.reader_process.process import awaited_answer

_DECODER = msgspec.msgpack.Decoder(Answer | AtWork)


def _pair() -> tuple[Any, Any]:
    ours, theirs = open_channel(_DECODER)
    return ours, inherited_channel(os.dup(theirs.fileno()), _DECODER)


def test_all_that_wait_get_signs_and_none_follows_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One may wait for what the thread of another decodes."""
    monkeypatch.setattr(life_signs, "_EVERY_S", 0.0)
    (first, first_end), (second, second_end) = _pair(), _pair()
    signs = LifeSigns()
    signs.begin(first_end)
    signs.begin(second_end)
    with progress_to(signs.progress):
        tell_progress(0.1)
        signs.answer(first_end, Unreadable("a"))
        tell_progress(0.2)
        signs.answer(second_end, Unreadable("b"))
        tell_progress(0.3)
    first_end.close()
    second_end.close()
    assert [first.receive(1) for _ in range(2)] == [AtWork(), Unreadable("a")]
    assert [second.receive(1) for _ in range(3)] == [AtWork(), AtWork(), Unreadable("b")]


def test_an_answer_is_waited_for_while_there_are_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    channel, end = _pair()
    timer = threading.Timer(0.3, end.send, [AtWork()])
    later = threading.Timer(0.6, end.send, [Unreadable("a")])
    timer.start()
    later.start()
    assert awaited_answer(channel, 0.5) == Unreadable("a")
    monkeypatch.setattr(process, "LONGEST_S", 0.0)
    for _ in range(3):
        end.send(AtWork())
    with pytest.raises(ChannelTimeoutError):
        awaited_answer(channel, 0.5)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_picture_by_rows_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    monkeypatch.setattr("viewer.slides.readers.image.size.MOST_BYTES", 1)
    monkeypatch.setattr("viewer.slides.readers.tiff.sequential_rows.PART_BYTES", 5000)
    path = tmp_path / "a.png"
    path.write_bytes(random_png(1, 2, bits, is_interlaced=False).data)
    heard: list[float] = []
    with progress_to(heard.append), closing(open_here(path)) as source:
        while_opened = len(heard)
        assert (while_opened > 2) == (bits == 16)  # which is gone through for its range
        shown = source.read_tile(1, 0, 0)
    assert np.ptp(shown)
    assert len(heard) > while_opened + 2 or bits == 16
    assert all(0 <= share < 1 for share in itertools.chain(heard))
