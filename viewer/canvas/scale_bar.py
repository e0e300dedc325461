"""The scale bar: a round length in um or mm, in pixels where the slide's scale is unknown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from viewer.annotations.pixel_calibration import PixelCalibration

if TYPE_CHECKING:
    from viewer.canvas.layer import Scene

_LONGEST_PX = 200.0
_MARGIN_PX = 14.0
_PADDING_PX = 8.0


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 x 10^n that is at most `longest` (any unit, above 0)."""
    decade = 10.0 ** math.floor(math.log10(longest))
    return max(step * decade for step in (1.0, 2.0, 5.0) if step * decade <= longest * (1 + 1e-9))


def length_text(length: float, unit: str) -> str:
    """`length` in um or px in the unit that reads best, such as "500 µm", "2 mm"."""
    if unit == "um":
        return f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    return f"{length:,.0f} px" if length >= 1 else f"{length:g} px"


class ScaleBar:
    """At the lower left; reads on any background."""

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint bar and length."""
        calibration = PixelCalibration(scene.optics.mpp_um)
        # Pixels may be oblong and the view turned: what counts is the way across the screen.
        per_screen_px = calibration.length(*scene.view.slide_delta(1.0, 0.0))
        length = round_length(_LONGEST_PX * per_screen_px)
        bar_px = length / per_screen_px
        text = length_text(length, calibration.unit)

        font = QFont(painter.font())
        font.setPixelSize(13)
        font.setBold(True)
        text_px = QFontMetricsF(font).horizontalAdvance(text)
        width = max(bar_px, text_px) + 2 * _PADDING_PX
        box = QRectF(_MARGIN_PX, scene.view.size.height - _MARGIN_PX - 40, width, 40)

        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 215))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(QColor(20, 20, 20))
        painter.setFont(font)
        above = QRectF(box.x(), box.y() + 4, box.width(), 18)
        painter.drawText(above, Qt.AlignmentFlag.AlignCenter, text)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setPen(QPen(QColor(20, 20, 20), 2))
        x, y = box.x() + (width - bar_px) / 2, box.bottom() - 10
        painter.drawLine(round(x), round(y), round(x + bar_px), round(y))
        for end in (x, x + bar_px):
            painter.drawLine(round(end), round(y - 5), round(end), round(y + 4))
