"""A mitosis count in the real window: fields, one key, undo, the bar, the files and the log."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely
from cli_steps import invoke
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, open_dialog, press, rest, show_slide, type_over

from viewer.annotations.counting.frame import NO_PIXEL_SIZE
from viewer.annotations.counting.tally import FIELD, CountSummary, summary_of
from viewer.geometry import Optics, Point
from viewer.recording.events import AnnotationChanged, Counted
from viewer.settings import Settings
from viewer.ui.counting.counting_bar import CountingBar
from viewer.ui.counting.frame_dialog import FrameDialog
from viewer.ui.main_window import MainWindow

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def ready(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window whose slide can be annotated, at 10x."""
    qtbot.waitUntil(lambda: slide_window.annotations.can_annotate, timeout=20_000)
    slide_window.panes.active.canvas.set_magnification(10)
    rest(slide_window, qtbot)
    return slide_window


def count(window: MainWindow) -> CountSummary:
    active = window.annotations.active
    assert active is not None
    return summary_of(active.document)


def bar(window: MainWindow) -> CountingBar | None:
    bars = [each for each in window.findChildren(CountingBar) if each.isVisible()]
    return bars[0] if bars else None


def click(window: MainWindow, qtbot: QtBot, dx: int, dy: int) -> Point:
    canvas = window.panes.active.canvas
    at = canvas.rect().center() + QPoint(dx, dy)
    qtbot.mouseClick(canvas, LEFT, pos=at)
    return canvas.view.to_slide(Point(at.x(), at.y()))


def test_what_was_refused_is_no_longer_said_once_a_mark_counts(
    ready: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, ready, Qt.Key.Key_T)
    rest(ready, qtbot)
    ready.panes.active.canvas.set_magnification(2.5)
    rest(ready, qtbot)
    click(ready, qtbot, 0, 200)
    assert "Outside the counted fields" in ready.status.currentMessage()
    assert count(ready).counts.get("Mitosis", 0) == 0
    click(ready, qtbot, 0, 0)
    assert count(ready).counts == {"Mitosis": 1}
    assert not ready.status.currentMessage()


def test_the_bar_of_a_narrow_pane_ends_its_lines_with_an_ellipsis(
    ready: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, ready, Qt.Key.Key_T)
    rest(ready, qtbot)
    shown = bar(ready)
    assert shown is not None
    ready.resize(760, 600)
    for label in (shown.figures, shown.keys):
        qtbot.waitUntil(lambda label=label: label.shown_text.endswith("…"))
    assert "0.2375 mm²" in shown.figures.toolTip()
    assert "Backspace: take back" in shown.keys.toolTip()


def test_mitoses_are_counted_with_a_key_and_a_click_each(ready: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, ready, Qt.Key.Key_T)
    rest(ready, qtbot)
    shown = bar(ready)
    assert shown is not None
    places = [click(ready, qtbot, dx, 0) for dx in (-40, 0, 40)]
    summary = count(ready)
    assert summary.counts == {"Mitosis": 3}
    assert summary.area_mm2 == pytest.approx(0.2375)
    assert "Field 1, Mitosis: 3 in 0.2375 mm²" in shown.figures.text()
    active = ready.annotations.active
    assert active is not None
    marks = [each for each in active.document if each.class_name == "Mitosis"]
    for each, place in zip(marks, places, strict=True):
        assert each.geometry.distance(shapely.Point(place)) < 1e-6

    press(qtbot, ready, Qt.Key.Key_Z, CTRL)
    assert count(ready).counts == {"Mitosis": 2}
    assert "Mitosis: 2 in" in shown.figures.text()
    press(qtbot, ready, Qt.Key.Key_Y, CTRL)
    press(qtbot, ready, Qt.Key.Key_Backspace)
    assert count(ready).counts == {"Mitosis": 2}

    magnification = ready.panes.active.canvas.view.downsample
    press(qtbot, ready, Qt.Key.Key_2)  # a class while counting, not 1x
    canvas = ready.panes.active.canvas
    qtbot.mouseMove(canvas, canvas.rect().center() + QPoint(0, 60))
    press(qtbot, ready, Qt.Key.Key_T)
    assert count(ready).counts == {"Mitosis": 2, "Non-mitosis": 1}
    assert canvas.view.downsample == magnification

    press(qtbot, ready, Qt.Key.Key_Escape)
    assert bar(ready) is None
    assert not ready.commands["annotate.mitosis_count"].isChecked()
    assert len(count(ready).fields) == 1  # it stays marked
    QApplication.processEvents()
    press(qtbot, ready, Qt.Key.Key_2)
    rest(ready, qtbot)
    assert canvas.view.downsample != magnification


