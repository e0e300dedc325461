"""A canvas with annotations and a tool in hand, and what a hand does to it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document
from viewer.annotations.selection import Selection
from viewer.canvas.annotating.drawing_tool import DrawingTool
from viewer.canvas.annotating.edit_context import DrawingOptions, EditContext
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder
from viewer.geometry import Point

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
ALT = Qt.KeyboardModifier.AltModifier
CTRL = Qt.KeyboardModifier.ControlModifier
_PATIENCE_S = 20.0
_A_MOMENT_MS = 5
"""In which tiles and outlines are made and come to the canvas."""


class Bench:
    """A canvas, what is drawn on it, and the tool in hand."""

    def __init__(self, canvas: SlideCanvas) -> None:
        self.canvas = canvas
        self.document = Document()
        self.selection = Selection(self.document)
        self.said: list[str] = []
        self.measures: list[str] = []
        self.options = DrawingOptions()
        mpp_um = canvas.optics.mpp_um
        self.desk = EditContext(
            self.document, self.selection, self.options, self.said.append, author="A", mpp_um=mpp_um
        )
        self.layer = AnnotationsLayer(self.document, self.selection, canvas.update)
        canvas.add_layer(self.layer, LayerOrder.ANNOTATIONS)
        self.tool: DrawingTool | None = None

    def take(self, tool: DrawingTool) -> DrawingTool:
        self.tool = tool
        tool.setParent(self.canvas)  # not to be collected by a reading thread
        tool.changed.connect(self._follow)
        tool.measure_changed.connect(self.measures.append)
        self.canvas.add_layer(tool, LayerOrder.TOOLS)
        self.canvas.set_tool(tool)
        return tool

    def only(self) -> Annotation:
        (annotation,) = self.document
        return annotation

    def slide(self, at: QPoint) -> Point:
        return self.canvas.view.to_slide(Point(at.x(), at.y()))

    def screen(self, place: Point) -> QPoint:
        x, y = self.canvas.view.to_screen(place)
        return QPoint(round(x), round(y))

    def picture(self) -> QImage:
        return finished_picture(self.canvas)

    def _follow(self) -> None:
        assert self.tool is not None
        self.layer.lift(self.tool.lifted)
        self.layer.hover(self.tool.hovered)
        self.canvas.update()


def finished_picture(canvas: SlideCanvas) -> QImage:
    """What the canvas shows once all is made."""
    canvas.repaint()
    until_s = time.monotonic() + _PATIENCE_S
    while not (canvas.is_finished and canvas.is_sharp):
        assert time.monotonic() < until_s, "the picture is never finished"
        QTest.qWait(_A_MOMENT_MS)
        canvas.repaint()
    return canvas.grab().toImage()


def mouse(
    canvas: SlideCanvas,
    kind: QEvent.Type,
    at: QPoint,
    keys: Qt.KeyboardModifier = NONE,
    buttons: Qt.MouseButton = LEFT,
) -> None:
    """A mouse event with what is held down, which QTest's moves leave out."""
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else buttons
    place = QPointF(at)
    event = QMouseEvent(kind, place, QPointF(canvas.mapToGlobal(at)), button, held, keys)
    QApplication.sendEvent(canvas, event)


def hover(canvas: SlideCanvas, at: QPoint, keys: Qt.KeyboardModifier = NONE) -> None:
    mouse(canvas, QEvent.Type.MouseMove, at, keys, Qt.MouseButton.NoButton)


def begin(canvas: SlideCanvas, places: Sequence[QPoint], keys: Qt.KeyboardModifier = NONE) -> None:
    """Presses at the first place and moves on to the others."""
    mouse(canvas, QEvent.Type.MouseButtonPress, places[0], keys)
    for place in places[1:]:
        mouse(canvas, QEvent.Type.MouseMove, place, keys)


def end(canvas: SlideCanvas, at: QPoint, keys: Qt.KeyboardModifier = NONE) -> None:
    mouse(canvas, QEvent.Type.MouseButtonRelease, at, keys)


def drag(canvas: SlideCanvas, places: Sequence[QPoint], keys: Qt.KeyboardModifier = NONE) -> None:
    begin(canvas, places, keys)
    end(canvas, places[-1], keys)


def click(canvas: SlideCanvas, at: QPoint, keys: Qt.KeyboardModifier = NONE) -> None:
    hover(canvas, at, keys)
    QTest.mouseClick(canvas, LEFT, keys, at)


def double_click(canvas: SlideCanvas, at: QPoint) -> None:
    click(canvas, at)
    mouse(canvas, QEvent.Type.MouseButtonDblClick, at)
    end(canvas, at)


def line(start: QPoint, stop: QPoint, steps: int = 12) -> list[QPoint]:
    """Places along a straight line."""
    way = stop - start
    return [start + way * (step / steps) for step in range(steps + 1)]
