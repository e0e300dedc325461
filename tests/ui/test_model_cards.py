"""Cards of the AI page: what is shown, what stays in its place, and what the menu of one holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QScrollArea
from pytestqt.qtbot import QtBot
from ui_steps import drop

from viewer.inference.models.model_library import all_models
from viewer.overlays.heatmap import HeatmapStyle
from viewer.overlays.legend import LegendRow
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.card_body import CardBody
from viewer.ui.overlays.card_state import CardState
from viewer.ui.overlays.model_cards import ModelCards
from viewer.ui.overlays.overlays_panel import RESEARCH_ONLY, OverlaysPanel

_PAGE_PX = 340
_EMPTY = CardState(
    can_run=True,
    can_stop=False,
    is_paused=False,
    share=0.0,
    progress="Done where you look",
    warnings=(),
    figures=("0 tiles analyzed (0 mm²)",),
    legend=(),
    opacity=1.0,
)


@pytest.fixture
def panel(qtbot: QtBot) -> OverlaysPanel:
    panel = OverlaysPanel(None)  # pyright: ignore[reportArgumentType] - a window of its own
    qtbot.addWidget(panel)
    panel.models.show_models(all_models())
    panel.resize(_PAGE_PX, 640)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def _texts(menu: QMenu) -> list[str]:
    return [action.text().replace("&", "") for action in menu.actions() if action.text()]


def test_all_is_off_at_first_and_the_notice_is_said_once(panel: OverlaysPanel) -> None:
    assert panel.about.text() == RESEARCH_ONLY
    for card in panel.models.cards:
        assert not card.switch.isChecked()
        assert not card.has_body
        assert "research" not in card.about.text().lower()


def test_cards_fit_the_page(panel: OverlaysPanel, qtbot: QtBot) -> None:
    panel.models.show_on(source.key for source in panel.models.models())
    for card in panel.models.cards:
        long = replace(_EMPTY, legend=[_row(index, "A class of a long name") for index in range(9)])
        card.body.show_state(long)
    qtbot.waitUntil(lambda: all(card.body.legend.isVisible() for card in panel.models.cards))
    area = panel.findChild(QScrollArea)
    assert isinstance(area, QScrollArea)
    inner = area.widget()
    assert inner is not None
    assert inner.width() <= area.viewport().width()


def test_one_card_has_the_accent(panel: OverlaysPanel) -> None:
    first, second, *_ = panel.models.models()
    panel.models.show_on({first.key, second.key})
    panel.models.choose(second.key)
    panel.models.show_on({first.key, second.key})
    accents = [card.body.run.property("primary") for card in panel.models.cards if card.is_on]
    assert accents == [False, True]
    panel.models.show_on({first.key})
    assert panel.models.cards[0].body.run.property("primary")


def test_no_button_moves_while_a_model_works(qtbot: QtBot) -> None:
    body = CardBody("Ours", "classification", None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(body)
    body.show_state(_EMPTY)
    body.resize(300, 900)
    body.show()
    qtbot.waitExposed(body)
    buttons = (body.run, body.pause, body.stop)
    before = [button.geometry() for button in buttons]
    body.show_state(
        replace(
            _EMPTY,
            can_stop=True,
            share=0.3,
            progress="Whole slide: 30 %, 1.2 fields/s, 2:10 left",
            warnings=("3 tiles unlike the training data, hatched: do not rely on these",),
            figures=("260 tiles analyzed (0.82 mm²)", "Running on CPU"),
            legend=[_row(0, "Tumor"), _row(1, "Stroma")],
            is_covered=True,
        )
    )
    qtbot.waitUntil(body.legend.isVisible)
    assert [button.geometry() for button in buttons] == before
    assert body.stop.isEnabled()
    asking = CardBody("Likeness", "embedding", None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(asking)
    query = asking.query
    assert query is not None
    query.show_classes([], "")
    asking.resize(300, 900)
    asking.show()
    qtbot.waitExposed(asking)
    places = [each.pos() for each in (query.add, query.mark, query.not_this, query.unmark)]
    query.show_classes([("Tumor", "#ff0000", 1), ("Stroma", "#00ff00", 0)], "Tumor")
    assert [each.pos() for each in (query.add, query.mark, query.not_this, query.unmark)] == places


def test_a_color_map_is_offered_where_a_value_is_painted_alone(qtbot: QtBot) -> None:
    body = CardBody("Ours", "classification", None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(body)
    page = body.heatmap
    assert page is not None
    page.show_style(HeatmapStyle(), ["Tumor", "Stroma"], "Likeliest class", is_value=False)
    assert not page.color_map.isVisibleTo(page)
    assert not page.legend.isVisibleTo(page)
    page.show_style(HeatmapStyle(shown=1), ["Tumor", "Stroma"], "Likeliest class", is_value=False)
    assert page.color_map.isVisibleTo(page)
    assert page.legend.isVisibleTo(page)


def test_a_class_is_switched_in_the_legend(qtbot: QtBot) -> None:
    body = CardBody("Ours", "classification", None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(body)
    body.show_state(replace(_EMPTY, legend=[_row(3, "Tumor"), _row(5, "Stroma")]))
    body.show()
    told: list[tuple[int, bool]] = []
    body.legend.switched.connect(lambda index, on: told.append((index, on)))
    qtbot.mouseClick(body.legend.checks[1], Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    assert told == [(5, False)]
    assert body.legend.text == "Tumor 12 30 %\nStroma 12 30 %"


def test_models_change_places(panel: OverlaysPanel) -> None:
    cards: ModelCards = panel.models
    first, second = cards.models()[:2]
    cards.move_card(cards.cards[1], -1)
    assert cards.models()[:2] == [second, first]
    cards.move_card(cards.cards[0], -1)
    assert cards.models()[:2] == [second, first]


def test_a_card_is_dragged_by_its_handle(panel: OverlaysPanel, qtbot: QtBot) -> None:
    cards = panel.models
    first, second, third, *_ = cards.cards
    with qtbot.waitSignal(cards.order_changed):
        below = third.handle.mapToGlobal(third.handle.rect().center())
        QTest.mousePress(first.handle, Qt.MouseButton.LeftButton)
        for each in (second.mapToGlobal(QPoint(4, second.height() - 2)), below):
            at = QPointF(first.handle.mapFromGlobal(each))
            move = QMouseEvent(
                QEvent.Type.MouseMove, at, QPointF(each), Qt.MouseButton.NoButton,
                Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
            )  # fmt: skip
            QApplication.sendEvent(first.handle, move)
        QTest.mouseRelease(first.handle, Qt.MouseButton.LeftButton)
    assert cards.cards[0] is second
    assert first in cards.cards[1:3]
    assert first.handle.accessibleName() == f"Move {first.source.name}"


def test_a_file_of_results_has_a_card_with_a_menu_and_says_what_was_shown(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("x,y,width,score\n0,0,256,0.2\n512,256,256,0.4\n")
    overlays, pane = slide_window.overlays, slide_window.panes.active
    assert overlays.shown_in(pane) == []
    drop(slide_window, [path])
    qtbot.waitUntil(lambda: bool(overlays.shown_in(pane)), timeout=20_000)
    (shown,) = overlays.shown_in(pane)
    assert shown.name == "scores.csv"
    card = overlays.panel.models.named("scores.csv")
    card.menu.aboutToShow.emit()
    texts = _texts(card.menu)
    assert "Object table..." in texts
    assert "Export results..." in texts
    assert "Remove..." not in texts
    model = overlays.panel.models.named("Nuclei")
    model.menu.aboutToShow.emit()
    assert {"Details...", "Update...", "Remove..."} <= set(_texts(model.menu))
    slide_window.commands["overlays.blink"].trigger()
    assert overlays.shown_in(pane) == []


def _row(index: int, name: str) -> LegendRow:
    return LegendRow(index, name, "#112233", ("12", "30 %"), f"{name}: 12")
