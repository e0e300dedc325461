"""The registry of commands, the palette, rebinding, and the sheet of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from pytestqt.qtbot import QtBot
from ui_steps import ALT, CTRL, open_dialog, press, rest

from viewer.annotations.palette import DEFAULT_PALETTE
from viewer.folders import config_folder
from viewer.settings import load_settings
from viewer.ui.commands import COMMANDS, default_bindings
from viewer.ui.commands.annotating import TOOL_NAMES, tool_id
from viewer.ui.key_sheet import KeySheet
from viewer.ui.main_window import MainWindow
from viewer.ui.matching import match_score
from viewer.ui.settings_dialog import SettingsDialog
from viewer.ui.shortcuts import ShortcutTable


def test_the_registry_is_sound() -> None:
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)
    keys = Counter(key for command in COMMANDS for key in command.shortcuts)
    assert [key for key, count in keys.items() if count > 1] == []
    for key in keys:
        assert QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText) == key
    # The tools have QuPath's letters; H and C are for other things there.
    tools = [command.shortcuts[0] for command in COMMANDS if command.id in map(tool_id, TOOL_NAMES)]
    assert set("MSROLPVB") <= set(tools)
    assert not set("HC") & set(keys)


def test_every_command_has_icon_tip_and_place_in_a_menu(window: MainWindow) -> None:
    in_menus = {action.objectName() for menu in window.menus.values() for action in menu.actions()}
    for command in COMMANDS:
        action = window.commands[command.id]
        assert command.id in in_menus
        assert not action.icon().pixmap(16, 16).isNull()
        assert command.tip in action.toolTip()
        assert action.receivers("2triggered(bool)") > 0, f"{command.id} does nothing"


def test_better_matches_come_first() -> None:
    fit, right, none = (match_score("fit", name) for name in ("Fit", "Folder in tray", "Zoom"))
    assert none is None
    assert fit is not None
    assert right is not None
    assert fit > right


def test_the_palette_runs_a_command_by_keyboard_alone(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas
    press(qtbot, slide_window, Qt.Key.Key_L, CTRL)
    palette = slide_window.palette_box
    qtbot.waitUntil(palette.isVisible)
    qtbot.keyClicks(palette.box, "rotate r")
    first = palette.list.topLevelItem(0)
    assert first is not None
    assert first.text(0) == "Orientation: Rotate right by 15 degrees"
    assert "Ctrl+]" in first.text(1)
    qtbot.keyClick(palette.box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not palette.isVisible())
    rest(slide_window, qtbot)
    assert canvas.view.rotation_deg == pytest.approx(15.0)


def test_the_palettes_list_is_traveled_with_the_arrows(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_L, CTRL)
    palette = window.palette_box
    qtbot.waitUntil(palette.isVisible)
    first = palette.list.currentItem()
    qtbot.keyClick(palette.box, Qt.Key.Key_Down)
    assert palette.list.currentItem() is not first
    qtbot.keyClick(palette.box, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not palette.isVisible())


def test_the_palette_stays_on_the_screen(window: MainWindow, qtbot: QtBot) -> None:
    palette, screen = window.palette_box, window.screen().availableGeometry()
    field = window.frame.top_bar.search
    for left in (screen.left(), screen.right() - 500, screen.left() - 900):
        window.move(left, screen.top())
        press(qtbot, window, Qt.Key.Key_L, CTRL)
        qtbot.waitUntil(palette.isVisible)
        shown = palette.frameGeometry()
        assert (shown.right() <= screen.right(), shown.left() >= screen.left()) == (True, True)
        qtbot.keyClick(palette.box, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: not palette.isVisible())
    window.move(screen.topLeft())
    palette.open_below(field)
    assert palette.frameGeometry() == palette.geometry(), "a popup has no frame of a window"
    palette.hide()


def test_the_palette_does_not_run_what_cannot_run(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_L, CTRL)
    palette = window.palette_box
    qtbot.waitUntil(palette.isVisible)
    qtbot.keyClicks(palette.box, "zoom in")
    first = palette.list.topLevelItem(0)
    assert first is not None
    assert first.isDisabled()
    qtbot.keyClick(palette.box, Qt.Key.Key_Return)
    assert palette.isVisible()


@pytest.fixture
def table(qtbot: QtBot) -> ShortcutTable:
    table = ShortcutTable(default_bindings())
    qtbot.addWidget(table)
    table.show()
    return table


def give(table: ShortcutTable, qtbot: QtBot, command_id: str, key: Qt.Key) -> None:
    table.choose(command_id)
    table.keys.clear()
    qtbot.keyClick(table.keys, key, CTRL)
    qtbot.mouseClick(table.set_button, Qt.MouseButton.LeftButton)


def test_a_key_in_use_is_told_and_can_be_taken(table: ShortcutTable, qtbot: QtBot) -> None:
    give(table, qtbot, "view.go_to", Qt.Key.Key_O)
    assert table.message.text().startswith('Ctrl+O already runs "Open slide"')
    assert table.bindings["view.go_to"] == ("Ctrl+G",)
    qtbot.mouseClick(table.take_button, Qt.MouseButton.LeftButton)
    assert table.bindings["view.go_to"] == ("Ctrl+O",)
    assert table.bindings["file.open"] == ()
    qtbot.mouseClick(table.restore_button, Qt.MouseButton.LeftButton)
    assert table.bindings == default_bindings()


def test_keys_can_be_added_cleared_and_put_back(table: ShortcutTable, qtbot: QtBot) -> None:
    table.choose("view.go_to")
    qtbot.keyClick(table.keys, Qt.Key.Key_U, CTRL)
    qtbot.mouseClick(table.add_button, Qt.MouseButton.LeftButton)
    assert table.bindings["view.go_to"] == ("Ctrl+G", "Ctrl+U")
    qtbot.mouseClick(table.clear_button, Qt.MouseButton.LeftButton)
    assert table.bindings["view.go_to"] == ()
    qtbot.mouseClick(table.default_button, Qt.MouseButton.LeftButton)
    assert table.bindings["view.go_to"] == ("Ctrl+G",)


def test_the_arrow_keys_stay_with_the_slide(table: ShortcutTable, qtbot: QtBot) -> None:
    table.choose("view.go_to")
    table.keys.setKeySequence(QKeySequence("Left"))
    qtbot.mouseClick(table.set_button, Qt.MouseButton.LeftButton)
    assert "cannot be given" in table.message.text()
    assert table.bindings["view.go_to"] == ("Ctrl+G",)


def test_a_rebound_key_works_at_once_and_after_a_restart(
    slide_window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    press(qtbot, slide_window, Qt.Key.Key_Comma, CTRL)
    dialog = open_dialog(slide_window, SettingsDialog, qtbot)
    assert isinstance(dialog, SettingsDialog)
    give(dialog.keys, qtbot, "view.rotate_right", Qt.Key.Key_U)
    dialog.accept()
    qtbot.waitUntil(lambda: not dialog.isVisible())
    slide_window.activateWindow()
    slide_window.panes.active.focus()
    press(qtbot, slide_window, Qt.Key.Key_U, CTRL)
    press(qtbot, slide_window, Qt.Key.Key_BracketRight, CTRL)
    rest(slide_window, qtbot)
    assert slide_window.panes.active.canvas.view.rotation_deg == pytest.approx(15.0)
    assert "Ctrl+U" in slide_window.commands["view.rotate_right"].toolTip()
    slide_window.close()
    assert load_settings(config_folder()).shortcuts == {"view.rotate_right": ["Ctrl+U"]}
    again = make_window()
    assert again.commands["view.rotate_right"].shortcut().toString() == "Ctrl+U"


def test_the_sheet_lists_every_key(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_F1)
    sheet = open_dialog(window, KeySheet, qtbot)
    assert isinstance(sheet, KeySheet)
    text = sheet.text.toPlainText()
    for command in COMMANDS:
        if command.shortcuts:
            assert command.plain_text in text
    assert "Alt+Left" in text
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()


def test_stains_by_key(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    press(qtbot, slide_window, Qt.Key.Key_2, ALT)
    assert canvas.look.stain.name == "HEMATOXYLIN"
    assert slide_window.commands["stain.hematoxylin"].isChecked()
    assert "Hematoxylin" in slide_window.status.display.text()
    press(qtbot, slide_window, Qt.Key.Key_1, ALT)
    assert canvas.look.is_plain


def test_keys_that_people_know_stay() -> None:
    kept = {
        "recording.on": "Ctrl+R",
        "recording.pause": "F9",
        "view.go_to": "Ctrl+G",
        "project.finish": "F7",
        "file.next": "PgDown",
        "view.magnify_0.5": "1",
        "view.magnify_1": "2",
        "view.magnify_2": "3",
        "view.magnify_5": "4",
        "view.magnify_10": "5",
        "view.magnify_20": "6",
        "view.magnify_40": "7",
        "view.fit": "8",
        "help.palette": "Ctrl+L",
    }
    assert {id_: default_bindings()[id_][0] for id_ in kept} == kept
    classes = {f"Ctrl+{digit}" for digit in range(1, 10)}
    assert {each.key for each in DEFAULT_PALETTE} == classes
    assert not classes & {key for keys in default_bindings().values() for key in keys}


def test_the_sheet_and_the_settings_know_the_keys_of_the_classes(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, window, Qt.Key.Key_F1)
    sheet = open_dialog(window, KeySheet, qtbot)
    assert isinstance(sheet, KeySheet)
    lines = sheet.text.toPlainText().splitlines()
    assert lines[lines.index("Ctrl+1") + 1] == "Tumor"
    sheet.reject()
    press(qtbot, window, Qt.Key.Key_Comma, CTRL)
    dialog = open_dialog(window, SettingsDialog, qtbot)
    assert isinstance(dialog, SettingsDialog)
    give(dialog.keys, qtbot, "view.go_to", Qt.Key.Key_1)
    assert dialog.keys.message.text().startswith('Ctrl+1 gives the class "Tumor"')
    assert dialog.changes == {}
    dialog.reject()


def test_a_name_with_nothing_beside_it_is_not_cut_off(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    slide_window.commands["annotate.whole_slide"].trigger()
    press(qtbot, slide_window, Qt.Key.Key_L, CTRL)
    palette = slide_window.palette_box
    qtbot.waitUntil(palette.isVisible)
    qtbot.keyClicks(palette.box, "run model")
    tree, room_px = palette.list, 40  # of the icon and the margins
    rows = [tree.topLevelItem(number) for number in range(tree.topLevelItemCount())]
    alone = [row for row in rows if row is not None and not row.text(1)]
    assert any("Run model on selected regions" in row.text(0) for row in alone)
    for row in alone:
        needed_px = tree.fontMetrics().horizontalAdvance(row.text(0)) + room_px
        assert tree.visualRect(tree.indexFromItem(row, 0)).width() >= min(
            needed_px, tree.viewport().width() - 1
        )
        assert row.toolTip(0).startswith(row.text(0))
