"""The settings: groups, a search over all, what survives an update, what is said of damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QDoubleSpinBox, QLabel
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, open_dialog, press, rest

from viewer.annotations.palette import read_palette
from viewer.folders import config_folder, data_folder
from viewer.setting_choices import CHOICES, GROUPS
from viewer.settings import Settings, load_settings, read_settings
from viewer.ui.application import make_window as started_window
from viewer.ui.commands import COMMANDS_BY_ID, default_bindings, merged_bindings
from viewer.ui.main_window import MainWindow
from viewer.ui.settings_dialog import KEYS, PRIVACY, SettingsDialog
from viewer.ui.shortcuts import changes_from_defaults


@pytest.fixture
def dialog(qtbot: QtBot, own_home: Path) -> Iterator[SettingsDialog]:
    dialog = SettingsDialog(Settings())
    qtbot.addWidget(dialog)
    dialog.show()
    yield dialog
    dialog.reject()


def shown_fields(dialog: SettingsDialog) -> set[str]:
    rows = (row for rows in dialog._rows.values() for row in rows.rows)
    return {row.choice.field for row in rows if row.isVisible()}


def listed(dialog: SettingsDialog) -> list[str]:
    items = (dialog.groups.item(row) for row in range(dialog.groups.count()))
    return [item.text() for item in items if not item.isHidden()]


def test_each_group_shows_its_settings_with_what_they_do(dialog: SettingsDialog) -> None:
    assert listed(dialog) == [*GROUPS, PRIVACY, KEYS]
    seen: set[str] = set()
    for row in range(dialog.groups.count()):
        dialog.groups.setCurrentRow(row)
        fields = shown_fields(dialog)
        assert not fields & seen
        seen |= fields
    assert seen == {choice.field for choice in CHOICES}
    dialog.groups.setCurrentRow(listed(dialog).index("Navigation"))
    texts = [label.text() for label in dialog.findChildren(QLabel) if label.isVisible()]
    for choice in CHOICES:
        if choice.group == "Navigation":
            assert choice.explanation in texts


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ("scroll direction", "wheel_inverted"),
        ("trackpad", "touchpad_speed"),
        ("GPU", "device"),
        ("dark", "theme"),
        ("icc", "use_icc"),
        ("beside", "annotations_beside"),
        ("Pseudonym review", "reviewer"),
    ],
)
def test_a_setting_is_found_in_every_group_also_by_other_words(
    dialog: SettingsDialog, qtbot: QtBot, typed: str, field: str
) -> None:
    qtbot.keyClicks(dialog.search, typed)
    assert field in shown_fields(dialog)
    choice = next(each for each in CHOICES if each.field == field)
    assert choice.group in listed(dialog)
    dialog.search.clear()
    assert listed(dialog) == [*GROUPS, PRIVACY, KEYS]
    assert shown_fields(dialog) == {each.field for each in CHOICES if each.group == GROUPS[0]}


def test_keys_and_privacy_are_searched_too_and_nothing_found_is_said(
    dialog: SettingsDialog, qtbot: QtBot
) -> None:
    qtbot.keyClicks(dialog.search, "rotate right")
    assert listed(dialog) == [KEYS]
    assert dialog.keys.isVisible()
    found = [row.text(0) for row in dialog.keys._rows() if not row.isHidden()]
    assert "Rotate right by 15 degrees" in found
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, "audit")
    assert listed(dialog) == [PRIVACY]
    assert dialog.privacy.isVisible()
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, "xylophone")
    assert listed(dialog) == []
    assert dialog.nothing.isVisible()


def test_only_what_was_changed_is_changed(dialog: SettingsDialog, qtbot: QtBot) -> None:
    assert dialog.changes == {}
    box = dialog.findChildren(QCheckBox)
    inverted = next(each for each in box if each.accessibleName() == "Invert touchpad")
    dialog.groups.setCurrentRow(listed(dialog).index("Navigation"))
    qtbot.mouseClick(inverted, Qt.MouseButton.LeftButton, pos=QPoint(8, inverted.height() // 2))
    device = next(
        each for each in dialog.findChildren(QComboBox) if each.accessibleName() == "Run models on"
    )
    device.setCurrentText("CPU")
    assert dialog.changes == {"touchpad_inverted": True, "device": "cpu"}


def scroll(window: MainWindow, *, pixels: int = 0, notches: int = 0) -> None:
    """Zooms in by a touchpad or by a wheel."""
    canvas = window.panes.active.canvas
    at = QPointF(canvas.rect().center())
    phase = Qt.ScrollPhase.ScrollUpdate if pixels else Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(
        at,
        canvas.mapToGlobal(at),
        QPoint(0, pixels),
        QPoint(0, notches * 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        phase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def test_wheel_and_touchpad_have_a_direction_and_a_speed_each(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas

    def zoomed(**how: int) -> float:
        before = canvas.view.downsample
        scroll(slide_window, **how)
        rest(slide_window, qtbot)
        return before / canvas.view.downsample

    assert zoomed(notches=1) == pytest.approx(2**0.5, rel=1e-3)
    assert zoomed(pixels=100) == pytest.approx(2**0.5, rel=1e-3)
    press(qtbot, slide_window, Qt.Key.Key_Comma, CTRL)
    dialog = open_dialog(slide_window, SettingsDialog, qtbot)
    spins = {each.accessibleName(): each for each in dialog.findChildren(QDoubleSpinBox)}
    boxes = {each.accessibleName(): each for each in dialog.findChildren(QCheckBox)}
    spins["Touchpad speed"].setValue(2.0)
    spins["Wheel speed"].setValue(0.5)
    boxes["Invert wheel"].setChecked(True)
    dialog.accept()
    assert zoomed(pixels=100) == pytest.approx(2.0, rel=1e-3)
    assert zoomed(notches=2) == pytest.approx(2**-0.5, rel=1e-3)


def test_an_old_settings_file_keeps_what_the_user_changed(
    make_window: Callable[..., MainWindow], own_home: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    kept = {
        "theme": "light",
        "recent_slides": [str(sample_slide)],
        "shortcuts": {"view.fit": ["F"], "gone.command": ["Ctrl+U"]},
        "a_setting_of_another_version": {"x": 1},
    }
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(kept))
    assert read_settings(config_folder())[1] == []
    window = make_window()
    assert window.commands["view.fit"].shortcut().toString() == "F"
    assert next(each.text() for each in window.recent_menu.actions()) == sample_slide.name
    press(qtbot, window, Qt.Key.Key_Comma, CTRL)
    dialog = open_dialog(window, SettingsDialog, qtbot)
    boxes = {each.accessibleName(): each for each in dialog.findChildren(QCheckBox)}
    boxes["Invert wheel"].setChecked(True)
    dialog.accept()
    window.close()
    settings = load_settings(config_folder())
    assert settings.wheel_inverted
    assert settings.theme == "light"
    assert settings.shortcuts == kept["shortcuts"]
    assert msgspec.json.decode(path.read_bytes())["a_setting_of_another_version"] == {"x": 1}


def test_a_key_of_the_users_is_not_made_dead_by_a_new_default() -> None:
    # As if the key of view.home had come with an update, when the user had it on view.fit.
    bindings = merged_bindings({"view.fit": ["Home"]})
    assert bindings["view.fit"] == ("Home",)
    assert bindings["view.home"] == ()
    assert changes_from_defaults(bindings) == {"view.fit": ["Home"]}
    assert default_bindings()["view.home"] == COMMANDS_BY_ID["view.home"].shortcuts


def test_damaged_settings_are_said_in_the_window(own_home: Path, qtbot: QtBot) -> None:
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"theme": "dark", "wheel_speed": "fast"}')
    window = started_window(*read_settings(config_folder()))
    qtbot.addWidget(window)
    window.show()
    window.show_error("Something else.")
    window.show_error("")
    bar = window.settings_bar
    assert bar.isVisible()
    assert "wheel_speed" in bar.sentence.text()
    assert "settings.bad.json" in bar.sentence.text()
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    open_dialog(window, SettingsDialog, qtbot).reject()
    qtbot.mouseClick(bar.dismiss, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    window.close()


def test_damaged_classes_are_said_and_kept(
    make_window: Callable[..., MainWindow], own_home: Path, qtbot: QtBot
) -> None:
    path = data_folder() / "classes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"classes": [{"name": "Mine"')
    window = make_window()
    qtbot.waitUntil(window.banner.isVisible)
    assert "classes.bad.json" in window.banner.sentence.text()
    assert (data_folder() / "classes.bad.json").read_text() == path.read_text()


def test_one_bad_attribute_of_a_class_costs_no_class(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text(
        '{"classes": [{"name": "Mine", "colour": "#102030", "key": 5}, {"name": 7}, 3,'
        ' {"name": "Other", "color": "red", "key": "Ctrl+2"}]}'
    )
    mine, other = read_palette(path)
    assert (mine.name, mine.color, mine.key) == ("Mine", "#102030", "")
    assert (other.name, other.key) == ("Other", "Ctrl+2")
