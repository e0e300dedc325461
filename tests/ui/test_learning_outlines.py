"""Learning from corrected outlines in the window: what is said, logged, and stopping it."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from shy_nuclei import SIDE, found_nuclei, shy_network
from ui_steps import CTRL, press, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.inference.models.model_library import add_model, all_models
from viewer.recording.events import OutlinesTaught
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 60_000
AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")
_NUCLEUS = AnnotationClass("Nucleus", "#ffd60a")


def test_outlines_are_counted_few_are_refused_and_learning_is_stopped(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window = slide_window
    panel = window.overlays.panel
    panel.show()
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: panel.models.count() >= 3, timeout=_PATIENCE_MS)
    panel.teach_outlines.click()
    page, active = window.outlines.page, window.annotations.active
    assert active is not None
    assert page.isVisible()
    qtbot.waitUntil(lambda: "no outlines" in page.problem.text(), timeout=_PATIENCE_MS)
    discs = [shapely.Point(200 + 90 * (i % 6), 200 + 90 * (i // 6)).buffer(8) for i in range(30)]
    few, others = discs[:4], discs[4:]
    active.do(adding("Outlines", [Annotation(each, shown_as=_NUCLEUS) for each in few]))
    qtbot.waitUntil(lambda: "from 4 outlines" in page.corrected.text(), timeout=_PATIENCE_MS)
    assert "deleted ones teach nothing" in page.corrected.text()
    page.learn.click()
    qtbot.waitUntil(lambda: "too few to learn" in page.outcome.text(), timeout=_PATIENCE_MS)
    assert not window.outlines.is_learning
    active.do(adding("Outlines", [Annotation(each, shown_as=_NUCLEUS) for each in others]))
    page.area.click()
    assert [each.class_name for each in active.document][-1] == "Corrected*"
    qtbot.waitUntil(lambda: "in the corrected area" in page.corrected.text(), timeout=_PATIENCE_MS)
    assert "30 outlines" in page.corrected.text()
    window.commands["edit.undo"].trigger()
    qtbot.waitUntil(lambda: "deleted ones teach" in page.corrected.text(), timeout=_PATIENCE_MS)
    page.learn.click()
    assert window.outlines.is_learning
    assert page.stop.isVisible()
    page.stop.click()
    qtbot.waitUntil(lambda: not window.outlines.is_learning, timeout=_PATIENCE_MS)
    assert page.outcome.text() == "Learning was stopped; nothing was saved."
    assert page.learn.isEnabled()
    page.end.click()
    assert not page.isVisible()


def test_without_a_slide_it_is_said(window: MainWindow, sample_slide: Path, qtbot: QtBot) -> None:
    window.outlines.set_shown(on=True)
    assert "Open a slide" in window.outlines.page.problem.text()
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(
        lambda: "Open a slide" not in window.outlines.page.problem.text(), timeout=_PATIENCE_MS
    )


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Annotation]]:
    """A slide, and what the bundled network finds on it as outlines and an area."""
    path, shapes = found_nuclei(tmp_path_factory.mktemp("corrected"))
    outlines = [Annotation(each, shown_as=_NUCLEUS) for each in shapes]
    area = AnnotationClass("Corrected*", "#009e73")
    return path, [*outlines, Annotation(shapely.box(0, 0, SIDE, SIDE), shown_as=area)]


@pytest.mark.parametrize(
    ("is_shy", "steps", "said"),
    [(False, 1, "finds already"), pytest.param(True, 12, "was added", marks=pytest.mark.slow)],
)
def test_a_session_logs_what_came_of_learning(
    make_window, corrected: tuple[Path, list[Annotation]], qtbot: QtBot, tmp_path: Path,
    is_shy: bool, steps: int, said: str,
) -> None:  # fmt: skip
    window, (path, drawn) = make_window(AGREED), corrected
    show_slide(window, path, qtbot)
    panel = window.overlays.panel
    panel.show()
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: panel.models.count() >= 3, timeout=_PATIENCE_MS)
    if is_shy:
        shy = add_model(shy_network(tmp_path / "shy"))
        window.overlays.show_models(all_models(), None)
        panel.models.choose(shy.key)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    control, pane = window.recording.control, window.panes.active
    qtbot.waitUntil(lambda: control.recording_of(pane) is not None, timeout=_PATIENCE_MS)
    recording, active = control.recording_of(pane), window.annotations.active
    assert recording is not None
    assert active is not None
    active.do(adding("Outlines", drawn))
    panel.teach_outlines.click()
    page = window.outlines.page
    window.outlines.steps = steps
    qtbot.waitUntil(lambda: "corrected area" in page.corrected.text(), timeout=_PATIENCE_MS)
    page.learn.click()
    qtbot.waitUntil(lambda: said in page.outcome.text(), timeout=4 * _PATIENCE_MS)
    folder = recording.recorder.folder
    window.close()
    (logged,) = [
        each.event for each in read_lines(folder) if isinstance(each.event, OutlinesTaught)
    ]
    assert logged.outlines == len(drawn) - 1
    assert 0 < logged.held_back < logged.outlines
    assert logged.kept is is_shy
    assert logged.f1_before is not None
    assert logged.f1_after is not None
    if is_shy:
        assert logged.after > logged.before
        assert logged.f1_after >= logged.f1_before
