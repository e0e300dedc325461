"""The list of sessions with thousands of them: what it does hangs on what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from viewer.recording.library import SessionSummary
from viewer.ui.recording.sessions_dock import SessionsDock

COUNT = 3000


@pytest.fixture
def dock(qtbot: QtBot) -> Iterator[SessionsDock]:
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = SessionsDock(window)
    window.setCentralWidget(dock)
    window.resize(600, 400)
    window.show()
    qtbot.waitExposed(window)
    dock.show_sessions(_sessions(), "")
    yield dock
    window.close()


def _sessions() -> list[SessionSummary]:
    return [
        SessionSummary(Path(f"/sessions/{n:05d}"), None, 1.0, 100, False, True, "damaged")
        for n in range(COUNT)
    ]


def test_a_refresh_with_all_rows_selected_tells_once(dock: SessionsDock, qtbot: QtBot) -> None:
    dock.table.selectAll()
    assert len(dock.selected()) == COUNT
    told: list[int] = []
    dock.table.itemSelectionChanged.connect(lambda: told.append(1))
    dock.show_sessions(_sessions(), "")
    assert len(told) <= 1
    assert len(dock.selected()) == COUNT
    assert dock.delete.isEnabled()
    assert not dock.replay.isEnabled()


def test_only_rows_in_sight_ask_for_figures(dock: SessionsDock, qtbot: QtBot) -> None:
    with qtbot.waitSignal(dock.sight_changed):
        dock.show_sessions(_sessions(), "")
    first = dock.folders_in_sight()
    assert first[0] == Path("/sessions/00000")
    assert 3 < len(first) < 100
    with qtbot.waitSignal(dock.sight_changed):
        dock.table.verticalScrollBar().setValue(dock.table.verticalScrollBar().maximum())
    assert dock.folders_in_sight()[-1] == Path(f"/sessions/{COUNT - 1:05d}")
    dock.show_figures(Path("/sessions/01234"), 7, 0.5)
    row = dock.table.topLevelItem(1234)
    assert row is not None
    assert (row.text(3), row.text(4)) == ("7", "50%")
