"""Outlines of regions over the slide, in one color."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform

if TYPE_CHECKING:
    import shapely

    from viewer.canvas.layer import Scene


class OutlineLayer:
    """Fills regions faintly and draws their outlines, dashed and as wide at any zoom."""

    def __init__(
        self, color: str, *, width_px: float = 2.0, fill: float = 0.15, name: str = ""
    ) -> None:
        self.opacity = 1.0
        self._name = name
        self._pen = QPen(QColor(color), width_px, Qt.PenStyle.DashLine)
        self._pen.setCosmetic(True)
        self._fill = QColor(color)
        self._fill.setAlphaF(fill)
        self._path = QPainterPath()

    @property
    def shown_name(self) -> str:
        return "" if self._path.isEmpty() else self._name

    def clear(self) -> None:
        """Paint nothing."""
        self._path = QPainterPath()

    def show_regions(self, regions: shapely.MultiPolygon) -> None:
        """Paint polygons in level-0 pixels, holes left free."""
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.OddEvenFill)
        for polygon in regions.geoms:
            for ring in (polygon.exterior, *polygon.interiors):
                path.addPolygon(QPolygonF([QPointF(x, y) for x, y in ring.coords]))
        self._path = path

    def show_field(self, corners: list[tuple[float, float]]) -> None:
        """Paint one polygon, level-0 pixels."""
        self._path = QPainterPath()
        self._path.addPolygon(QPolygonF([QPointF(x, y) for x, y in [*corners, corners[0]]]))

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the regions where the slide is."""
        if self._path.isEmpty():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setTransform(QTransform(*scene.view.transform), combine=True)
        painter.setPen(self._pen)
        painter.setBrush(self._fill)
        painter.drawPath(self._path)
