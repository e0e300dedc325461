"""A veil over the slide, under all that lies on it: the slide fades to the gray round it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor

from viewer.canvas.tile_painting import SURROUND

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter

    from viewer.canvas.layer import Scene


class SlideVeil:
    """Paints the gray of the surround over the slide, the more the less of it is to be seen."""

    def __init__(self) -> None:
        self.slide_opacity = 1.0
        """How clearly the slide is seen while it is shown, 0 to 1."""
        self.is_slide_shown = True

    @property
    def shown_name(self) -> str:
        """Return its name for the recording: a reader who looks at half a slide sees less."""
        if not self.is_slide_shown:
            return "slide hidden"
        return "slide faded" if self.slide_opacity < 1.0 else ""

    def set_slide_opacity(self, opacity: float) -> None:
        """Show the slide as clearly as this, 0 to 1."""
        self.slide_opacity = opacity

    def show_slide(self, *, shown: bool) -> None:
        """Show the slide, or nothing but what lies on it."""
        self.is_slide_shown = shown

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the veil over the field of view."""
        seen = self.slide_opacity if self.is_slide_shown else 0.0
        if seen < 1.0:
            veil = QColor(SURROUND)
            veil.setAlphaF(1.0 - seen)
            painter.fillRect(QRectF(0, 0, *scene.view.size), veil)
