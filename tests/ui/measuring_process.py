"""A pathologist who draws and measures, in a process of its own for the scale of the screen.

Says as JSON what was done with the mouse, and what was exported, shown and told of it. Whether that
is right is worked out by the test, with arithmetic of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from annotating_steps import begin, click, end, hover, line
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from viewer.annotations.formats.exchange import FORMATS
from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Point, View
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow

SHIFT, NONE = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
VIEWS: tuple[dict[str, Any], ...] = (
    {"center": (1480.3, 1111.7), "downsample": 2.0, "turn": 0.0, "mirrored": False},
    {"center": (1480.3, 1111.7), "downsample": 1.37, "turn": 33.0, "mirrored": False},
    {"center": (1500, 1100), "downsample": 3.1, "turn": 90.0, "mirrored": True},
    {"center": (1203.5, 851.25), "downsample": 0.21, "turn": 250.0, "mirrored": True},
)
A, B, C = QPoint(211, 173), QPoint(402, 298), QPoint(287, 401)
STROKES: tuple[tuple[str, Qt.Key, list[QPoint], Qt.KeyboardModifier], ...] = (
    ("rectangle", Qt.Key.Key_R, [A, B], NONE),
    ("square", Qt.Key.Key_R, [A, B], SHIFT),
    ("ellipse", Qt.Key.Key_O, [A, B], NONE),
    ("circle", Qt.Key.Key_O, [A, B], SHIFT),
    ("line", Qt.Key.Key_L, [A, B], NONE),
    ("even line", Qt.Key.Key_L, [A, B], SHIFT),
    ("polygon", Qt.Key.Key_P, [A, B, C], NONE),
    ("dab", Qt.Key.Key_B, [A], NONE),
)


def main(slides: list[Path]) -> None:
    """Draw with all tools in all views of all slides."""
    app = QApplication([])
    window = MainWindow(Settings(), TileCache(64 << 20))
    window.resize(1100, 760)
    window.show()
    window.annotations.panel.show()
    told: list[dict[str, Any]] = []
    for slide in slides:
        window.open_paths([slide])
        _wait(lambda slide=slide: window.panes.active.path == slide)
        _wait(lambda: window.annotations.active is not None)
        canvas = window.panes.active.canvas
        canvas.set_overview_visible(False)
        for view in VIEWS:
            _show(canvas, view)
            about = {"slide": slide.name, "view": _view(canvas)}
            told.append(about | _picture(window, canvas))
            told += [about | each for each in _strokes(window, canvas, slide.parent)]
            told.append(about | _ruler(window, canvas))
            told.append(about | _angle(window, canvas))
            told.append(about | _after_an_arrow_key(window, canvas))
    print(json.dumps(told))
    window.close()
    app.processEvents()


def _strokes(window: MainWindow, canvas: SlideCanvas, folder: Path) -> Iterator[dict[str, Any]]:
    here = window.annotations.active
    assert here is not None
    for name, key, places, keys in STROKES:
        QTest.keyClick(canvas, key)
        if name == "polygon":
            for place in places:
                click(canvas, place)
            told = window.status.drawing.text()
            QTest.keyClick(canvas, Qt.Key.Key_Return)
        else:
            begin(canvas, line(places[0], places[-1]) if len(places) > 1 else places, keys)
            told = window.status.drawing.text()
            end(canvas, places[-1], keys)
        (drawn,) = here.document
        path = folder / "drawn.geojson"
        assert FORMATS["qupath"].write(path, [drawn]) == []
        row = window.annotations.panel.model.index_of(drawn.id)
        yield {
            "what": name,
            "mouse": [(place.x(), place.y()) for place in places],
            "exported": json.loads(path.read_text())["features"][0]["geometry"],
            "told": told,
            "listed": row.siblingAtColumn(1).data(),
            "drawn": None if name == "dab" else _box_of(_grab(canvas), _is_drawn),
        }
        QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert not len(here.document)


def _ruler(window: MainWindow, canvas: SlideCanvas) -> dict[str, Any]:
    QTest.keyClick(canvas, Qt.Key.Key_L, SHIFT)
    click(canvas, A)
    click(canvas, B)
    return {"what": "ruler", "mouse": _pairs(A, B), "told": window.status.drawing.text()} | _kept(
        window, canvas
    )


def _angle(window: MainWindow, canvas: SlideCanvas) -> dict[str, Any]:
    QTest.keyClick(canvas, Qt.Key.Key_V, SHIFT)
    for place in (A, B, C):
        click(canvas, place)
    return {
        "what": "angle", "mouse": _pairs(A, B, C), "told": window.status.drawing.text(),
    } | _kept(window, canvas)  # fmt: skip


def _kept(window: MainWindow, canvas: SlideCanvas) -> dict[str, Any]:
    """Enter keeps a measurement; what is kept of it is taken back again."""
    here = window.annotations.active
    assert here is not None
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    (drawn,) = here.document
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not len(here.document)
    return {"kept": dict(drawn.measurements)}


def _after_an_arrow_key(window: MainWindow, canvas: SlideCanvas) -> dict[str, Any]:
    """The slide moves under a mouse at rest, which is over another place then."""
    QTest.keyClick(canvas, Qt.Key.Key_L, SHIFT)
    click(canvas, A)
    hover(canvas, B)
    first = _view(canvas)
    QTest.keyClick(canvas, Qt.Key.Key_Left)
    _wait(lambda: not canvas.is_moving)
    told = {
        "what": "arrow", "mouse": _pairs(A, B), "first view": first, "then view": _view(canvas),
        "told": window.status.drawing.text(), "cursor": window.status.cursor_label.text(),
    }  # fmt: skip
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    return told


def _picture(window: MainWindow, canvas: SlideCanvas) -> dict[str, Any]:
    """Where the blue square of the slide is on the screen, and how long the scale bar is."""
    QTest.keyClick(canvas, Qt.Key.Key_M)
    hover(canvas, B)
    picture = _grab(canvas)
    return {
        "what": "picture", "mouse": _pairs(B), "cursor": window.status.cursor_label.text(),
        "blue": _box_of(picture, _is_blue), "bar": _bar(picture, canvas.devicePixelRatioF()),
    }  # fmt: skip


def _grab(canvas: SlideCanvas) -> NDArray[np.uint8]:
    """(height, width, 3) the canvas in device pixels, all painted.

    A pixel at its edge that is not all its own is left out: Qt paints none, and leaves what was in
    the memory there.
    """
    for _ in range(5000):
        canvas.repaint()
        if canvas.is_finished:
            break
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    shape = image.height(), image.width(), 3
    whole = np.floor(canvas.devicePixelRatioF() * np.array([canvas.height(), canvas.width()]))
    height, width = whole.astype(int)
    return rows[:, : image.width() * 3].reshape(shape)[:height, :width].copy()


def _box_of(picture: NDArray[np.uint8], is_it: Any) -> list[int] | None:
    """Left, top, right, bottom in device pixels of the pixels that are of a kind."""
    found = is_it(picture)
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    if not len(rows):
        return None
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _is_drawn(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The color of annotations without a class, at least half as strong as it is."""
    return (picture[..., 0] < 110) & (picture[..., 1] > 110) & (picture[..., 2] > 110)


