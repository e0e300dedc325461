"""Bars of commands, where nobody sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.cli.progress_bar import bars

if TYPE_CHECKING:
    import pytest


def test_a_bar_writes_nothing_into_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with bars() as bar:
        task = bar.add_task("Copying", total=1.0)
        bar.update(task, completed=1.0)
    assert capfd.readouterr() == ("", "")
