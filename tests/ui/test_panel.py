"""Panels make their widgets when they are first seen or asked for, and lose nothing till then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from viewer.ui.main_window import MainWindow
from viewer.ui.shell.panel import Panel, shows_state


class CountPanel(Panel):
    """Shows a count and a note, each as it was told last."""

    switched = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Count", parent)
        self.shown: list[str] = []

    def build(self) -> None:
        self.count = QLabel(self)
        self.check = QCheckBox("Counted", self)
        self.check.toggled.connect(self.switched)
        self.set_body(self.count)
        self.show_count(0)

    @shows_state
    def show_count(self, count: int) -> None:
        """Show a count."""
        self.shown.append(f"count {count}")
        self.count.setText(str(count))

    @shows_state
    def show_note(self, *, note: str) -> None:
        """Show a note."""
        self.shown.append(note)


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[CountPanel]:
    window = QWidget()
    qtbot.addWidget(window)
    yield CountPanel(window)
    window.close()


def test_what_is_shown_before_a_panel_is_built_waits_and_the_last_of_it_counts(
    panel: CountPanel,
) -> None:
    panel.show_count(1)
    panel.show_note(note="two")
    panel.show_count(3)
    assert not panel.is_built
    assert panel.shown == []
    panel.ensure_built()
    assert panel.shown == ["count 0", "two", "count 3"]
    panel.show_count(4)
    assert panel.count.text() == "4"


def test_asking_for_a_part_builds_the_panel_as_it_stands(panel: CountPanel) -> None:
    panel.show_count(7)
    assert panel.count.text() == "7"


def test_what_is_connected_beforehand_hears_the_widgets(panel: CountPanel) -> None:
    heard: list[bool] = []
    panel.when_built(lambda: panel.check.toggled.connect(heard.append))
    panel.switched.connect(heard.append)
    panel.check.setChecked(True)
    assert heard == [True, True]


def test_a_name_that_is_none_of_the_panel_is_an_error(panel: CountPanel) -> None:
    with pytest.raises(AttributeError, match="CountPanel has no attribute counted"):
        getattr(panel, "counted")  # noqa: B009


def test_a_panel_is_built_when_it_comes_into_sight(panel: CountPanel, qtbot: QtBot) -> None:
    window = panel.window()
    window.show()
    panel.show()
    qtbot.waitUntil(panel.count.isVisible)


def test_a_window_begins_with_no_page_built_and_the_rail_builds_the_one_that_is_chosen(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    inspector = slide_window.frame.inspector
    assert [panel.windowTitle() for panel in inspector.panels if panel.is_built] == []
    for name, page in inspector.pages.items():
        qtbot.mouseClick(inspector.rail.button(name), Qt.MouseButton.LeftButton)
        assert page.current.isVisible()
        assert any(each.isVisible() for each in page.current.findChildren(QWidget)), name
    for page in inspector.pages.values():
        assert [panel.is_built for panel in page.panels] == [
            panel is page.current for panel in page.panels
        ]