def _is_blue(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (picture[..., 2] > 150) & (picture[..., 0] < 128) & (picture[..., 1] < 128)


def _bar(picture: NDArray[np.uint8], ratio: float) -> int:
    """The length of the scale bar's line in device pixels, at the lower left."""
    dark = np.all(picture < 110, 2)
    bottom = picture.shape[0] - round(24 * ratio)
    longest = 0
    for row in dark[bottom - round(4 * ratio) : bottom + round(4 * ratio), : round(260 * ratio)]:
        ends = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        longest = max(longest, *(ends[1::2] - ends[::2]).tolist(), 0)
    return longest


def _show(canvas: SlideCanvas, view: dict[str, Any]) -> None:
    center, size = Point(*view["center"]), canvas.view.size
    canvas.show_view(View(center, view["downsample"], size, view["turn"], view["mirrored"]))
    _wait(lambda: canvas.is_sharp)


def _view(canvas: SlideCanvas) -> dict[str, Any]:
    view = canvas.view
    return {
        "center": list(view.center), "downsample": view.downsample, "turn": view.rotation_deg,
        "mirrored": view.mirrored, "size": [canvas.width(), canvas.height()],
        "ratio": canvas.devicePixelRatioF(),
    }  # fmt: skip


def _pairs(*places: QPoint) -> list[tuple[int, int]]:
    return [(place.x(), place.y()) for place in places]


def _wait(is_so: Any) -> None:
    for _ in range(3000):
        if is_so():
            return
        QTest.qWait(10)
    raise TimeoutError


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
