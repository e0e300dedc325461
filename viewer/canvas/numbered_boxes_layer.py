"""Boxes with their numbers at the corner, so that what lies in them stays in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from viewer.canvas.fast_paths import closed_path, point_list
from viewer.canvas.shape_paths import Placing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.canvas.layer import Scene
    from viewer.geometry import Box

_CHIP_HEIGHT_PX = 17.0
_CORNERS = ((0, 1), (2, 1), (2, 3), (0, 3))
"""Of a box, as places in its bounds."""
_MOST_NUMBERED = 100
"""Boxes in view that bear their numbers, those nearest to the one in hand: more hide each other."""


class NumberedBoxesLayer:
    """Paints boxes in their colors; the one in hand thick and last, the others thin."""

    def __init__(self, name: str = "") -> None:
        self.opacity = 1.0
        self._name = name
        self._boxes: Sequence[Box] = ()
        self._colors: Sequence[str] = ()
        self._bounds: NDArray[np.float64] = np.empty((0, 4))
        self._current = -1

    @property
    def shown_name(self) -> str:
        return self._name if self._boxes else ""

    def clear(self) -> None:
        """Paint nothing."""
        self.show_boxes([], [], -1)

    def show_boxes(self, boxes: Sequence[Box], colors: Sequence[str], current: int) -> None:
        """Take boxes in level-0 pixels with their colors, and the index of the one in hand.

        Boxes are looked at once: the same sequence again only takes other colors.
        """
        if boxes is not self._boxes:
            self._boxes = boxes
            self._bounds = np.array([b.bounds for b in boxes], float).reshape(-1, 4)
        self._colors, self._current = colors, current

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the boxes that are on screen, their numbers where there are not too many."""
        in_view = self._in_view(scene.view.box)
        if not len(in_view):
            return
        # (boxes, 4 corners, 2) on the screen.
        corners = Placing.of(scene.view).points(self._bounds[in_view][:, _CORNERS].reshape(-1, 2))
        corners = corners.reshape(-1, 4, 2)
        is_many = len(in_view) > _MOST_NUMBERED
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, not is_many)
        self._paint_thin(painter, in_view, corners, 1.0 if is_many else 1.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(painter.font())
        font.setPixelSize(12)
        font.setBold(True)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        others = np.flatnonzero(in_view != self._current)
        distances = np.abs(in_view[others] - max(self._current, 0))
        numbered = np.sort(others[np.argsort(distances, kind="stable")[:_MOST_NUMBERED]])
        for place in numbered.tolist():
            self._paint_number(painter, metrics, int(in_view[place]), corners[place])
        for place in np.flatnonzero(in_view == self._current).tolist():
            painter.setPen(QPen(QColor(self._colors[self._current]), 3.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolygon(point_list(corners[place]))
            self._paint_number(painter, metrics, self._current, corners[place])

    def _in_view(self, seen: Box) -> NDArray[np.intp]:
        x0, y0, x1, y1 = self._bounds.T
        hits = (x0 <= seen.x1) & (x1 >= seen.x0) & (y0 <= seen.y1) & (y1 >= seen.y0)
        return np.flatnonzero(hits)

    def _paint_thin(
        self,
        painter: QPainter,
        in_view: NDArray[np.intp],
        corners: NDArray[np.float64],
        width_px: float,
    ) -> None:
        """Paint all but the box in hand, those of a color in one go."""
        by_color: dict[str, list[int]] = {}
        for place, index in enumerate(map(int, in_view)):
            if index != self._current:
                by_color.setdefault(self._colors[index], []).append(place)
        starts = np.arange(0, corners.size // 2 + 1, 4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for color, places in by_color.items():
            painter.setPen(QPen(QColor(color), width_px))
            chosen = np.array(places, np.intp)
            painter.drawPath(closed_path(corners.reshape(-1, 2), starts, chosen))

    def _paint_number(
        self, painter: QPainter, metrics: QFontMetricsF, index: int, corners: NDArray[np.float64]
    ) -> None:
        text = str(index + 1)
        # Turned or mirrored, another corner is the upper left one on screen.
        x, y = corners[np.argmin(corners.sum(1))].tolist()
        width = metrics.horizontalAdvance(text) + 8
        chip = QRectF(x, y - _CHIP_HEIGHT_PX, width, _CHIP_HEIGHT_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._colors[index]))
        painter.drawRoundedRect(chip, 3, 3)
        painter.setPen(QColor("white"))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)
