"""Classes of cells are taught in the real window: marks, live answers, undo, and a saved model."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QInputDialog
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from stained_slides import EVERY_PX, write_stained_slide
from ui_steps import CTRL, open_dialog, overlay_run, press, show_slide

from viewer.annotations.document import Document
from viewer.geometry import Point
from viewer.inference.models.bundle import ModelBundle
from viewer.inference.teaching.cell_marks import is_cell_mark
from viewer.inference.teaching.taught_objects import CHANCE
from viewer.overlays.object_map import ObjectMap
from viewer.recording.events import CellMarked, CellsTaught
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.teaching.cells_page import CellsPage

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")
LEFT = Qt.MouseButton.LeftButton
_PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def stained_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 µm of dark and pale nuclei on a lattice of ten by ten, every other one pale."""
    path = tmp_path_factory.mktemp("stained") / "stained.ome.tif"
    return write_stained_slide(path, (60, 50, 120), (140, 110, 180))


def found(window: MainWindow) -> ObjectMap:
    held = overlay_run(window).found
    assert isinstance(held, ObjectMap)
    return held


def begin(window: MainWindow, slide: Path, qtbot: QtBot) -> CellsPage:
    """Turn Cells on at 20x and begin to teach on its card."""
    show_slide(window, slide, qtbot)
    panel = window.overlays.panel
    qtbot.waitUntil(lambda: panel.models.count() > 0)
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    panel.show()
    window.panes.active.canvas.set_magnification(20.0)
    card = panel.models.named("Cells")
    card.switch.click()
    qtbot.waitUntil(lambda: found(window).count == 100, timeout=_PATIENCE_MS)
    page = window.teaching.page(card.source.key)
    page.teach.click()
    qtbot.waitUntil(lambda: found(window).count == 100, timeout=_PATIENCE_MS)
    return page


def place(window: MainWindow, number: int) -> QPoint:
    """Return where a nucleus is on the canvas."""
    y, x = ((each + 0.5) * EVERY_PX for each in divmod(number, 10))
    at = window.panes.active.canvas.view.to_screen(Point(x, y))
    return QPoint(round(at.x), round(at.y))


