"""Text of files, slides and models is shown as it is: no markup of theirs loads a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QMessageBox,
    QProgressDialog,
    QTextBrowser,
    QToolTip,
    QTreeWidgetItemIterator,
    QWidget,
)
from ui_steps import show_slide

from viewer.agents.actions import Task
from viewer.agents.agent_events import Finished
from viewer.agents.findings import Finding, GroundedAnswer, GroundedClaim
from viewer.agents.grounding import Reference
from viewer.agents.loop import Outcome
from viewer.agents.report_draft import draft_from_walk, markdown, plain
from viewer.agents.report_template import DEFAULT_TEMPLATE
from viewer.inference.models.model_library import add_model
from viewer.overlays.legend import LegendRow
from viewer.resource_files import resource
from viewer.ui.agents.agent_panel import AgentPanel
from viewer.ui.agents.ask_panel import AskPanel
from viewer.ui.key_sheet import KeySheet
from viewer.ui.overlays.class_legend import ClassLegend
from viewer.ui.theme import DARK, apply_theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from viewer.ui.main_window import MainWindow

SIDE_PX = 3000


@pytest.fixture
def markup(tmp_path: Path) -> str:
    """Markup that shows a large image of the user's, and says so by the room that it takes."""
    picture = tmp_path / "private.png"
    image = QImage(SIDE_PX, SIDE_PX, QImage.Format.Format_Grayscale8)
    image.fill(0)
    assert image.save(str(picture))
    return f'<img src="file://{picture}"><a href="file://{picture}">x</a>'


def labels(of: QWidget | None = None) -> Iterator[QLabel]:
    tops = [of] if of is not None else QApplication.topLevelWidgets()
    for top in tops:
        yield from ([top] if isinstance(top, QLabel) else top.findChildren(QLabel))


def assert_nothing_is_loaded(of: QWidget | None = None) -> None:
    for label in labels(of):
        if "<img" in label.text():
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()
            assert label.sizeHint().height() < SIDE_PX
    for top in [of] if of is not None else QApplication.topLevelWidgets():
        for browser in top.findChildren(QTextBrowser):
            assert browser.document().size().height() < SIDE_PX
            assert 'src="file' not in browser.document().toHtml()


def test_a_label_would_load_the_file_without_the_style_sheet(markup: str, qtbot: QtBot) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    sheet = app.styleSheet()
    app.setStyleSheet("")
    try:
        unguarded = QLabel(markup)
        qtbot.addWidget(unguarded)
        assert unguarded.sizeHint().height() >= SIDE_PX
    finally:
        app.setStyleSheet(sheet)
    apply_theme(app, DARK)
    label = QLabel(markup)
    qtbot.addWidget(label)
    assert label.sizeHint().height() < SIDE_PX
    assert_nothing_is_loaded(label)
    label.setText(f"later {markup}")
    assert label.sizeHint().height() < SIDE_PX


def test_boxes_tips_and_progress_show_text_as_it_is(window: MainWindow, markup: str) -> None:
    box = QMessageBox(QMessageBox.Icon.Warning, "Title", markup, parent=window)
    box.setInformativeText(markup)
    box.open()
    progress = QProgressDialog(markup, "Cancel", 0, 1, window)
    progress.show()
    window.show_error(markup)
    window.say(markup)
    QToolTip.showText(window.mapToGlobal(QPoint(9, 9)), markup, window)
    tips = {each.text() for each in labels() if each.metaObject().className() == "QTipLabel"}
    assert tips == {markup}
    assert sum("<img" in label.text() for label in labels()) >= 4
    assert_nothing_is_loaded()
    QToolTip.hideText()
    box.close()
    progress.close()


