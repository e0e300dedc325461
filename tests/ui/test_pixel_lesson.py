"""A pixel classifier taught in the window by strokes, in a real model process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, press, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding, changing, removing
from viewer.inference.models.model_library import find_model, models_folder
from viewer.recording.events import PixelsTaught
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.teaching import pixels_controller
from viewer.ui.teaching.pixels_controller import PixelsController

_SIDE_PX = 900
_PATIENCE_MS = 60_000
VIOLET, PINK = AnnotationClass("Violet", "#7030a0"), AnnotationClass("Pink", "#e08ab0")


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """450 µm: violet tissue at the left, pink at the right."""
    noise = np.random.default_rng(0).integers(-8, 9, (_SIDE_PX, _SIDE_PX, 3))
    pixels = np.empty((_SIDE_PX, _SIDE_PX, 3), np.int16)
    pixels[:, : _SIDE_PX // 2], pixels[:, _SIDE_PX // 2 :] = (120, 60, 150), (230, 140, 180)
    path = tmp_path_factory.mktemp("halves") / "halves.ome.tif"
    scale = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    data = (pixels + noise).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(path, data, tile=(128, 128), metadata={"axes": "YXS", **scale}, ome=True)
    return path


def stroke(window: MainWindow, kind: AnnotationClass, x: float, y: float) -> None:
    active = window.annotations.active
    assert active is not None
    area = shapely.LineString([(x, y), (x + 60, y + 30)]).buffer(8)
    assert active.do(adding("Brush", [Annotation(area, shown_as=kind)]))


def taught(window: MainWindow, qtbot: QtBot) -> PixelsController:
    """Begin to teach from the page AI."""
    panel = window.overlays.panel
    panel.show()
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=_PATIENCE_MS)
    qtbot.waitUntil(panel.teach_pixels.isVisible)
    panel.teach_pixels.click()
    assert window.pixels.page.isVisible()
    return window.pixels


def wait_for_answer(pixels: PixelsController, qtbot: QtBot) -> dict[str, float]:
    """Wait until all blocks in view are answered, and return the shares of the classes."""

    def is_known() -> bool:
        found, pane = pixels.live.map, pixels.live.pane
        if found is None or pane is None:
            return False
        seen = pane.canvas.view.box.intersection(pane.canvas.slide_box)
        return set(found.grid.covering(seen)) <= set(found.blocks)

    qtbot.waitUntil(is_known, timeout=_PATIENCE_MS)
    found, pane = pixels.live.map, pixels.live.pane
    assert found is not None
    assert pane is not None
    return found.shares(pane.canvas.slide_box)


def test_strokes_teach_in_the_field_and_undo_takes_their_effect_back(
    make_window: Callable[[Settings], MainWindow], halves: Path, qtbot: QtBot
) -> None:
    window = make_window(Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00"))
    show_slide(window, halves, qtbot)
    pixels = taught(window, qtbot)
    page, pane, control = pixels.page, window.panes.active, window.recording.control
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: control.recording_of(pane) is not None, timeout=_PATIENCE_MS)
    recording = control.recording_of(pane)
    assert recording is not None
    stroke(window, VIOLET, 60, 200)
    qtbot.waitUntil(lambda: 'of the class "Violet"' in page.problem.text(), timeout=_PATIENCE_MS)
    assert pixels.live.map is None
    started_s = time.monotonic()
    stroke(window, PINK, 700, 300)
    shares = wait_for_answer(pixels, qtbot)
    print("ANSWERED", time.monotonic() - started_s)
    assert abs(shares["Violet"] - 0.5) < 0.15
    assert page.strokes.text() == "Violet 1, Pink 1"
    assert "In view:" in page.answers.text()
    assert not page.problem.isVisible()
    qtbot.waitUntil(lambda: "not enough" in page.estimate.text(), timeout=_PATIENCE_MS)
    window.commands["edit.undo"].trigger()
    qtbot.waitUntil(lambda: pixels.live.map is None, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: 'of the class "Violet"' in page.problem.text(), timeout=_PATIENCE_MS)
    window.commands["edit.redo"].trigger()
    assert wait_for_answer(pixels, qtbot) == shares
    window.close()
    events = [line.event for line in read_lines(recording.recorder.folder)]
    logged = [each for each in events if isinstance(each, PixelsTaught)]
    assert logged
    assert (logged[0].strokes, logged[0].classes, logged[0].error) == (2, 2, None)
    assert sum(logged[0].shares) == pytest.approx(1, abs=1e-3)


def test_marks_of_very_many_annotations_are_gathered_in_a_thread(
    window: MainWindow, halves: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels_controller, "_MOST_AT_ONCE", 1)
    show_slide(window, halves, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=_PATIENCE_MS)
    stroke(window, VIOLET, 60, 200)
    stroke(window, PINK, 700, 300)
    pixels = taught(window, qtbot)
    stroke(window, PINK, 700, 500)  # while the others are gathered
    assert pixels.live.map is None
    wait_for_answer(pixels, qtbot)
    assert pixels.page.strokes.text() == "Violet 1, Pink 2"
    active = window.annotations.active
    assert active is not None
    assert active.do(removing("Delete", list(active.document)))  # more than are followed one by one
    qtbot.waitUntil(lambda: pixels.live.map is None, timeout=_PATIENCE_MS)
    assert pixels.page.strokes.text() != "Violet 1, Pink 2"


def test_what_was_taught_becomes_areas_and_a_model(
    window: MainWindow, halves: Path, qtbot: QtBot
) -> None:
    show_slide(window, halves, qtbot)
    pixels = taught(window, qtbot)
    stroke(window, VIOLET, 60, 200)
    stroke(window, PINK, 700, 300)
    wait_for_answer(pixels, qtbot)
    pixels.page.least_um2.setValue(1000)
    pixels.page.areas.click()
    sets = window.annotations.sets_of(window.panes.active)
    assert sets is not None

    def made() -> list[Annotation]:
        held = [each.annotations for each in sets.entries if each.annotations is not None]
        return [a for each in held for a in each.document if a.is_locked]

    qtbot.waitUntil(lambda: len(made()) == 2, timeout=_PATIENCE_MS)
    assert {each.class_name for each in made()} == {"Violet", "Pink"}
    assert all(each.geometry.area > 300_000 for each in made())
    pixels.page.name.setText("Halves")
    models = models_folder()
    models.rename(models.with_name("away"))
    models.touch()
    pixels.page.save.click()
    banner = window.banner
    qtbot.waitUntil(lambda: "not saved" in banner.sentence.text(), timeout=_PATIENCE_MS)
    assert f"Nothing can be written into {models}" in banner.sentence.text()
    assert pixels.is_teaching
    models.unlink()
    models.with_name("away").rename(models)
    pixels.page.save.click()
    qtbot.waitUntil(lambda: not pixels.is_teaching, timeout=_PATIENCE_MS)
    bundle = find_model("Halves")
    assert bundle.description.teaching is not None
    assert bundle.description.teaching.marks == {"Violet": 1, "Pink": 1}
    qtbot.waitUntil(lambda: window.overlays.active is not None, timeout=_PATIENCE_MS)
    assert window.overlays.active is not None
    assert window.overlays.active.origin.name == "Halves"


def test_contradicting_and_locked_strokes(window: MainWindow, halves: Path, qtbot: QtBot) -> None:
    show_slide(window, halves, qtbot)
    pixels = taught(window, qtbot)
    page = pixels.page
    stroke(window, VIOLET, 60, 200)
    stroke(window, PINK, 60, 200)
    qtbot.waitUntil(lambda: "same place is marked" in page.problem.text(), timeout=_PATIENCE_MS)
    assert pixels.live.map is None
    active = window.annotations.active
    assert active is not None
    from dataclasses import replace

    pink = next(each for each in active.document if each.class_name == "Pink")
    active.do(changing("Lock", [(pink, replace(pink, is_locked=True))]))
    qtbot.waitUntil(lambda: 'of the class "Violet"' in page.problem.text(), timeout=_PATIENCE_MS)
    window.overlays.hidden_by = lambda _: "Models are hidden until you finish."
    stroke(window, PINK, 700, 300)
    assert page.problem.text() == "Models are hidden until you finish."
    assert pixels.live.pane is None
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: "Open a slide" in page.problem.text(), timeout=_PATIENCE_MS)
    page.end.click()
    assert not page.isVisible()
