"""From a slide's pixels to a picture that Qt paints fast; runs in the loader's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.slides.source import RgbImage
    from viewer.tiles.display import DisplayTransform


def rgb_to_qimage(rgb: RgbImage) -> QImage:
    """uint8 (height, width, 3) as a QImage of its own memory, in the format painted fastest."""
    rgb = np.ascontiguousarray(rgb)
    height, width, _ = rgb.shape
    borrowed = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


def tile_picture(transform: DisplayTransform) -> Callable[[RgbImage], tuple[QImage, int]]:
    """The loader's `prepare`: the look applied, as a QImage, with its bytes."""

    def prepare(rgb: RgbImage) -> tuple[QImage, int]:
        picture = rgb_to_qimage(transform.apply(rgb))
        return picture, picture.sizeInBytes()

    return prepare
