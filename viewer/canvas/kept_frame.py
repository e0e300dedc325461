"""What the last paint showed, kept for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QPainter


class KeptFrame:
    """A picture that is moved without moving its pixels.

    What leaves on one side is where the strip on the other side comes in, as on a torus.
    """

    def __init__(self) -> None:
        self.picture = QImage()
        self._x = self._y = 0
        """Where the upper left corner of what is shown lies in the picture."""

    def begin(self, size: QSize) -> None:
        """Take up another size; what is held counts no more."""
        if self.picture.size() != size:
            self.picture = QImage(size, QImage.Format.Format_RGB32)
        self._x = self._y = 0

    def move(self, by: QPoint) -> None:
        """Show all that is held at another place."""
        self._x = (self._x - by.x()) % self.picture.width()
        self._y = (self._y - by.y()) % self.picture.height()

    def parts(self, place: QRect) -> Iterator[tuple[QRect, QPoint]]:
        """Yield the rectangles of the picture that hold a place, each with its way from there."""
        width, height = self.picture.width(), self.picture.height()
        for y in (self._y, self._y - height):
            for x in (self._x, self._x - width):
                part = place.translated(x, y).intersected(self.picture.rect())
                if not part.isEmpty():
                    yield part, QPoint(x, y)

    def show(self, painter: QPainter) -> None:
        """Paint what is held where it belongs."""
        for part, shift in self.parts(self.picture.rect()):
            painter.drawImage(part.topLeft() - shift, self.picture, part)
