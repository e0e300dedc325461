"""Color keys: classes as squares with their names, values as a ramp with its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from viewer.ui.view.layer_entries import Ramp

_ROW_PX, _SWATCH_PX, _GAP_PX = 18, 11, 14
_RAMP_PX = 8


class ClassKey(QWidget):
    """A square of its color before the name of each class, in as many rows as the width asks for.

    Names are text: nothing in them is markup.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._classes: tuple[tuple[str, str], ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    def show_classes(self, classes: Sequence[tuple[str, str]]) -> None:
        """Show names and colors ("#rrggbb"; "" for one that is not painted); none hides the key."""
        self._classes = tuple(classes)
        names = [name if color else f"{name} (not painted)" for name, color in self._classes]
        self.setAccessibleName(f"Color key: {', '.join(names)}" if names else "")
        self.setVisible(bool(self._classes))
        self._fit()
        self.update()

    @property
    def classes(self) -> tuple[tuple[str, str], ...]:
        return self._classes

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(self.width(), 120)))

    @guarded(0)
    def heightForWidth(self, width: int) -> int:
        places = self._places(width)
        return places[-1].bottom() + 1 if places else 0

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text, border = self.palette().windowText().color(), self.palette().mid().color()
        for place, (name, color) in zip(self._places(self.width()), self._classes, strict=True):
            top = place.top() + (place.height() - _SWATCH_PX) // 2
            square = QRect(place.left(), top, _SWATCH_PX, _SWATCH_PX)
            if color:
                painter.fillRect(square, QColor(color))
            painter.setPen(border)
            painter.drawRect(square.adjusted(0, 0, -1, -1))
            painter.setPen(text)
            words = QRect(square.right() + 6, place.top(), place.width(), place.height())
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, self._shown(name, color))

    @staticmethod
    def _shown(name: str, color: str) -> str:
        return name if color else f"{name} (not painted)"

    def _places(self, width: int) -> list[QRect]:
        """Return where each class stands."""
        places: list[QRect] = []
        x = y = 0
        for name, color in self._classes:
            words_px = self.fontMetrics().horizontalAdvance(self._shown(name, color))
            wide = _SWATCH_PX + 6 + words_px
            if x and x + wide > width:
                x, y = 0, y + _ROW_PX
            places.append(QRect(x, y, wide, _ROW_PX))
            x += wide + _GAP_PX
        return places

    def _fit(self) -> None:
        self.setFixedHeight(max(1, self.heightForWidth(max(self.width(), 1))))


class RampKey(QWidget):
    """The colors of values from low to high, with what the ends stand for."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._image = QImage()
        self.ends = ("", "")
        self.setFixedHeight(_RAMP_PX + _ROW_PX + 2)
        self.hide()

    def show_ramp(self, ramp: Ramp | None) -> None:
        """Show the colors and the two ends; None hides the key."""
        self.setVisible(ramp is not None)
        if ramp is None:
            return
        self.ends = ramp.ends
        self._image = QImage(len(ramp.colors), 1, QImage.Format.Format_RGB32)
        for index, color in enumerate(ramp.colors):
            self._image.setPixelColor(index, 0, QColor(color))
        self.setAccessibleName(f"Color key: from {ramp.ends[0]} to {ramp.ends[1]}")
        self.update()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawImage(QRect(0, 0, self.width(), _RAMP_PX), self._image)
        painter.setPen(self.palette().windowText().color())
        words = self.rect().adjusted(0, _RAMP_PX + 2, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, self.ends[0])
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, self.ends[1])
