"""How far the import of a long log is: told, shown in a terminal, and ended where nobody waits."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from viewer.progress import progress_to
from viewer.recording.importers import import_log

REPOSITORY = Path(__file__).resolve().parents[2]
_ROWS = 40_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = (f"{row / 10},{row % 977},{row % 613},800,600" for row in range(_ROWS))
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["time,x,y,width,height", *rows]))
    return path


def test_shares_go_from_reading_to_the_last_event(log: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    with progress_to(shares.append):
        assert len(import_log(log, tmp_path / "library")) == 1
    assert shares == sorted(shares)
    assert shares[0] <= 0.7
    assert 0.98 < shares[-1] <= 1.0
    assert len({round(share, 2) for share in shares}) > 20


@pytest.mark.parametrize("at", [0.5, 0.8])
def test_an_import_that_is_ended_leaves_nothing(log: Path, tmp_path: Path, at: float) -> None:
    class NotWantedError(Exception):
        pass

    def end(share: float) -> None:
        if share > at:
            raise NotWantedError

    library = tmp_path / "library"
    with progress_to(end), pytest.raises(NotWantedError):
        import_log(log, library)
    assert not library.exists() or not [each for each in library.rglob("*") if each.is_file()]


def test_a_terminal_shows_a_bar_with_the_name_of_the_log(log: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "app.py", "sessions", "import", str(log)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, cwd=REPOSITORY, env=environment
    ) as program:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # so ends a terminal whose program is gone
            pass
        assert program.wait(60) == 0
    os.close(ours)
    assert b"long.csv" in shown
    assert b"%" in shown