def test_a_drag_moves_the_slide_and_counts_nothing(ready: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, ready, Qt.Key.Key_T)
    rest(ready, qtbot)
    canvas = ready.panes.active.canvas
    before, at = canvas.view.center, canvas.rect().center()
    qtbot.mousePress(canvas, LEFT, pos=at)
    for step in (20, 60, 100):
        qtbot.mouseMove(canvas, at + QPoint(step, 0))
    qtbot.mouseRelease(canvas, LEFT, pos=at + QPoint(100, 0))
    rest(ready, qtbot)
    assert canvas.view.center.x < before.x
    assert count(ready).counts == {}


def test_in_a_turned_mirrored_view_with_oblong_pixels_area_and_place_are_right(
    ready: MainWindow, qtbot: QtBot
) -> None:
    canvas = ready.panes.active.canvas
    canvas.set_optics(Optics((0.4, 0.6), 20.0))
    canvas.rotate_by(90)
    canvas.flip_horizontally()
    rest(ready, qtbot)
    ready.commands["annotate.mitosis_count"].trigger()
    rest(ready, qtbot)
    canvas.setFocus()
    place = click(ready, qtbot, 30, -20)
    (field,) = count(ready).fields
    assert field.area_mm2 == pytest.approx(0.2375)
    x0, y0, x1, y1 = field.field.geometry.bounds
    assert (x1 - x0) * 0.4 == pytest.approx((y1 - y0) * 0.6)
    assert field.counts == {"Mitosis": 1}
    active = ready.annotations.active
    assert active is not None
    (mark,) = [each for each in active.document if each.class_name == "Mitosis"]
    assert isinstance(mark.geometry, shapely.Point)
    assert (mark.geometry.x, mark.geometry.y) == pytest.approx(tuple(place))


