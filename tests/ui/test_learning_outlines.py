"""Learning from corrected outlines in the window: what is said, and stopping it."""

from __future__ import annotations

from pathlib import Path

import shapely
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 60_000
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
