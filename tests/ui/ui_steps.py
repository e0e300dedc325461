"""What a user does in a window, as the tests do it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QProgressDialog,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot
from session_lines import read_lines

from viewer.annotations.document import Document
from viewer.canvas.canvas import SlideCanvas
from viewer.recording.events import Viewport
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.settings_pages import HeatmapPage

NO_MODIFIER = Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
ALT = Qt.KeyboardModifier.AltModifier
Dialog = TypeVar("Dialog", bound=QDialog)
_SETTLED_FRAMES = 20
"""A fifth of a second and more, by pytest-qt's steps."""


def show_slide(window: MainWindow, path: Path, qtbot: QtBot) -> None:
    """Opens a slide in the active pane and waits until it is sharp."""
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([path])
    qtbot.waitUntil(lambda: pane.canvas.is_sharp, timeout=20_000)


def rest(window: MainWindow, qtbot: QtBot) -> None:
    """Waits until no canvas moves any more."""
    qtbot.waitUntil(lambda: not any(pane.canvas.is_moving for pane in window.panes.panes))


def stay(window: MainWindow, qtbot: QtBot, seconds: float) -> None:
    """Look at what is shown until the recording has counted so much more."""
    control = window.recording.control
    until_s = control.elapsed_s + seconds
    qtbot.waitUntil(lambda: control.elapsed_s >= until_s)


def record_rest(window: MainWindow, qtbot: QtBot) -> None:
    """Wait until the log says that what the active pane shows is at rest."""
    recording = window.recording.control.recording_of(window.panes.active)
    assert recording is not None
    folder, center = recording.recorder.folder, window.panes.active.canvas.view.center

    def is_written() -> bool:
        views = [line.event for line in read_lines(folder) if isinstance(line.event, Viewport)]
        if not views or not views[-1].at_rest:
            return False
        x, y = (views[-1].x + views[-1].width / 2, views[-1].y + views[-1].height / 2)
        return abs(x - center.x) < 1 and abs(y - center.y) < 1

    qtbot.waitUntil(is_written)


def back_to_slide(window: MainWindow, qtbot: QtBot) -> None:
    """Put the keyboard back on the slide: without a desktop nothing does so after a dialog."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.panes.active.focus()


def active_annotations(window: MainWindow) -> PaneAnnotations:
    """Return what is drawn on the slide in the active pane."""
    active = window.annotations.active
    assert active is not None
    return active


def opened_annotations(window: MainWindow, qtbot: QtBot) -> PaneAnnotations:
    """Wait until the annotations of the slide in the active pane are read, and return them."""
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    return active_annotations(window)


def overlay_run(window: MainWindow) -> OverlayRun:
    """Return the only overlay of the active pane, which is a run of a model."""
    (run,) = window.overlays.all_of(window.panes.active)
    assert isinstance(run, OverlayRun)
    return run


def settled_picture(canvas: SlideCanvas, qtbot: QtBot) -> QImage:
    """The canvas's picture once it keeps its size and looks the same several frames in a row."""
    same = 0
    picture = canvas.grab().toImage()

    def is_settled() -> bool:
        nonlocal same, picture
        now = canvas.grab().toImage()
        same = same + 1 if canvas.is_sharp and now == picture else 0
        picture = now
        return same >= _SETTLED_FRAMES

    qtbot.waitUntil(is_settled, timeout=20_000)
    return picture


def largest_difference(one: QImage, other: QImage) -> int:
    """Of any channel of any pixel, 0 to 255; a tile that is scaled again may differ by one."""
    if one.size() != other.size():
        return 255
    # Kept here: their bits do not keep them.
    pictures = [image.convertToFormat(QImage.Format.Format_RGB32) for image in (one, other)]
    pixels = [np.frombuffer(picture.constBits(), np.uint8) for picture in pictures]
    return int(np.abs(np.subtract(*pixels, dtype=np.int16)).max())


def press(
    qtbot: QtBot,
    window: QWidget,
    key: Qt.Key,
    modifier: Qt.KeyboardModifier = NO_MODIFIER,
) -> None:
    """Presses a key on whatever has the keyboard."""
    qtbot.keyClick(window.focusWidget() or window, key, modifier)


def type_over(box: QComboBox, text: str, qtbot: QtBot) -> None:
    """Types over what stands in a box with a list."""
    line = box.lineEdit()
    assert line is not None
    box.setFocus()
    qtbot.waitUntil(line.hasFocus)
    line.selectAll()
    qtbot.keyClicks(line, text)


def open_dialog(window: QWidget, kind: type[Dialog], qtbot: QtBot) -> Dialog:
    """The dialog of this kind that is open over the window."""

    def dialogs() -> list[Dialog]:
        return [dialog for dialog in window.findChildren(kind) if dialog.isVisible()]

    qtbot.waitUntil(lambda: bool(dialogs()))
    return dialogs()[-1]


def drop(target: QWidget, paths: list[Path], at: QPoint | None = None) -> QDropEvent:
    """Drags files over a position of a widget, by default its middle, and lets go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    at = at or target.rect().center()
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(at), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(target, event)
    return event


def cancel_of(window: MainWindow) -> QPushButton:
    """Return the button that stops the work whose progress the window shows, or soon will."""
    button = window.findChildren(QProgressDialog)[-1].findChild(QPushButton)
    assert button is not None
    return button


def heatmap_page(window: MainWindow) -> HeatmapPage:
    """Return the settings of the heatmap whose card is chosen."""
    page = window.overlays.panel.body.heatmap
    assert page is not None
    return page


def set_document(window: MainWindow, qtbot: QtBot, label: str) -> Document:
    """Wait until the active pane's slide has a set of this label, open and with something in it."""
    sets = window.annotations.active_sets
    assert sets is not None

    def is_there() -> bool:
        entry = sets.named(label)
        annotations = entry.annotations if entry is not None else None
        return annotations is not None and annotations.is_open and len(annotations.document) > 0

    qtbot.waitUntil(is_there, timeout=20_000)
    entry = sets.named(label)
    assert entry is not None
    assert entry.annotations is not None
    return entry.annotations.document
