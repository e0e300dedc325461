"""Channels, focus and time in the window: panel, keys, wheel, what is kept and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from test_recording import AGREED, ended_session
from ui_steps import ALT, CTRL, SHIFT, press, rest, show_slide

from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.qupath_writing import qupath_text
from viewer.annotations.planes import plane_of
from viewer.folders import data_folder
from viewer.recording.analysis import analyze
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.slides.channels import ImagePlane
from viewer.ui.main_window import MainWindow

NAMES = ["DAPI", "FITC", "Cy5"]
PLANES, TIMES = 3, 2
FRAMES = 4
"""That look the same, before a color counts: what was shown before fades."""


def stack(path: Path, names: list[str], planes: int = PLANES, times: int = TIMES) -> Path:
    """A bright square in each channel, plane and time point, of values of its own."""
    values = np.zeros((times, planes, len(names), 400, 600), np.uint16)
    for t, z, c in np.ndindex(values.shape[:3]):
        values[t, z, c, 100:300, 100:500] = 100 * (c + 1) + 10 * z + t
        values[t, z, c, :20, :20] = 1000
    about = {"axes": "TZCYX", "Channel": {"Name": names}}
    tifffile.imwrite(path, values, photometric="minisblack", tile=(256, 256), metadata=about)
    return path


@pytest.fixture
def stack_window(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    show_slide(window, stack(tmp_path / "a.ome.tif", NAMES), qtbot)
    window.frame.inspector.show()
    window.display.show()
    window.panes.active.focus()
    return window


def shown(window: MainWindow) -> list[bool]:
    return [display.shown for display in window.panes.active.canvas.look.channels]


def middle(window: MainWindow, qtbot: QtBot) -> tuple[int, int, int]:
    """The color on screen in the middle of the slide, once it is sharp and changes no more."""
    canvas = window.panes.active.canvas
    colors: list[tuple[int, int, int]] = []

    def has_come() -> bool:
        image = canvas.grab().toImage()
        color = image.pixelColor(image.width() // 2, image.height() // 2)
        colors.append((color.red(), color.green(), color.blue()))
        if not canvas.is_sharp:
            colors.clear()
        return len(colors) >= FRAMES and len(set(colors[-FRAMES:])) == 1

    qtbot.waitUntil(has_come)
    return colors[-1]


def turn_wheel(window: MainWindow, notches: int, *, sideways: bool = False) -> None:
    canvas = window.panes.active.canvas
    at = QPointF(canvas.rect().center())
    turned = QPoint(120 * notches, 0) if sideways else QPoint(0, 120 * notches)
    QApplication.sendEvent(
        canvas,
        QWheelEvent(
            at, canvas.mapToGlobal(at), QPoint(), turned, Qt.MouseButton.NoButton, SHIFT,
            Qt.ScrollPhase.NoScrollPhase, False,
        ),
    )  # fmt: skip


def test_one_channel_alone_and_all_by_key(stack_window: MainWindow, qtbot: QtBot) -> None:
    window = stack_window
    assert shown(window) == [True] * 3
    press(qtbot, window, Qt.Key.Key_2, ALT)
    assert shown(window) == [False, True, False]
    red, green, blue = middle(window, qtbot)
    assert (red, blue) == (0, 0)
    assert green == pytest.approx(255 * 200 / 1000, abs=1)
    assert window.status.currentMessage() == "Shown: FITC."
    assert "1 of 3 channels" in window.status.display.text()
    press(qtbot, window, Qt.Key.Key_2, ALT)
    assert shown(window) == [True] * 3
    for stain in ("stain.none", "stain.eosin"):
        assert not window.commands[stain].isEnabled()
    assert "channels" in window.commands.reason("stain.eosin")
    assert "RGB" not in window.commands.reason("channel.only_4")
    row = window.display.channels.list.topLevelItem(0)
    assert row is not None
    row.setCheckState(0, Qt.CheckState.Unchecked)
    assert shown(window) == [False, True, True]
    press(qtbot, window, Qt.Key.Key_0, ALT)
    assert shown(window) == [True] * 3
    assert window.status.currentMessage() == "All channels are shown."


def test_range_contrast_and_gamma_are_kept_for_the_slide_and_by_name(
    stack_window: MainWindow, make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    window, box = stack_window, stack_window.display.channels
    press(qtbot, window, Qt.Key.Key_1, ALT)
    assert middle(window, qtbot)[2] == pytest.approx(26, abs=1)
    box.high.setValue(200)
    assert middle(window, qtbot)[2] == pytest.approx(128, abs=1)
    box.gamma.box.setValue(2.0)
    assert middle(window, qtbot)[2] == pytest.approx(255 * 0.5**0.5, abs=1)
    box.gamma.box.setValue(1.0)
    box.auto_button.click()
    qtbot.waitUntil(lambda: box.high.value() == 1000)
    assert "Auto contrast: 1 channel stretched" in window.status.currentMessage()
    box.high.setValue(500)
    window.close()
    again = make_window()
    show_slide(again, tmp_path / "a.ome.tif", qtbot)
    qtbot.waitUntil(lambda: shown(again) == [True, False, False])
    assert again.panes.active.canvas.look.channels[0].high == 500
    show_slide(again, stack(tmp_path / "b.ome.tif", ["Cy3", "DAPI"], 1, 1), qtbot)
    cy3, dapi = again.panes.active.canvas.look.channels
    assert (dapi.high, dapi.color) == (500, (0, 0, 255))
    assert (cy3.high, cy3.shown) == (1000, True)


def test_focus_by_wheel_keys_and_slider(stack_window: MainWindow, qtbot: QtBot) -> None:
    window, canvas = stack_window, stack_window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_1, ALT)
    assert middle(window, qtbot)[2] == round(255 * 100 / 1000)
    turn_wheel(window, 1)
    assert canvas.plane == ImagePlane(1)
    assert middle(window, qtbot)[2] == round(255 * 110 / 1000)
    assert "plane 2 of 3" in window.status.display.text()
    turn_wheel(window, 1, sideways=True)
    assert canvas.plane == ImagePlane(2)
    turn_wheel(window, 1)
    assert "top" in window.status.currentMessage()
    press(qtbot, window, Qt.Key.Key_Down, CTRL)
    assert canvas.plane == ImagePlane(1)
    assert canvas.shows_all  # nothing zoomed
    planes = window.display.planes
    planes.focus.slider.setValue(1)
    assert canvas.plane == ImagePlane(0)
    window.commands["focus.projection"].trigger()
    assert planes.projection.isChecked()
    assert middle(window, qtbot)[2] == round(255 * 120 / 1000)
    assert "maximum of 3 planes" in window.status.display.text()


def test_time_by_slider_and_playing(stack_window: MainWindow, qtbot: QtBot) -> None:
    window, canvas = stack_window, stack_window.panes.active.canvas
    window.display.planes.time.slider.setValue(2)
    assert canvas.plane == ImagePlane(0, 1)
    assert "time 2 of 2" in window.status.display.text()
    window.display.planes.play.click()
    qtbot.waitUntil(lambda: canvas.plane.t == 0)
    qtbot.waitUntil(lambda: canvas.plane.t == 1)
    assert window.commands["time.play"].isChecked()
    window.commands["time.play"].trigger()
    assert not window.display.planes.play.isChecked()


def test_many_channels_are_found_by_name(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    names = [f"CD{number}" for number in range(1, 44)]
    show_slide(window, stack(tmp_path / "a.ome.tif", names, 1, 1), qtbot)
    window.display.show()
    box = window.display.channels
    assert "4 of 43 channels" in window.status.display.text()
    box.filter.setText("cd4")
    rows = [box.list.topLevelItem(index) for index in range(43)]
    left = [row.text(0) for row in rows if row is not None and not row.isHidden()]
    assert left == ["CD4", "CD40", "CD41", "CD42", "CD43"]
    box.all_button.click()
    assert sum(shown(window)) == 5
    assert not window.display.planes.isVisible()
    turn_wheel(window, 1)
    assert window.status.currentMessage() == "This slide has one focal plane."


def test_the_range_of_a_slide_of_floats_does_not_go_to_the_next(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    """The box of the range shows whole numbers again: it rounded 0.9 of the slide before."""
    ramp = np.tile(np.arange(512), (384, 1))
    tifffile.imwrite(tmp_path / "float.tif", (ramp / 560).astype(np.float32), tile=(128, 128))
    tifffile.imwrite(tmp_path / "gray.tif", (ramp * 8).astype(np.uint16), tile=(128, 128))
    window.frame.inspector.show()
    window.display.show()
    show_slide(window, tmp_path / "float.tif", qtbot)
    show_slide(window, tmp_path / "gray.tif", qtbot)
    (display,) = window.panes.active.canvas.look.channels
    assert (display.low, display.high) == (0, 511 * 8)
    assert middle(window, qtbot)[0] == pytest.approx(127, abs=3)
    assert not list((data_folder() / "display").glob("*.json"))


def test_rgb_has_no_channel_panel(slide_window: MainWindow) -> None:
    slide_window.display.show()
    assert not slide_window.display.channels.isVisible()
    assert slide_window.display.brightness.slider.isVisible()
    assert not slide_window.commands["channel.all"].isEnabled()
    assert "RGB" in slide_window.commands.reason("channel.all")


def test_a_session_knows_what_was_shown_and_a_replay_shows_it(
    make_window: Callable[..., MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, stack(tmp_path / "a.ome.tif", NAMES), qtbot)
    canvas = window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    recording = window.recording.control.recording_of
    qtbot.waitUntil(lambda: recording(window.panes.active) is not None)
    press(qtbot, window, Qt.Key.Key_Up, CTRL)
    press(qtbot, window, Qt.Key.Key_3, ALT)
    window.commands["time.next"].trigger()
    window.commands["view.zoom_in"].trigger()
    rest(window, qtbot)
    folder = ended_session(window, qtbot)
    assert read_header(folder).schema_version == 2
    trace = load_trace(folder)
    assert [(seen.plane, seen.channels) for seen in trace.planes] == [
        (ImagePlane(0, 0), tuple(NAMES)),
        (ImagePlane(1, 0), tuple(NAMES)),
        (ImagePlane(1, 0), ("Cy5",)),
        (ImagePlane(1, 1), ("Cy5",)),
    ]
    canvas.set_plane(ImagePlane(2, 0))
    press(qtbot, window, Qt.Key.Key_0, ALT)
    replayer = window.recording.panels.replay._replayer
    replayer.load(analyze(folder), window.panes.active)
    replayer.seek(trace.end_s[-1])
    assert canvas.plane == ImagePlane(1, 1)
    assert shown(window) == [False, False, True]
    replayer.seek(0.0)
    assert canvas.plane == ImagePlane(0, 0)
    assert shown(window) == [True] * 3
    replayer.unload()
    assert canvas.plane == ImagePlane(2, 0)


def test_annotations_and_bookmarks_keep_their_plane(
    stack_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, canvas = stack_window, stack_window.panes.active.canvas
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    window.commands["annotate.whole_slide"].trigger()
    canvas.set_plane(ImagePlane(2, 1))
    window.commands["annotate.bookmark"].trigger()
    active = window.annotations.active
    assert active is not None
    whole, mark = active.document
    assert plane_of(whole) == ImagePlane(0, 0)
    assert plane_of(mark) == ImagePlane(2, 1)
    path = tmp_path / "a.geojson"
    path.write_text(qupath_text([whole, mark]))
    features = json.loads(path.read_text())["features"]
    assert features[1]["geometry"]["plane"] == {"c": -1, "z": 2, "t": 1}
    assert "plane" not in features[0]["geometry"]
    assert [plane_of(each) for each in read_annotations(path, [])] == [
        ImagePlane(0, 0),
        ImagePlane(2, 1),
    ]
    canvas.set_plane(ImagePlane(1, 0))
    active.travel([mark])
    assert canvas.plane == ImagePlane(2, 1)


def test_slides_combined_in_the_window_and_split(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    paths = [stack(tmp_path / "a.ome.tif", ["DAPI"]), stack(tmp_path / "b.ome.tif", ["Cy5"])]
    with qtbot.waitSignal(window.panes.active.opened):
        window.open_as_channels(paths)
    first = window.panes.active
    assert first.source is not None
    names = [channel.name for channel in first.source.info.axes.channels]
    assert names == ["a", "b"]
    assert "Combined as channels: a.ome.tif, b.ome.tif." in first.bars.slide_notes.sentence.text()
    first.canvas.set_plane(ImagePlane(1, 1))
    window.commands["panes.add"].trigger()
    second = window.panes.panes[-1]
    assert second is not first
    qtbot.waitUntil(lambda: second.source is not None)
    assert second.source is not None
    assert len(second.source.info.axes.channels) == 2
    assert second.canvas.plane == ImagePlane(1, 1)