def test_what_a_slide_says_of_itself_is_shown_as_it_is(
    window: MainWindow, markup: str, tmp_path: Path, qtbot: QtBot
) -> None:
    slide = tmp_path / "<img src=x>.ome.tif"
    tifffile.imwrite(
        slide, np.zeros((64, 64, 3), np.uint8), photometric="rgb", software=markup, metadata=None
    )
    show_slide(window, slide, qtbot)
    panel = window.properties
    panel.show()
    rows = QTreeWidgetItemIterator(panel.table)
    shown: list[str] = []
    while (row := rows.value()) is not None:
        shown += [row.text(1), row.toolTip(1)]
        rows += 1
    assert markup in shown
    assert_nothing_is_loaded()


def test_names_of_models_and_classes_are_shown_as_they_are(
    make_window: Callable[[], MainWindow], markup: str, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(resource("models", "nuclei"), folder)
    about = json.loads((folder / "model.json").read_text())
    about["name"], about["license"] = '<img src="file:///x.png">', markup[:200]
    (folder / "model.json").write_text(json.dumps(about))
    add_model(folder)
    window = make_window()
    window.commands["panels.overlays"].trigger()
    qtbot.waitUntil(lambda: any("<img" in each.toolTip() for each in window.findChildren(QWidget)))
    legend = ClassLegend(window)
    legend.show_rows([LegendRow(0, markup, f'red">{markup}', (markup,), markup, can_hide=False)])
    assert_nothing_is_loaded()


def test_answers_of_a_model_are_shown_as_they_are(markup: str, qtbot: QtBot) -> None:
    panel = AskPanel()
    qtbot.addWidget(panel)
    panel.show_slide("a slide")
    panel.begin(markup)
    panel.end(f"{markup}\n![x](file:///etc/passwd)")
    assert "<img" in panel.answers.toPlainText()
    assert_nothing_is_loaded(panel)
    panel.begin("where?")
    size = len(markup)
    place = Reference(size, 2 * size, (0.0, 0.0, 9.0, 9.0), None)
    panel.end(markup * 3, [place])
    assert panel.answers.toPlainText().count("<img") == 5
    assert_nothing_is_loaded(panel)
    browser = QTextBrowser()
    qtbot.addWidget(browser)
    browser.setMarkdown(plain(f"{markup} ![x](file:///etc/passwd)"))
    assert "<img" in browser.toPlainText()
    assert_nothing_is_loaded(browser)


def test_what_an_agent_concludes_is_shown_as_it_is(markup: str, qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    panel = AgentPanel(AskPanel(), parent)
    panel.show()
    claims = [
        GroundedClaim(text=markup, box=box, region=None, doubt=markup)
        for box in (None, (0.0, 0.0, 9.0, 9.0))
    ]
    panel.show_event(Finished(GroundedAnswer(text=markup, claims=tuple(claims))))
    assert panel.answer.toPlainText().count("<img") == 5
    assert_nothing_is_loaded(panel)


def test_a_report_shows_what_others_wrote_as_it_is(markup: str, qtbot: QtBot) -> None:
    walked = Outcome(Task(markup), markup, failure=markup)
    walked.findings.append(
        Finding(
            region=1, box=(0, 0, 9, 9), magnification=20.0, label=markup, text=markup, figures={}
        )
    )
    claim = GroundedClaim(text=markup, box=None, region=None, doubt="unseen")
    walked.answer = GroundedAnswer(text=markup, claims=(claim,))
    told = markdown(draft_from_walk(walked, DEFAULT_TEMPLATE))
    browser = QTextBrowser()
    qtbot.addWidget(browser)
    browser.setMarkdown(told)
    assert browser.toPlainText().count("<img") == told.count("<img") == 8
    assert_nothing_is_loaded(browser)


def test_the_sheet_of_keys_shows_names_of_classes_as_they_are(markup: str, qtbot: QtBot) -> None:
    sheet = KeySheet({}, {"1": markup})
    qtbot.addWidget(sheet)
    assert markup in sheet.text.toPlainText()
    assert_nothing_is_loaded(sheet)
