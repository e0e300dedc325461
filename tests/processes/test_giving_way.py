"""What computes for long gives way to the window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from viewer.inference.process.model_process import ModelProcess
from viewer.processes.giving_way import give_way, let_window_come_first

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(params=[True, False], ids=["window", "command"])
def has_window(request: pytest.FixtureRequest) -> Generator[bool]:
    let_window_come_first(has_window=request.param)
    yield request.param
    let_window_come_first(has_window=False)


@pytest.mark.usefixtures("real_children")
def test_a_model_gives_way_to_a_window_and_to_nothing_else(has_window: bool) -> None:
    model = ModelProcess(with_torch=False)
    try:
        own = psutil.Process().nice()
        assert psutil.Process(model.pid).nice() == (10 if has_window else own)
        group = Path(f"/proc/{model.pid}/autogroup")
        if has_window and group.exists() and (words := group.read_text().split()):
            assert words[-2:] == ["nice", "10"]
    finally:
        model.close()


def test_one_that_has_ended_is_no_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = psutil.Process().nice()
    let_window_come_first()
    try:
        give_way(ended.pid)
    finally:
        let_window_come_first(has_window=False)
    assert psutil.Process().nice() == own
