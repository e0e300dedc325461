"""No command looks, in the window's thread, at all the annotations that are selected."""

from __future__ import annotations

import pytest
import shapely
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from seen_changes import tidy
from test_no_walks import MOST_RATIO, _calls, _drawn

from viewer.annotations.annotation import Annotation
from viewer.annotations.document_state import DocumentState
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.commands import COMMANDS
from viewer.ui.main_window import MainWindow

pytestmark = pytest.mark.timeout(400)
_FEW = 2100
"""More than are changed at once: what is done to more is done in a thread."""
_OTHERS = ("file.save_picture", "file.convert")
"""Commands of other kinds that are for what is selected, too."""


def _work(
    window: MainWindow,
    here: PaneAnnotations,
    qtbot: QtBot,
    drawn: list[Annotation],
    names: list[str],
) -> dict[str, int]:
    """Return the calls of each command while all that is drawn is selected."""
    model, bulk = window.annotations.panel.model, window.annotations.editing.bulk
    figures: dict[str, int] = {}
    count, version = len(drawn), -1
    for name in names:
        if here.document.version != version:
            here.slide._fill(DocumentState().fill(drawn))
            version = here.document.version
        qtbot.waitUntil(lambda: model.shown_count == count and not model.is_filling, timeout=20_000)
        if len(here.selection) != count:
            window.commands["edit.select_all"].trigger()
            assert len(here.selection) == count
        action = window.commands[name]
        if not action.isEnabled():
            continue
        was_checked = action.isChecked()
        figures[name] = _calls(action.trigger)
        qtbot.waitUntil(lambda: not bulk.is_busy, timeout=60_000)
        if any(each.isVisible() for each in QApplication.topLevelWidgets() if each is not window):
            tidy(window, qtbot)
        if action.isCheckable() and action.isChecked() != was_checked and action.isEnabled():
            action.trigger()
    return figures


def test_among_ten_times_as_many_points_no_region_is_looked_for(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    names = ["annotate.count", "annotate.run_model"]
    points = [Annotation(shapely.Point(5, 5)) for _ in range(10 * _FEW)]
    few = _work(slide_window, opened_annotations, qtbot, points[:_FEW], names)
    many = _work(slide_window, opened_annotations, qtbot, points, names)
    assert "annotate.count" in few
    for name, calls in few.items():
        assert many[name] <= MOST_RATIO * calls + 500, (name, calls, many[name])


def test_with_ten_times_as_many_selected(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    names = [
        each.id
        for each in COMMANDS
        if each.id.startswith(("edit.", "annotate.")) or each.id in _OTHERS
    ]
    few = _work(slide_window, opened_annotations, qtbot, _drawn(_FEW), names)
    many = _work(slide_window, opened_annotations, qtbot, _drawn(10 * _FEW), names)
    walks = {
        name: (calls, many[name])
        for name, calls in few.items()
        if name in many and many[name] > MOST_RATIO * calls + 500
    }
    assert walks == {}
