"""The list of sessions with thousands of them: what it does hangs on what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from viewer.recording.library import SessionSummary
from viewer.ui.recording.sessions_panel import SessionsPanel

COUNT = 3000


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[SessionsPanel]:
    window = QMainWindow()
    qtbot.addWidget(window)
    panel = SessionsPanel(window)
    window.setCentralWidget(panel)
    window.resize(600, 400)
    window.show()
    qtbot.waitExposed(window)
    panel.show_sessions(_sessions(), "")
    yield panel
    window.close()


def _sessions() -> list[SessionSummary]:
    return [
        SessionSummary(Path(f"/sessions/{n:05d}"), None, 1.0, 100, False, True, "damaged")
        for n in range(COUNT)
    ]


def test_a_refresh_with_all_rows_selected_tells_once(panel: SessionsPanel, qtbot: QtBot) -> None:
    panel.table.selectAll()
    assert len(panel.selected()) == COUNT
    told: list[int] = []
    panel.table.itemSelectionChanged.connect(lambda: told.append(1))
    panel.show_sessions(_sessions(), "")
    assert len(told) <= 1
    assert len(panel.selected()) == COUNT
    assert panel.delete.isEnabled()
    assert not panel.replay.isEnabled()


def test_only_rows_in_sight_ask_for_figures(panel: SessionsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.sight_changed):
        panel.show_sessions(_sessions(), "")
    first = panel.folders_in_sight()
    assert first[0] == Path("/sessions/00000")
    assert 3 < len(first) < 100
    with qtbot.waitSignal(panel.sight_changed):
        panel.table.verticalScrollBar().setValue(panel.table.verticalScrollBar().maximum())
    assert panel.folders_in_sight()[-1] == Path(f"/sessions/{COUNT - 1:05d}")
    panel.show_figures(Path("/sessions/01234"), 7, 0.5)
    row = panel.table.topLevelItem(1234)
    assert row is not None
    assert (row.text(3), row.text(4)) == ("7", "50%")
