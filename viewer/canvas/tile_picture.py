"""From a slide's pixels to a picture that Qt paints fast; runs in the loader's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.slides.source import RgbImage
    from viewer.tiles.display import DisplayTransform


_SHARP_STRETCH = 1.1
"""A copy is still sharp when it is stretched by this little."""


def rgb_to_qimage(rgb: RgbImage) -> QImage:
    """uint8 (height, width, 3) as a QImage of its own memory, in the format painted fastest."""
    rgb = np.ascontiguousarray(rgb)
    height, width, _ = rgb.shape
    borrowed = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


class TilePicture(QImage):
    """A tile with copies of half and a quarter of its size, for views that shrink it.

    Painted from the tile itself, pixels between would be left out, and up to sixteen times as many
    read: on a large screen that takes longer than a frame has.
    """

    def __init__(self, full: QImage) -> None:
        super().__init__(full)
        self._half = _halved(full)
        self._quarter = _halved(self._half)

    def sized_for(self, width_px: int) -> QImage:
        """Return the smallest of the three that is sharp in a place so wide."""
        for copy in (self._quarter, self._half):
            if width_px <= _SHARP_STRETCH * copy.width():
                return copy
        return self

    def total_bytes(self) -> int:
        """Return the memory of all three."""
        return sum(each.sizeInBytes() for each in (self, self._half, self._quarter))


def _halved(image: QImage) -> QImage:
    width, height = max(image.width() // 2, 1), max(image.height() // 2, 1)
    return image.scaled(width, height, mode=Qt.TransformationMode.SmoothTransformation)


def tile_picture(transform: DisplayTransform) -> Callable[[RgbImage], tuple[QImage, int]]:
    """Return the loader's `prepare`: the look applied, as a QImage, with its bytes."""

    def prepare(rgb: RgbImage) -> tuple[QImage, int]:
        picture = TilePicture(rgb_to_qimage(transform.apply(rgb)))
        return picture, picture.total_bytes()

    return prepare
