"""What lies in place of the files of a home: the window starts, opens its slide, and says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bomb_steps import MOST_GROWN_BYTES, MOST_TURN_S, GuiWatch
from bombs import endless
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.folders import config_folder, data_folder
from viewer.limits import KEPT_BYTES
from viewer.settings import read_settings
from viewer.slides.opener import open_slide
from viewer.slides.slide_key import file_name_of
from viewer.ui.application import make_window as window_of


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, KEPT_BYTES.most + 1)


DIGITS = f'{{"brightness": {"9" * 400}, "wheel_speed": {"9" * 400}}}'
WHATS: dict[str, Callable[[Path], object]] = {
    "pipe": lambda path: endless(path, "pipe"),
    "device": lambda path: endless(path, "device"),
    "folder": Path.mkdir,
    "large": large,
    "deep": lambda path: path.write_text('{"a":' * 100_000),
    "digits": lambda path: path.write_text(DIGITS),
    "bytes": lambda path: path.write_bytes(bytes(range(256)) * 100),
    "UTF-16": lambda path: path.write_text("{}", encoding="utf-16"),
    "list": lambda path: path.write_text('[true, {"a": []}, null]'),
}


@pytest.mark.parametrize("what", WHATS)
def test_a_window_says_what_of_a_home_is_not_used_and_goes_on(
    what: str, sample_slide: Path, qtbot: QtBot
) -> None:
    source = open_slide(sample_slide)
    name = file_name_of(source.info.identity)
    source.close()
    for place in (
        config_folder() / "settings.json",
        config_folder() / "window.ini",
        config_folder() / "endpoint.json",
        data_folder() / "display" / f"{name}.json",
        data_folder() / "known-slides" / f"{name}.json",
        data_folder() / "marks" / f"{name}.json",
        data_folder() / "classes.json",
        data_folder() / "device",
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        WHATS[what](place)
    settings, problems = read_settings(config_folder())
    window = window_of(settings, problems)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    watch = GuiWatch()
    show_slide(window, sample_slide, qtbot)
    bar = window.home_notice.bar
    qtbot.waitUntil(lambda: "How a slide was adjusted cannot be used" in bar.sentence.text())
    assert bar.isVisible()
    qtbot.waitUntil(lambda: "The usual classes are used" in window.banner.sentence.text())
    assert window.settings_bar.isVisible()
    assert "settings" in window.settings_bar.sentence.text()
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert watch.grown_bytes < MOST_GROWN_BYTES
    window.close()
    for place in (config_folder() / "settings.bad.json", data_folder() / "classes.bad.json"):
        assert os.path.lexists(place), "nothing is lost"
