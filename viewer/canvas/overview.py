"""The overview map: the whole slide, small, with the field of view drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF

from viewer.geometry import Box, Point, Size
from viewer.tiles.plan import coarsest_tiles

if TYPE_CHECKING:
    from viewer.canvas.layer import Scene
    from viewer.canvas.tile_picture import TilePicture
    from viewer.tiles.loader import TileLoader

LONGEST_PX = 200.0
"""What the longer side of the map has at first."""
LEAST_PX, MOST_PX = 80.0, 800.0
_LARGEST_SHARE, _ENLARGED_SHARE = 0.3, 0.7
"""Of the shorter side of the pane, at first and where the user enlarged the map."""
_MARGIN_PX = 14.0
_SMALLEST_FIELD_PX = 6.0


class Overview:
    """At the upper right. Stays upright when the view is turned; the drawn field turns instead."""

    def __init__(self) -> None:
        self._loader: TileLoader[TilePicture] | None = None
        self._map = QPixmap()
        self.longest_px = LONGEST_PX

    def set_loader(self, loader: TileLoader[TilePicture] | None) -> None:
        """Map another slide."""
        self._loader = loader
        self._map = QPixmap()

    def forget_map(self) -> None:
        """The map's tiles have changed: it is made anew."""
        self._map = QPixmap()

    def place(self, slide: Box, window: Size) -> QRectF:
        """Return where the map lies on the screen."""
        share = _ENLARGED_SHARE if self.longest_px > LONGEST_PX else _LARGEST_SHARE
        longest = min(max(self.longest_px, LEAST_PX), share * min(window))
        scale = longest / max(slide.width, slide.height)
        width, height = max(slide.width * scale, 8.0), max(slide.height * scale, 8.0)
        return QRectF(window.width - _MARGIN_PX - width, _MARGIN_PX, width, height)

    def slide_point(self, screen: Point, slide: Box, window: Size) -> Point | None:
        """Return the level-0 point under a screen position; None beside the map."""
        place = self.place(slide, window).adjusted(-2, -2, 2, 2)
        if not place.contains(QPointF(*screen)):
            return None
        return self.nearest_slide_point(screen, slide, window)

    def nearest_slide_point(self, screen: Point, slide: Box, window: Size) -> Point:
        """Do as `slide_point`, also for a drag that has left the map."""
        place = self.place(slide, window)
        x = min(max((screen.x - place.x()) / place.width(), 0.0), 1.0)
        y = min(max((screen.y - place.y()) / place.height(), 0.0), 1.0)
        return Point(slide.x0 + x * slide.width, slide.y0 + y * slide.height)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint map, border and field."""
        if self._loader is None:
            return
        place = self.place(scene.slide, scene.view.size)
        painter.fillRect(place.adjusted(-3, -3, 3, 3), QColor(255, 255, 255, 215))
        self._paint_map(painter, place, scene)
        painter.setPen(QPen(QColor(90, 90, 90), 1))
        painter.drawRect(place.adjusted(-0.5, -0.5, 0.5, 0.5))
        painter.setClipRect(place)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_field(painter, place, scene)

    def _paint_map(self, painter: QPainter, place: QRectF, scene: Scene) -> None:
        ratio = scene.device_pixel_ratio
        size = (place.size() * ratio).toSize()
        if self._map.size() != size:
            self._map = self._made_map(size.width(), size.height(), scene.slide)
        painter.drawPixmap(place, self._map, QRectF(self._map.rect()))

    def _made_map(self, width_px: int, height_px: int, slide: Box) -> QPixmap:
        assert self._loader is not None
        levels = self._loader.source.levels
        picture = QPixmap(width_px, height_px)
        picture.fill(QColor(200, 200, 200))
        painter = QPainter(picture)
        painter.scale(width_px / slide.width, height_px / slide.height)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for key in coarsest_tiles(levels):
            tile = self._loader.tile(key)
            if tile is not None:
                box = levels[key.level].tile_box(key.column, key.row)
                painter.drawImage(QRectF(box.x0, box.y0, box.width, box.height), tile.picture)
        painter.end()
        return picture

    def _paint_field(self, painter: QPainter, place: QRectF, scene: Scene) -> None:
        slide = scene.slide
        # A thin slide's map is wider than its scale makes it, so each axis has its own.
        across, down = place.width() / slide.width, place.height() / slide.height
        field = QPolygonF(
            [
                QPointF(place.x() + (x - slide.x0) * across, place.y() + (y - slide.y0) * down)
                for x, y in scene.view.field
            ]
        )
        for color, width in ((QColor(255, 255, 255), 4.0), (QColor(0, 110, 220), 2.0)):
            painter.setPen(QPen(color, width))
            painter.drawPolygon(field)
        bounds = field.boundingRect()
        if max(bounds.width(), bounds.height()) < _SMALLEST_FIELD_PX:
            # Too small to see: a cross marks the spot.
            middle = bounds.center()
            painter.drawLine(middle - QPointF(7, 0), middle + QPointF(7, 0))
            painter.drawLine(middle - QPointF(0, 7), middle + QPointF(0, 7))
