"""The picture of a stroke under way: each movement paints only its own place.

Qt takes tens of milliseconds to stroke a border of thousands of pixels with a wide pen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QImage, QPainter

from viewer.canvas.shape_paths import shape_path
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPainterPath
    from shapely.geometry.base import BaseGeometry

    from viewer.canvas.layer import Scene
    from viewer.geometry import View

    Draw = Callable[[QPainter, QPainterPath], object]

_MARGIN_PX = 6.0
"""How far the pens reach beyond a shape."""
_PAD_PX = 3 * _MARGIN_PX


class StrokePreview:
    """One shape that grows, as the present view shows it."""

    def __init__(self) -> None:
        self._view: View | None = None
        self._picture = QImage()
        self._touched: Box | None = None
        self._drawn = QRect()

    def clear(self) -> None:
        """Another shape comes."""
        self._view = self._touched = None

    def touch(self, shape: BaseGeometry) -> None:
        """The shape changed where this lies, level 0."""
        if shape.is_empty:
            return
        box = Box(*shape.bounds)
        if self._touched is not None:
            box = Box.enclosing([*box.corners, *self._touched.corners])
        self._touched = box

    def paint(self, painter: QPainter, scene: Scene, shape: BaseGeometry, draw: Draw) -> None:
        """Bring the picture up to date and paint it.

        Parameters
        ----------
        draw
            Paints a path of the shape, in logical pixels of the screen.
        """
        view = scene.view
        if view != self._view:
            self._begin(scene)
            self._touched = view.box
        if self._touched is not None:
            self._update(view, shape, draw, self._touched)
            self._touched = None
        if not self._drawn.isEmpty():
            ratio = scene.device_pixel_ratio
            source = QRectF(self._drawn)
            target = _scaled(source, 1 / ratio)
            painter.drawImage(target, self._picture, source)

    def _begin(self, scene: Scene) -> None:
        self._view = scene.view
        ratio = scene.device_pixel_ratio
        width, height = (round(side * ratio) for side in scene.view.size)
        if (width, height) != (self._picture.width(), self._picture.height()):
            self._picture = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        self._picture.setDevicePixelRatio(ratio)
        self._picture.fill(0)
        self._drawn = QRect()

    def _update(self, view: View, shape: BaseGeometry, draw: Draw, touched: Box) -> None:
        box = Box.enclosing([view.to_screen(corner) for corner in touched.corners])
        box = box.grown(_MARGIN_PX).intersection(Box(0, 0, *view.size))
        if box.is_empty:
            return
        rect = QRectF(box.x0, box.y0, box.width, box.height).toAlignedRect()
        # The cut has borders of its own, which must lie where nothing is painted.
        padded = QRectF(rect).adjusted(-_PAD_PX, -_PAD_PX, _PAD_PX, _PAD_PX)
        corners = Box(padded.left(), padded.top(), padded.right(), padded.bottom()).corners
        cut = Box.enclosing([view.to_slide(Point(*corner)) for corner in corners])
        near = shapely.clip_by_rect(shape, *cut.bounds)
        with QPainter(self._picture) as painter:
            painter.setClipRect(rect)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
            painter.fillRect(rect, 0)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
            if not near.is_empty:
                draw(painter, shape_path(near, view))
        ratio = self._picture.devicePixelRatio()
        drawn = _scaled(QRectF(rect), ratio).toAlignedRect()
        self._drawn = self._drawn.united(drawn).intersected(self._picture.rect())


def _scaled(rect: QRectF, factor: float) -> QRectF:
    """In device pixels from logical ones, or back."""
    return QRectF(
        rect.x() * factor, rect.y() * factor, rect.width() * factor, rect.height() * factor
    )
