"""Outlined objects over the slide: outlines near, dots farther out, density from afar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF, QTransform


if TYPE_CHECKING:
    from viewer.overlays.blocks import BlockKey
    from viewer.geometry import Box
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.objects import Objects

_OUTLINE_UM_PER_PX = 1.3
"""Finer than this outlines are drawn: a nucleus of 8 um is then 6 screen pixels or more."""
_DOT_UM_PER_PX = 6.0
_DENSITY_CELLS = 4
"""A block's density is painted in as many cells each way."""
_MOST_PATHS = 512
"""Blocks whose outlines are kept ready to paint."""
_FULL_PER_MM2 = 6000.0
"""Density that is painted in full colour; densely packed lymphocytes have about as many."""


class ObjectsLayer:
    """Paints an `ObjectMap`; what changed in it is told by `refresh`."""

    def __init__(self) -> None:
        self.opacity = 1.0
        self.is_filled = False
        self._map: ObjectMap | None = None
        self._colours: list[QColor] = []
        self._hidden: set[int] = set()
        self._paths: dict[BlockKey, list[tuple[int, QPainterPath]]] = {}
        self._densities: dict[BlockKey, QImage] = {}

    def show_map(self, objects: ObjectMap | None, colours: Sequence[str] = ()) -> None:
        """Paints these objects from now on, a colour a class; None paints nothing."""
        self._map = objects
        self._colours = [QColor(colour) for colour in colours]
        self._forget()

    def set_hidden(self, classes: set[int]) -> None:
        """Leaves classes out."""
        self._hidden = set(classes)
        self._forget()

    def refresh(self, key: BlockKey) -> None:
        """The objects of a block changed."""
        self._paths.pop(key, None)
        self._densities.pop(key, None)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paints what is on screen, as fine as the zoom allows."""
        if self._map is None or not self._map.count:
            return
        # Objects of a block may reach a little beyond it.
        box = scene.view.box.grown(self._map.grid.margin_px * self._map.grid.downsample)
        um_per_px = scene.view.downsample * self._map.mpp_um
        painter.setOpacity(self.opacity)
        painter.setTransform(QTransform(*scene.view.transform), combine=True)
        if um_per_px <= _OUTLINE_UM_PER_PX:
            self._paint_outlines(painter, box)
        elif um_per_px <= _DOT_UM_PER_PX:
            self._paint_dots(painter, box, um_per_px)
        else:
            self._paint_density(painter, box)

    def _paint_outlines(self, painter: QPainter, box: Box) -> None:
        assert self._map is not None
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for key, objects in self._map.inside(box):
            if not len(objects):
                continue
            paths = self._paths.get(key)
            if paths is None:
                paths = self._paths[key] = self._outlines(key, objects)
                while len(self._paths) > _MOST_PATHS:
                    self._paths.pop(next(iter(self._paths)))
            corner = self._map.grid.core_box(key)
            painter.save()
            painter.translate(corner.x0, corner.y0)
            for index, path in paths:
                colour = self._colours[index]
                painter.setPen(_pen(colour, 1.6))
                if self.is_filled:
                    faint = QColor(colour)
                    faint.setAlphaF(0.3)
                    painter.fillPath(path, faint)
                painter.drawPath(path)
            painter.restore()

    def _outlines(self, key: BlockKey, objects: Objects) -> list[tuple[int, QPainterPath]]:
        """A path a class, from the block's corner, since level-0 pixels are too large for Qt."""
        assert self._map is not None
        corner = self._map.grid.core_box(key)
        paths: list[tuple[int, QPainterPath]] = []
        for index in self._shown(objects):
            path = QPainterPath()
            for number in np.flatnonzero(objects.classes == index).tolist():
                ring = objects.outline(number) - (corner.x0, corner.y0)
                path.addPolygon(QPolygonF([QPointF(x, y) for x, y in ring.tolist()]))
                path.closeSubpath()
            paths.append((index, path))
        return paths

    def _paint_dots(self, painter: QPainter, box: Box, um_per_px: float) -> None:
        assert self._map is not None
        side_px = 4.0 if um_per_px < _DOT_UM_PER_PX / 2 else 2.5
        for _, objects in self._map.inside(box):
            for index in self._shown(objects):
                middles = objects.centroids[objects.classes == index].tolist()
                pen = _pen(self._colours[index], side_px)
                pen.setCapStyle(Qt.PenCapStyle.SquareCap)
                painter.setPen(pen)
                painter.drawPoints(QPolygonF([QPointF(x, y) for x, y in middles]))

    def _paint_density(self, painter: QPainter, box: Box) -> None:
        assert self._map is not None
        for key, objects in self._map.inside(box):
            if not len(objects):
                continue
            image = self._densities.get(key)
            if image is None:
                image = self._densities[key] = self._density(key, objects)
            core = self._map.grid.core_box(key)
            target = QRectF(core.x0, core.y0, core.width, core.height)
            painter.drawImage(target, image, QRectF(image.rect()))

    def _density(self, key: BlockKey, objects: Objects) -> QImage:
        """A few cells in the colour of their commonest class, the denser the less clear."""
        assert self._map is not None
        core = self._map.grid.core_box(key)
        cell = core.width / _DENSITY_CELLS
        places = np.clip((objects.centroids - (core.x0, core.y0)) / cell, 0, _DENSITY_CELLS - 1)
        columns, rows = places.astype(int).T
        counts = np.zeros((len(self._colours), _DENSITY_CELLS, _DENSITY_CELLS))
        np.add.at(counts, (objects.classes, rows, columns), 1)
        counts[[index for index in self._hidden if index < len(counts)]] = 0
        per_mm2 = counts.sum(0) / (cell * self._map.mpp_um / 1000) ** 2
        rgba = np.zeros((_DENSITY_CELLS, _DENSITY_CELLS, 4), np.uint8)
        table = np.array([[c.red(), c.green(), c.blue()] for c in self._colours], np.uint8)
        rgba[..., :3] = table[counts.argmax(0)]
        rgba[..., 3] = np.sqrt(np.clip(per_mm2 / _FULL_PER_MM2, 0, 1)) * 220
        image = QImage(rgba.data, _DENSITY_CELLS, _DENSITY_CELLS, QImage.Format.Format_RGBA8888)
        return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)

    def _shown(self, objects: Objects) -> list[int]:
        """The classes to paint."""
        found = np.unique(objects.classes).tolist()
        return [index for index in found if index not in self._hidden]

    def _forget(self) -> None:
        self._paths.clear()
        self._densities.clear()


def _pen(colour: QColor, width_px: float) -> QPen:
    pen = QPen(colour, width_px)
    pen.setCosmetic(True)
    return pen
