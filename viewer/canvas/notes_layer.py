"""A small sign at each annotation that something is written of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from viewer.canvas.special_places import SpecialPlaces
from viewer.geometry import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document
    from viewer.canvas.layer import Scene

_WIDTH_PX, _HEIGHT_PX, _FOLD_PX = 13.0, 15.0, 4.5
_BESIDE_PX = 5.0
_PAPER, _INK = QColor("#ffe27a"), QColor("#5c4700")
_MOST_SIGNS = 500
"""On one screen; more would hide the tissue."""


class NotesLayer:
    """Paints a sheet of paper at the upper right corner of what has a description."""

    def __init__(self, document: Document, on_change: Callable[[], object]) -> None:
        self.opacity = 1.0
        self._on_change = on_change
        self._noted = SpecialPlaces(document, lambda each: bool(each.description))
        self._is_shown = True
        self._hidden_classes: frozenset[str] = frozenset()
        self._end = document.listen(self._noted.follow)

    def close(self) -> None:
        """Listen no more."""
        self._end()

    @property
    def count(self) -> int:
        """Return how many annotations have something written of them."""
        return len(self._noted)

    def set_shown(self, *, shown: bool, hidden_classes: frozenset[str] = frozenset()) -> None:
        """Show the signs, but those of some classes."""
        if (shown, hidden_classes) != (self._is_shown, self._hidden_classes):
            self._is_shown, self._hidden_classes = shown, hidden_classes
            self._on_change()

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the signs of what is in view."""
        if not self._is_shown or not self._noted:
            return
        box, painted = scene.view.box, 0
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for annotation in self._noted.inside(box):
            if annotation.class_name in self._hidden_classes:
                continue
            place = _upper_right(annotation)
            if box.contains(place):
                _paint_sheet(painter, QPointF(*scene.view.to_screen(place)))
                painted += 1
                if painted == _MOST_SIGNS:
                    return


def _upper_right(annotation: Annotation) -> Point:
    corners = shapely.get_coordinates(annotation.geometry)
    return Point(*corners[np.argmax(corners[:, 0] - corners[:, 1])].tolist())


def _paint_sheet(painter: QPainter, at: QPointF) -> None:
    """A sheet with a folded corner and two lines of writing, at the right of a place."""
    x, y = at.x() + _BESIDE_PX, at.y()  # not above, where the name of the shape stands
    sheet = QRectF(x, y, _WIDTH_PX, _HEIGHT_PX)
    outline = QPainterPath(sheet.topLeft())
    outline.lineTo(sheet.right() - _FOLD_PX, sheet.top())
    outline.lineTo(sheet.right(), sheet.top() + _FOLD_PX)
    outline.lineTo(sheet.bottomRight())
    outline.lineTo(sheet.bottomLeft())
    outline.closeSubpath()
    painter.setPen(QPen(_INK, 1.2))
    painter.setBrush(_PAPER)
    painter.drawPath(outline)
    for line in (7.0, 10.5):
        painter.drawLine(QPointF(x + 3, y + line), QPointF(x + _WIDTH_PX - 3, y + line))
