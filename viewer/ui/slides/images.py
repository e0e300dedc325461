"""Pictures from slides as Qt shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt

if TYPE_CHECKING:
    from PySide6.QtGui import QImage


def fitted(image: QImage, size: QSize) -> QImage:
    """Return the picture made smaller to fit `size`, its shape kept; never made larger."""
    if image.width() <= size.width() and image.height() <= size.height():
        return image
    return image.scaled(
        size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
