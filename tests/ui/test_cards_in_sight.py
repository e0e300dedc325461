"""A card of a model that is unfolded low on the page comes into sight."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.model_card import ModelCard


def test_what_is_unfolded_low_on_the_page_comes_into_sight(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window.resize(1366, 560)
    show_slide(window, sample_slide, qtbot)
    panel = window.overlays.panel
    panel.show()
    qtbot.waitUntil(lambda: panel.models.chosen_card is not None)
    low = max(panel.models.findChildren(ModelCard), key=lambda card: card.y())
    area = panel.findChild(QScrollArea)
    assert isinstance(area, QScrollArea)
    qtbot.waitUntil(lambda: low.y() > area.viewport().height())
    area.ensureWidgetVisible(low.fold, 0, 0)  # at the lower edge
    folded_px = low.height()
    qtbot.mouseClick(low.fold, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: low.height() > folded_px)
    qtbot.waitUntil(lambda: low.visibleRegion().boundingRect() == low.rect())
