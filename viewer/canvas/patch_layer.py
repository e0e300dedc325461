"""A coarse grid of colors over the slide: heatmaps, masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter, QTransform

from viewer.geometry import ORIGIN, Point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.canvas.layer import Scene

_HEAT = np.array([[0, 60, 180, 255, 230], [0, 70, 200, 210, 40], [255, 220, 60, 0, 20]], np.float64)
"""Red, green and blue of the stops 0, 1/4, 1/2, 3/4, 1: blue over green and yellow to red."""
_LOG_SPAN = 50.0


def heat_level(share: float) -> float:
    """Return where a share of the value at which a heatmap is red lies on its scale, 0 to 1."""
    return float(np.log1p(share * _LOG_SPAN) / np.log1p(_LOG_SPAN))


def heat_color(level: float) -> tuple[int, int, int, int]:
    """Return the color of a place on the scale of heatmaps: red, green, blue, alpha, to 255."""
    red, green, blue, alpha = _heat_rgba(np.array([level]))[0].tolist()
    return red, green, blue, alpha


def _heat_rgba(level: NDArray[np.floating]) -> NDArray[np.uint8]:
    stops = np.linspace(0.0, 1.0, _HEAT.shape[1])
    rgba = np.empty((*level.shape, 4), np.uint8)
    for channel in range(3):
        rgba[..., channel] = np.interp(level, stops, _HEAT[channel])
    rgba[..., 3] = np.clip(level * 1.3, 0.0, 1.0) * 255
    return rgba


def heat_colors(steps: int) -> list[str]:
    """Return the colors of `PatchLayer.show_heat` from its low to its high end, "#rrggbb"."""
    levels = np.linspace(0.0, 1.0, steps).tolist()
    return ["#{:02x}{:02x}{:02x}".format(*heat_color(level)[:3]) for level in levels]


class PatchLayer:
    """Paints cells of `cell_px` level-0 pixels, smoothly enlarged by default."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self.opacity = 0.55
        self._image: QImage | None = None
        self._cell_px = self._cell_height_px = 1.0
        self._origin = ORIGIN
        self._is_smooth = True

    @property
    def shown_name(self) -> str:
        return self._name if self._image is not None else ""

    def clear(self) -> None:
        """Paint nothing."""
        self._image = None

    def show_colors(
        self,
        rgba: NDArray[np.uint8],
        cell_px: float,
        *,
        smooth: bool = True,
        origin: Point = ORIGIN,
        cell_height_px: float | None = None,
    ) -> None:
        """Paint uint8 (rows, columns, 4), the first of them at `origin` (level-0 pixels).

        Cells are squares of `cell_px` unless they have another height.
        """
        rgba = np.ascontiguousarray(rgba)
        height, width = rgba.shape[:2]
        image = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        self._cell_px = cell_px
        self._cell_height_px = cell_height_px or cell_px
        self._origin = origin
        self._is_smooth = smooth

    def show_heat(self, values: NDArray[np.float32], cell_px: float, red_at: float) -> None:
        """Paint values of 0 and more, (rows, columns); 0 is clear, `red_at` and more are red.

        By the logarithm, or one long stay would hide all else.
        """
        if values.max(initial=0.0) <= 0:
            self.clear()
            return
        level = np.log1p(np.minimum(values / red_at, 1.0) * _LOG_SPAN) / np.log1p(_LOG_SPAN)
        self.show_colors(_heat_rgba(level), cell_px)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the grid where the slide is."""
        if self._image is None:
            return
        painter.setTransform(QTransform(*scene.view.transform), combine=True)
        slide = scene.slide
        painter.setClipRect(QRectF(slide.x0, slide.y0, slide.width, slide.height))
        painter.setOpacity(self.opacity)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._is_smooth)
        width, height = self._image.width(), self._image.height()
        target = QRectF(*self._origin, width * self._cell_px, height * self._cell_height_px)
        painter.drawImage(target, self._image, QRectF(self._image.rect()))