def test_fields_follow_one_another_and_outside_of_them_nothing_counts(
    ready: MainWindow, qtbot: QtBot
) -> None:
    ready.commands["annotate.counting_frame"].trigger()
    dialog = open_dialog(ready, FrameDialog, qtbot)
    assert isinstance(dialog, FrameDialog)
    dialog.area.setEditText("nonsense")
    assert not dialog.start.isEnabled()
    type_over(dialog.area, "0.2", qtbot)
    frame = dialog.frame
    assert frame is not None
    assert frame.area_mm2 == 0.2  # not completed to one of the list, 0.2375
    dialog.area.setEditText("0,05 mm²")
    dialog.start.click()
    qtbot.waitUntil(lambda: bar(ready) is not None)
    rest(ready, qtbot)
    ready.activateWindow()
    canvas = ready.panes.active.canvas
    canvas.setFocus()
    click(ready, qtbot, 0, 0)
    click(ready, qtbot, 0, canvas.height() // 2 - 20)
    assert count(ready).counts == {"Mitosis": 1}
    assert "Outside the counted fields" in ready.status.currentMessage()
    canvas.go_to(Point(canvas.view.center.x, canvas.view.center.y + 300))
    rest(ready, qtbot)
    press(qtbot, ready, Qt.Key.Key_Return)
    summary = count(ready)
    assert [each.field.name for each in summary.fields] == ["Field 1", "Field 2"]
    assert 0.05 < summary.area_mm2 < 0.1
    shown = bar(ready)
    assert shown is not None
    assert "overlap counted once" in shown.figures.text()
    assert ready.settings.counting_area_mm2 == 0.05
    press(qtbot, ready, Qt.Key.Key_Z, CTRL)
    assert len(count(ready).fields) == 1


def test_the_count_is_written_as_csv_and_geojson(
    ready: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    ready.commands["annotate.export_counts"].trigger()
    assert "Nothing is counted" in ready.status.currentMessage()
    press(qtbot, ready, Qt.Key.Key_T)
    rest(ready, qtbot)
    click(ready, qtbot, 0, 0)
    for name in ("counts.csv", "counts.geojson"):
        ready.commands["annotate.export_counts"].trigger()
        dialog = open_dialog(ready, QFileDialog, qtbot)
        assert isinstance(dialog, QFileDialog)
        path = tmp_path / name
        dialog.selectFile(str(path))
        dialog.fileSelected.emit(str(path))
        dialog.close()
        qtbot.waitUntil(path.exists, timeout=20_000)
        qtbot.waitUntil(lambda: "Wrote" in ready.status.currentMessage(), timeout=20_000)
    rows = list(csv.DictReader((tmp_path / "counts.csv").open(encoding="utf-8")))
    assert [row["Mitosis"] for row in rows] == ["1", "1"]
    assert rows[0]["Area mm2"] == "0.2375"
    assert FIELD.name in (tmp_path / "counts.geojson").read_text()


def test_without_a_pixel_size_it_says_so_and_draws_nothing(ready: MainWindow, qtbot: QtBot) -> None:
    pane = ready.panes.active
    pane.canvas.set_optics(Optics(None, 20.0))
    press(qtbot, ready, Qt.Key.Key_T)
    assert pane.bars.scale_hint.isVisible()
    assert pane.bars.scale_hint.sentence.text() == NO_PIXEL_SIZE
    assert bar(ready) is None
    assert not ready.commands["annotate.mitosis_count"].isChecked()
    assert count(ready).fields == ()


def test_a_count_is_logged_and_there_again_when_the_slide_is(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.can_annotate, timeout=20_000)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    control = window.recording.control
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)
    recording = control.recording_of(window.panes.active)
    assert recording is not None
    press(qtbot, window, Qt.Key.Key_T)
    rest(window, qtbot)
    click(window, qtbot, 0, 0)
    press(qtbot, window, Qt.Key.Key_Z, CTRL)
    press(qtbot, window, Qt.Key.Key_Y, CTRL)
    folder = recording.recorder.folder
    window.close()
    events = [line.event for line in read_lines(folder)]
    counted = [each for each in events if isinstance(each, Counted)]
    assert [each.number for each in counted] == [0, 0, 1, 0, 1]
    assert counted[-1] == Counted(1, 0.2375, 1, "Mitosis")
    assert sum(isinstance(each, AnnotationChanged) for each in events) == 4

    again = make_window(AGREED)
    show_slide(again, sample_slide, qtbot)
    qtbot.waitUntil(lambda: again.annotations.can_annotate, timeout=20_000)
    assert count(again).counts == {"Mitosis": 1}
    assert count(again).area_mm2 == pytest.approx(0.2375)
    again.close()

    shown = invoke(["annotations", "counts", str(sample_slide), "--json"])
    assert shown.exit_code == 0
    rows = json.loads(shown.stdout)
    assert [row["Field"] for row in rows] == ["Field 1", "Total"]
    assert [row["Mitosis"] for row in rows] == [1, 1]
    other = invoke(["annotations", "counts", str(sample_slide), "--reader", "x"])
    assert other.exit_code == 1
    assert "Nothing was counted" in other.stderr
