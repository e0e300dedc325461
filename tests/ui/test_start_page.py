"""The start page, and the tours that begin on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from annotating_steps import drag
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, press, rest

from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.recent import folders_of, names_told_apart
from viewer.ui.tours.controller import sample_slide

SHOWN_MS = 20_000


@pytest.fixture
def recent(tmp_path: Path, sample_slide: Path) -> list[Path]:
    """Two slides of one name, and one that is gone."""
    paths = [tmp_path / "case 7" / "HE.svs", tmp_path / "case 8" / "HE.svs"]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(sample_slide, path)
    return [*paths, tmp_path / "gone.svs"]


def test_slides_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("/a/x/HE.svs"), Path("/b/x/HE.svs"), Path("/b/y/HE.svs"), Path("/b/y/p53.svs")]
    assert folders_of(paths) == ["a/x", "b/x", "y", "y"]
    assert names_told_apart(paths) == ["HE.svs (a/x)", "HE.svs (b/x)", "HE.svs (y)", "p53.svs"]


def test_recent_slides_are_thumbnails_with_name_and_folder(
    make_window: Callable[..., MainWindow], recent: list[Path], qtbot: QtBot
) -> None:
    window = make_window(Settings(recent_slides=list(map(str, recent))))
    view = window.panes.active.page.start.recent
    model = view.recent
    folders = [model.index(row).data(model.FOLDER_ROLE) for row in range(2)]
    assert folders == ["case 7", "case 8"]
    assert [each.text() for each in window.recent_menu.actions()[:3]] == [
        "HE.svs (case 7)", "HE.svs (case 8)", "gone.svs",
    ]  # fmt: skip

    def has_picture() -> bool:
        image = model.index(1).data(Qt.ItemDataRole.DecorationRole).toImage()
        return image.pixelColor(image.width() // 2, image.height() // 2).alpha() == 255

    qtbot.waitUntil(has_picture, timeout=SHOWN_MS)
    qtbot.waitUntil(lambda: model.thumbnails.reason(recent[2]) != "", timeout=SHOWN_MS)
    pane = window.panes.active
    at = view.visualRect(model.index(1)).center()
    with qtbot.waitSignal(pane.opened, timeout=SHOWN_MS):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert pane.path == recent[1]


def test_the_sample_slide_opens(window: MainWindow, qtbot: QtBot) -> None:
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened, timeout=SHOWN_MS):
        qtbot.mouseClick(pane.page.start.sample_button, Qt.MouseButton.LeftButton)
    assert pane.path == sample_slide()


def begin(window: MainWindow, name: str, qtbot: QtBot) -> None:
    """Begin a tour by its card and wait for its first step."""
    card = window.panes.active.page.start.cards[name]
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert window.tours.bar.isVisible()
    qtbot.waitUntil(lambda: "step 1" in window.tours.bar.heading.text(), timeout=SHOWN_MS)
    qtbot.waitUntil(lambda: window.annotations.can_annotate, timeout=SHOWN_MS)
    rest(window, qtbot)


def wait_for(window: MainWindow, step: str, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: step in window.tours.bar.heading.text(), timeout=SHOWN_MS)


def test_the_tour_of_annotating_goes_on_once_each_step_is_done(
    window: MainWindow, qtbot: QtBot
) -> None:
    bar, canvas = window.tours.bar, window.panes.active.canvas
    begin(window, "annotate", qtbot)
    press(qtbot, window, Qt.Key.Key_2)
    assert "step 1 of 5" in bar.heading.text(), "this is less than it asks for"
    press(qtbot, window, Qt.Key.Key_5)
    wait_for(window, "step 2", qtbot)
    rest(window, qtbot)
    press(qtbot, window, Qt.Key.Key_R)
    wait_for(window, "step 3", qtbot)
    center = canvas.rect().center()
    drag(canvas, [center - QPoint(60, 60), center - QPoint(20, 20), center])
    wait_for(window, "step 4", qtbot)
    press(qtbot, window, Qt.Key.Key_2, CTRL)
    wait_for(window, "step 5", qtbot)
    press(qtbot, window, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: "That is all" in bar.text.text(), timeout=SHOWN_MS)
    assert window.tours.step is None
    assert bar.skip_button.isHidden()
    qtbot.mouseClick(bar.end_button, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()


def test_the_tour_of_recording_ends_in_the_replay(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(Settings(reader="ada", consent_utc="2026-01-01T00:00:00+00:00"))
    canvas = window.panes.active.canvas
    begin(window, "record", qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    wait_for(window, "step 2", qtbot)
    press(qtbot, window, Qt.Key.Key_5)
    wait_for(window, "step 3", qtbot)
    rest(window, qtbot)
    for _ in range(8):
        press(qtbot, window, Qt.Key.Key_Right)
    wait_for(window, "step 4", qtbot)
    rest(window, qtbot)
    assert window.focusWidget() is canvas, "the tour leaves the keyboard alone"
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    wait_for(window, "step 5", qtbot)
    notice = window.recording.saved.bar
    qtbot.waitUntil(notice.isVisible, timeout=SHOWN_MS)
    qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
    bar, mode_bar = window.tours.bar, window.panes.active.mode_bar
    qtbot.waitUntil(lambda: "That is all" in bar.text.text(), timeout=SHOWN_MS)
    qtbot.waitUntil(
        lambda: bar.y() > mode_bar.mapTo(window.frame, mode_bar.rect().bottomLeft()).y(),
        timeout=SHOWN_MS,
    )
    assert mode_bar.isVisible(), "the way out of the replay is not covered"


def test_the_tour_of_models_ends_with_the_model_off_again(window: MainWindow, qtbot: QtBot) -> None:
    bar, canvas = window.tours.bar, window.panes.active.canvas
    begin(window, "ai", qtbot)
    press(qtbot, window, Qt.Key.Key_6)
    wait_for(window, "step 2", qtbot)
    qtbot.mouseClick(window.frame.inspector.rail.button("ai"), Qt.MouseButton.LeftButton)
    wait_for(window, "step 3", qtbot)
    models = window.overlays.panel.models
    qtbot.waitUntil(lambda: models.count() > 0, timeout=SHOWN_MS)
    cells = next(each for each in models.models() if each.name == "Cells")
    card = models.card(cells.key)
    assert card is not None
    on_box = QPoint(8, card.switch.height() // 2)
    qtbot.mouseClick(card.switch, Qt.MouseButton.LeftButton, pos=on_box)
    wait_for(window, "step 4", qtbot)
    rest(window, qtbot)
    center = canvas.rect().center()
    drag(canvas, [center, center - QPoint(100, 0), center - QPoint(260, 0)])
    wait_for(window, "step 5", qtbot)
    qtbot.mouseClick(card.switch, Qt.MouseButton.LeftButton, pos=on_box)
    qtbot.waitUntil(lambda: "That is all" in bar.text.text(), timeout=SHOWN_MS)
    assert window.tours.step is None


def test_steps_and_tours_can_be_skipped(window: MainWindow, qtbot: QtBot) -> None:
    bar = window.tours.bar
    begin(window, "ai", qtbot)
    qtbot.mouseClick(bar.skip_button, Qt.MouseButton.LeftButton)
    wait_for(window, "step 2", qtbot)
    rail = window.frame.inspector.rail
    qtbot.mouseClick(rail.button("ai"), Qt.MouseButton.LeftButton)
    wait_for(window, "step 3", qtbot)
    qtbot.mouseClick(bar.end_button, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    assert window.tours.step is None