def mark(window: MainWindow, qtbot: QtBot, *numbers: int) -> None:
    canvas = window.panes.active.canvas
    for number in numbers:
        qtbot.mouseClick(canvas, LEFT, pos=place(window, number))
        qtbot.wait(QApplication.doubleClickInterval() // 40)


def told(window: MainWindow) -> dict[str, int]:
    names = [name for name, _ in overlay_run(window).origin.colors]
    return dict(zip(names, found(window).counts(len(names)), strict=True))


def marks(window: MainWindow) -> list[str]:
    active = window.annotations.active
    assert active is not None
    return [each.class_name for each in active.document if is_cell_mark(each)]


def test_cells_are_taught_undone_and_saved(
    window: MainWindow, stained_slide: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    page = begin(window, stained_slide, qtbot)
    pane = window.panes.active
    assert pane.modes.names == ["Teach cells"]
    assert "Digits choose the class" in pane.mode_bar.sentence.text()
    before = found(window).all_objects().classes.tolist()
    mark(window, qtbot, 0, 2, 4)
    assert marks(window) == ["Tumor"] * 3
    qtbot.waitUntil(lambda: "two classes" in page.problem.text())
    # One class alone is no map of one color.
    assert found(window).all_objects().classes.tolist() == before

    press(qtbot, window, Qt.Key.Key_2)
    mark(window, qtbot, 1, 3, 5)
    qtbot.waitUntil(
        lambda: told(window) == {"Tumor": 50, "Stroma": 50, "Not classified yet": 0},
        timeout=_PATIENCE_MS,
    )
    assert "not enough to estimate" in page.estimate.text()
    assert "3 marks" in page._radios[0].text()
    assert CHANCE in found(window).all_objects().measurements
    qtbot.waitUntil(lambda: page.gallery.count() > 0, timeout=_PATIENCE_MS)

    # A mark of another class on the same cell takes the place of the first; undo brings it back.
    # No mark makes the window go through all annotations.
    walks: list[Document] = []
    walk = Document.__iter__
    with monkeypatch.context() as patch:
        patch.setattr(Document, "__iter__", lambda held: (walks.append(held), walk(held))[1])
        mark(window, qtbot, 0)
    assert walks == []
    assert sorted(marks(window)) == ["Stroma"] * 4 + ["Tumor"] * 2
    page.undo.click()
    assert sorted(marks(window)) == ["Stroma"] * 3 + ["Tumor"] * 3
    for _ in range(3):
        page.undo.click()
    assert marks(window) == ["Tumor"] * 3
    qtbot.waitUntil(lambda: "Stroma" not in told(window), timeout=_PATIENCE_MS)
    assert found(window).all_objects().classes.tolist() == before
    window.commands["edit.redo"].trigger()
    qtbot.waitUntil(lambda: told(window).get("Stroma") == 50, timeout=_PATIENCE_MS)

    # The model that is saved tells the same classes, and is on.
    page.save.click()
    dialog = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    dialog.setTextValue("Dark or pale")
    dialog.accept()
    qtbot.waitUntil(
        lambda: "Dark or pale" in [each.name for each in window.overlays.bundles],
        timeout=_PATIENCE_MS,
    )
    saved = next(each for each in window.overlays.bundles if each.name == "Dark or pale")
    assert saved.description.teaching is not None
    assert saved.description.teaching.marks == {"Tumor": 3, "Stroma": 1}
    assert pane.modes.names == []

    def of_saved() -> ObjectMap | None:
        runs = [r for r in window.overlays.all_of(pane) if r.listed_as == saved.key]
        return runs[0].found if runs and isinstance(runs[0].found, ObjectMap) else None

    qtbot.waitUntil(
        lambda: (held := of_saved()) is not None and held.counts(2) == [50, 50],
        timeout=_PATIENCE_MS,
    )
    assert isinstance(saved, ModelBundle)


def test_strokes_galleries_and_the_log(make_window, stained_slide: Path, qtbot: QtBot) -> None:
    window = make_window(AGREED)
    page = begin(window, stained_slide, qtbot)
    canvas = window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    control = window.recording.control
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)
    recording = control.recording_of(window.panes.active)
    assert recording is not None
    folder = recording.recorder.folder
    # A stroke marks all cells that it crosses.
    qtbot.mousePress(canvas, LEFT, pos=place(window, 10))
    for number in (11, 12, 13):
        qtbot.mouseMove(canvas, place(window, number))
    qtbot.mouseRelease(canvas, LEFT, pos=place(window, 13))
    assert marks(window) == ["Tumor"] * 4
    press(qtbot, window, Qt.Key.Key_3)
    mark(window, qtbot, 11, 13)
    assert sorted(marks(window)) == ["Immune cells"] * 2 + ["Tumor"] * 2
    qtbot.waitUntil(lambda: told(window).get("Immune cells") == 50, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: page.gallery.count() > 0, timeout=_PATIENCE_MS)
    # In the gallery a digit marks the chosen cell, and the next is chosen.
    page.gallery.setFocus()
    page.gallery.setCurrentRow(0)
    qtbot.keyClick(page.gallery, Qt.Key.Key_1)
    assert sorted(marks(window)) == ["Immune cells"] * 2 + ["Tumor"] * 3
    assert page.gallery.currentRow() in (0, 1)  # the gallery may have been made anew
    # Another tool ends the mode, and what the model finds is shown as it was.
    window.toolbox.choose("move")
    assert not window.teaching.is_teaching
    assert not page.teach.isChecked()
    qtbot.waitUntil(lambda: "Tumor" not in told(window), timeout=_PATIENCE_MS)
    assert len(marks(window)) == 5
    window.close()
    events = [line.event for line in read_lines(folder)]
    logged = [each for each in events if isinstance(each, CellMarked)]
    assert [each.change for each in logged].count("made") == 7
    assert [each.change for each in logged].count("removed") == 2
    taught = [each for each in events if isinstance(each, CellsTaught)]
    assert (taught[-1].classes, taught[-1].error) == (2, None)
