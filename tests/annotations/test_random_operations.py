"""Random operations agree with shapely, are undone and redone exactly, and outlive a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked_programs
import pytest
from random_operations import Annotator

from viewer.annotations.document import Document
from viewer.annotations.storage.slide_file import open_annotations

_PROGRAM = Path(__file__).with_name("random_operations.py")
_REPOSITORY = Path(__file__).resolve().parents[2]


def _annotate(seed: int, steps: int) -> Annotator:
    """Do so many random things, then undo all of them and do them again."""
    annotator = Annotator(Document(), seed)
    document = annotator.document
    for _ in range(steps):
        annotator.step()
    then = [annotator.snapshot()]
    while document.undo() is not None:
        then.append(annotator.snapshot())
    assert then.pop() == []
    for snapshot in reversed(then):
        assert document.redo() is not None
        assert annotator.snapshot() == snapshot
    assert document.redo() is None
    return annotator


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_operations_agree_with_shapely_and_are_undone_and_redone_whole(seed: int) -> None:
    annotator = _annotate(seed, 120)
    assert len(annotator.counts) == 16, "each kind of operation was tried"
    assert len(annotator.document) > 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 140))
def test_thousands_of_operations_agree_with_shapely(seed: int) -> None:
    _annotate(seed, 250)


def _killed_and_reopened(path: Path, seed: int, least: int) -> None:
    """Kill a process that annotates; what it had saved is there, and nothing half done."""
    process = forked_programs.Popen(
        [sys.executable, str(_PROGRAM), str(path), str(seed)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_REPOSITORY), str(_PROGRAM.parent)])},
    )
    assert process.stdout is not None
    saved = 0
    while saved < least:
        line = process.stdout.readline()
        assert line, "it ended by itself"
        saved = int(line)
    time.sleep(random.Random(seed).random() * 0.05)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    saved = max([saved, *map(int, rest)])
    opened = open_annotations(path)
    assert opened.notice == ""
    found = [(each.class_name, each.name, each.geometry.wkb) for each in opened.annotations]
    opened.close()
    again = Annotator(Document(), seed)
    for _ in range(saved):
        again.step()
    later = [again.snapshot()]
    again.document.listen(lambda _: later.append(again.snapshot()))
    for _ in range(12):
        again.step()
    assert found in later


def test_what_was_saved_outlives_a_kill(tmp_path: Path) -> None:
    _killed_and_reopened(tmp_path / "a.sqlite", 5, 40)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(200, 220))
def test_many_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    _killed_and_reopened(tmp_path / "a.sqlite", seed, 40 + seed % 60)
