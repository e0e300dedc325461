"""Folders that take the place of others: the one or the other is there, whatever happens."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from killed_at_steps import kill_at_each_step

from viewer.files import replace_whole
from viewer.files.replace_whole import exchange, replace_by

_REPLACING = """
from pathlib import Path
from viewer.files.replace_whole import replace_by
replace_by(Path(_folder, "unfinished"), Path(_folder, "out"))
"""
_WITHOUT_EXCHANGE = """
import errno
from viewer.files import replace_whole
def exchange(first, second):
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
replace_whole.exchange = exchange
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def prepare(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    for name, text in (("out", "old"), ("unfinished", "new")):
        (place / name).mkdir(parents=True)
        (place / name / "a").write_text(text)
        (place / name / text).write_text(text)


def whole(place: Path) -> str:
    """Return which of the two folders is there, whole."""
    text = (place / "out" / "a").read_text()
    assert sorted(each.name for each in (place / "out").iterdir()) == ["a", text]
    return text


def test_a_folder_takes_the_place_of_another_wherever_the_program_is_killed(place: Path) -> None:
    found: list[str] = []
    kill_at_each_step(place, _REPLACING, lambda: prepare(place), lambda: found.append(whole(place)))
    assert found[0] == "old"
    assert found[-1] == "new"
    assert [each.name for each in place.iterdir()] == ["out"]


def test_without_an_exchange_what_was_put_aside_comes_back_the_next_time(place: Path) -> None:
    found: list[str] = []
    put_aside: list[Path] = []

    def check() -> None:
        if not (place / "out").exists():
            put_aside.extend(place.glob(".out-*.former"))
            # Whoever comes next cannot do its own, and what was there is there again.
            with pytest.raises(FileNotFoundError):
                replace_by(place / "nothing", place / "out")
        found.append(whole(place))

    kill_at_each_step(place, _WITHOUT_EXCHANGE + _REPLACING, lambda: prepare(place), check)
    assert put_aside
    assert found[0] == "old"
    assert found[-1] == "new"


def test_a_folder_that_cannot_take_the_place_leaves_what_was_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(place)
    for refuses in (False, True):
        if refuses:
            monkeypatch.setattr(replace_whole, "exchange", lambda *_: _refuse())
        with pytest.raises(OSError, match="No such file"):
            replace_by(place / "nothing", place / "out")
        assert whole(place) == "old"
        assert sorted(each.name for each in place.iterdir()) == ["out", "unfinished"]


def _refuse() -> None:
    raise OSError(22, os.strerror(22))


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="there is no such step")
def test_two_paths_change_places(place: Path) -> None:
    prepare(place)
    exchange(place / "out", place / "unfinished")
    assert whole(place) == "new"
    with pytest.raises(OSError, match="No such file") as caught:
        exchange(place / "out", place / "nothing")
    assert caught.value.filename == str(place / "out")
    assert whole(place) == "new"
