"""In the window: readings that programs made without it, and policies of other packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from test_agents import choose, lines, show_agent, state
from test_policy_plugins import installed, name_policies, site  # noqa: F401 - fixtures
from test_replay import start_replay
from ui_steps import show_slide

from viewer.agents.agent_events import AgentState
from viewer.agents.clients.allowed_folders import AllowedFolders
from viewer.agents.clients.client_desk import ClientDesk
from viewer.agents.clients.headless_place import HeadlessOptions, HeadlessPlace
from viewer.folders import config_folder
from viewer.geometry import Point, View
from viewer.recording.library import sessions_folder
from viewer.settings import load_settings
from viewer.ui.main_window import MainWindow

_LONG_MS = 60_000


def test_a_reading_without_a_window_replays_in_it(
    make_window: Callable[..., MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    place = HeadlessPlace(AllowedFolders([sample_slide.parent]), HeadlessOptions(sessions_folder()))
    desk = ClientDesk(place, "reader")
    for tool, arguments in (
        ("open_slide", {"path": str(sample_slide)}),
        ("look", {"box": [500, 500, 1500, 1500], "magnification": 10}),
        ("look", {"box": [900, 900, 1100, 1100], "magnification": 20}),
        ("note", {"text": "Seen."}),
    ):
        assert not desk.call(tool, arguments).refusal
    desk.close()
    window = make_window()
    show_slide(window, sample_slide, qtbot)
    shown: list[View] = []
    window.panes.active.canvas.view_changed.connect(lambda view, _cause: shown.append(view))
    start_replay(window, qtbot)  # it plays at once

    def at_both_boxes() -> bool:
        """Whether both were shown, the second one twice as large."""
        middle = Point(1000, 1000)
        scales = [
            view.downsample
            for view in shown
            if abs(view.center.x - middle.x) < 1 and abs(view.center.y - middle.y) < 1
        ]
        return bool(scales) and max(scales) == pytest.approx(2 * min(scales))

    qtbot.waitUntil(at_both_boxes)


@pytest.mark.usefixtures("installed")
def test_a_policy_of_another_package_reads_before_the_users_eyes(
    make_window: Callable[..., MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    name_policies("scanner")
    window = make_window(load_settings(config_folder()))
    show_slide(window, sample_slide, qtbot)
    panel = show_agent(window, qtbot)
    choose(panel, "plug-in scanner")
    assert panel.how.currentText() == "scanner (other package)"
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state(window) is AgentState.FINISHED, timeout=_LONG_MS)
    qtbot.waitUntil(lambda: any("Dark" in line for line in lines(panel)))
    # No model was chosen and allowed: it is told so, and nobody is asked.
    assert any("No model server was chosen" in line for line in lines(panel))
    assert np.isfinite(window.panes.active.canvas.view.downsample)
