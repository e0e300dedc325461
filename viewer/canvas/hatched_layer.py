"""Patches over the slide that are hatched, since they have no result or none to rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QBrush, QImage, QPainter, QTransform

from viewer.slides.hatching import hatch

if TYPE_CHECKING:
    from viewer.canvas.layer import Scene
    from viewer.overlays.patch_mask import PatchMask

_TILE_PX = 32
"""Diagonals repeat after as many pixels, so that a tile of them joins its neighbors."""


class HatchedLayer:
    """Paints a `PatchMask` with the diagonals that stand for what cannot be read."""

    def __init__(self, name: str = "") -> None:
        self.opacity = 0.8
        self._name = name
        self._image: QImage | None = None
        self._side_px = 1.0
        self._brush = QBrush(_diagonals())

    @property
    def shown_name(self) -> str:
        return self._name if self._image is not None else ""

    def show_mask(self, patches: PatchMask) -> None:
        """Hatch these patches from now on, and no others."""
        self._image = None
        if not patches.count:
            return
        mask = np.ascontiguousarray(patches.mask.astype(np.uint8) * 255)
        rows, columns = mask.shape
        alpha = QImage(mask.data, columns, rows, columns, QImage.Format.Format_Alpha8)
        self._image = alpha.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        self._side_px = patches.side

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the diagonals upright on the screen, whatever the view's turn and zoom."""
        if self._image is None:
            return
        width, height = round(scene.view.size.width), round(scene.view.size.height)
        hatched = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        hatched.fill(0)
        inner = QPainter(hatched)
        inner.setTransform(QTransform(*scene.view.transform))
        slide, side = scene.slide, self._side_px
        inner.setClipRect(QRectF(slide.x0, slide.y0, slide.width, slide.height))
        target = QRectF(0.0, 0.0, self._image.width() * side, self._image.height() * side)
        inner.drawImage(target, self._image, QRectF(self._image.rect()))
        inner.resetTransform()
        inner.setClipping(False)
        inner.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        inner.fillRect(hatched.rect(), self._brush)
        inner.end()
        painter.setOpacity(self.opacity)
        painter.drawImage(0, 0, hatched)


def _diagonals() -> QImage:
    tile = np.empty((_TILE_PX, _TILE_PX, 3), np.uint8)
    hatch(tile)
    image = QImage(tile.data, _TILE_PX, _TILE_PX, 3 * _TILE_PX, QImage.Format.Format_RGB888)
    return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
