"""The search for commands: other programs' words, why a command cannot run, nothing found."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, press

from viewer.ui.commands import COMMANDS, COMMANDS_BY_ID
from viewer.ui.commands.command import Situation
from viewer.ui.commands.synonyms import SYNONYMS
from viewer.ui.main_window import MainWindow
from viewer.ui.matching import command_match


def found(typed: str) -> list[str]:
    """The ids of the commands that fit, best first, where all can run."""
    matches = [
        (match.rank, -match.score, index, command.id)
        for index, command in enumerate(COMMANDS)
        if (
            match := command_match(
                typed,
                command.plain_text,
                command.menu[-1].replace("&", ""),
                command.synonyms,
                command.tip,
            )
        )
    ]
    return [command_id for *_, command_id in sorted(matches)]


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("measure", "annotate.ruler"),
        ("measure length", "annotate.ruler"),
        ("create project", "project.create"),
        ("Create project...", "project.create"),
        ("brightness/contrast", "panels.display"),
        ("cell detection", "overlays.run_slide"),
        ("magic wand", "annotate.wand"),
        ("heatmap", "panels.overlays"),
        ("save image", "file.save_picture"),
        ("export snapshot", "file.save_picture"),
        ("MPP", "slide.pixel_size"),
        ("calibrate", "slide.pixel_size"),
        ("mitosis", "annotate.mitosis_count"),
        ("mitoses", "annotate.mitosis_count"),
        ("synchronize viewers", "panes.link"),
        ("multi-view", "panes.add"),
        ("color deconvolution", "stain.hematoxylin"),
        ("expand annotations", "annotate.grow"),
        ("export objects", "annotate.export"),
        ("show annotation measurements", "annotate.statistics"),
        ("preferences", "file.settings"),
        ("shortcuts", "help.keys"),
        ("zoom to fit", "view.fit"),
        ("negative pen", "annotate.eraser"),
        ("what was missed", "panels.seen"),
        ("rulers", "annotate.ruler"),
        ("segment anything", "overlays.click"),
        ("pan", "annotate.move"),
    ],
)
def test_a_command_is_found_by_the_words_of_other_programs(typed: str, command: str) -> None:
    assert command in found(typed)[:6]


def test_names_come_before_other_names() -> None:
    assert found("ruler")[0] == "annotate.ruler"
    assert found("right rotate")[0] == "view.rotate_right"
    assert found("export annotations")[0] == "annotate.export"
    assert found("measure")[0] == "annotate.ruler"


@pytest.mark.parametrize("typed", ["xylophone", "qqq", "measure xylophone"])
def test_nothing_fits_nonsense(typed: str) -> None:
    assert found(typed) == []


def test_every_other_name_is_of_a_command_and_finds_it() -> None:
    assert set(SYNONYMS) <= set(COMMANDS_BY_ID)
    for command_id, names in SYNONYMS.items():
        assert len(set(names)) == len(names)
        for name in names:
            assert name == name.casefold()
            assert command_id in found(name)


def test_every_command_that_cannot_run_says_why() -> None:
    nothing = Situation()
    for command in COMMANDS:
        if not command.enabled(nothing):
            assert command.enabled.reason.endswith(".")
            assert command.enabled.reason != "Not possible now."


def rows(window: MainWindow) -> list[tuple[str, str, bool]]:
    tree = window.palette_box.list
    items = (tree.topLevelItem(row) for row in range(tree.topLevelItemCount()))
    return [(item.text(0), item.text(1), item.isDisabled()) for item in items if item is not None]


def test_the_search_opens_from_its_field_and_says_what_it_cannot_do(
    window: MainWindow, qtbot: QtBot
) -> None:
    field = window.frame.top_bar.search
    # The window may be wider than the screen, on which the search stays: its field is on it, too.
    window.move(min(0, window.screen().availableGeometry().width() - window.width()), 0)
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton)
    search = window.palette_box
    qtbot.waitUntil(search.isVisible)
    place = QRect(window.mapFromGlobal(search.pos()), search.size())
    assert window.rect().adjusted(-4, -4, 4, 4).contains(place)  # a frame of the platform's
    assert place.contains(field.mapTo(window, QPoint(field.width() // 2, field.height() // 2)))
    qtbot.keyClicks(search.box, "export snapshot")
    name, reason, is_disabled = rows(window)[0]
    assert name.endswith("(export snapshot)")
    assert reason == "Open a slide first."
    assert is_disabled
    search.box.clear()
    qtbot.keyClicks(search.box, "stop agent")
    assert ("Agent: Stop agent", "No agent is reading the slide.", True) in rows(window)
    search.box.clear()
    qtbot.keyClicks(search.box, "xylophone")
    ((text, _, is_disabled),) = rows(window)
    assert text == 'No command found for "xylophone"'
    assert is_disabled
    qtbot.keyClick(search.box, Qt.Key.Key_Return)
    assert search.isVisible()
    qtbot.keyClick(search.box, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not search.isVisible())


def test_another_name_runs_the_command_and_the_row_is_said(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, window, Qt.Key.Key_L, CTRL)
    search = window.palette_box
    qtbot.waitUntil(search.isVisible)
    was_shown = window.settings.show_overview
    qtbot.keyClicks(search.box, "minimap")
    assert "Overview map" in search.box.accessibleDescription()
    qtbot.keyClick(search.box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.settings.show_overview is not was_shown)
