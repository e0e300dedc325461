"""Small pictures of the fields of highest value; a click travels there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem, QWidget

from viewer.slides import TileError
from viewer.slides.region import read_region
from viewer.ui.background import Background
from viewer.ui.images import to_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QImage

    from viewer.geometry import Box
    from viewer.slides.source import SlideSource

_SIDE_PX = 64


class Gallery(QListWidget):
    """Reads its pictures off the window's thread."""

    travel_requested = Signal(object)
    """A level-0 box."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Best fields")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setIconSize(QSize(_SIDE_PX, _SIDE_PX))
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSpacing(3)
        self._background = Background("gallery", 1, self)
        self._boxes: list[Box] = []
        self.hide()
        self.itemActivated.connect(self._travel)
        self.itemClicked.connect(self._travel)

    def show_fields(self, source: SlideSource | None, fields: Sequence[tuple[Box, str]]) -> None:
        """Shows boxes of a slide with what is said of each."""
        boxes = [box for box, _ in fields]
        is_same = boxes == self._boxes
        self._boxes = boxes
        if is_same:
            for row, (_, text) in enumerate(fields):
                self.item(row).setText(text)
            return
        self._background.cancel_waiting()
        self.clear()
        self.setVisible(bool(fields) and source is not None)
        if source is None:
            return
        blank = QPixmap(_SIDE_PX, _SIDE_PX)
        blank.fill(Qt.GlobalColor.transparent)
        for box, text in fields:
            item = QListWidgetItem(QIcon(blank), text, self)
            item.setData(Qt.ItemDataRole.UserRole, box)
            self._background.run(
                lambda box=box: _picture(source, box),
                lambda image, box=box: self._show_picture(box, image),
                lambda _: None,
            )

    def close_reading(self) -> None:
        self._background.close()

    def _show_picture(self, box: Box, image: QImage) -> None:
        for row in range(self.count()):
            if self.item(row).data(Qt.ItemDataRole.UserRole) == box:
                self.item(row).setIcon(QIcon(QPixmap.fromImage(image)))

    def _travel(self, item: QListWidgetItem) -> None:
        self.travel_requested.emit(item.data(Qt.ItemDataRole.UserRole))


def _picture(source: SlideSource, box: Box) -> QImage:
    try:
        return to_image(read_region(source, box, _SIDE_PX, _SIDE_PX)).copy()
    except TileError:
        return to_image(read_region(source, box.grown(-box.width), _SIDE_PX, _SIDE_PX))
