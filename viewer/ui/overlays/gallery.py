"""Small pictures of the fields of highest value; a click travels there."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem, QWidget

from viewer.canvas.tile_picture import rgb_to_qimage
from viewer.slides.displayed import shown_region
from viewer.ui.background_runner import BackgroundRunner, Urgency
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QImage

    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Box
    from viewer.slides.source import SlideSource

_SIDE_PX = 64
_CELLS_SHOWN = 3
"""Side of a field that is traveled to, in fields."""


class GalleryField(msgspec.Struct, frozen=True):
    """A level-0 box and what is said of it.

    Attributes
    ----------
    slide
        Where it is not of the slide at hand.
    tip
        What is said of that slide under the cursor.
    identity
        Of that slide, which may have left its place to another.
    """

    box: Box
    text: str
    slide: Path | None = None
    tip: str = ""
    identity: str = ""


class Gallery(QListWidget):
    """Reads its pictures off the window's thread."""

    travel_requested = Signal(object)
    """A GalleryField."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setIconSize(QSize(_SIDE_PX, _SIDE_PX))
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSpacing(3)
        self._background = BackgroundRunner("gallery", 1, self)
        self._fields: list[GalleryField] = []
        self.hide()
        self.itemActivated.connect(self._travel)
        self.itemClicked.connect(self._travel)

    def show_fields(self, source: SlideSource | None, fields: Sequence[GalleryField]) -> None:
        """Show fields of a slide, or of those that they name."""
        is_same = [(f.box, f.slide) for f in fields] == [(f.box, f.slide) for f in self._fields]
        self._fields = list(fields)
        if is_same:
            for row, field in enumerate(fields):
                self.item(row).setText(field.text)
                self.item(row).setToolTip(plain_tip(field.tip))
            return
        self._background.cancel_waiting()
        self.clear()
        self.setVisible(bool(fields))
        blank = QPixmap(_SIDE_PX, _SIDE_PX)
        blank.fill(Qt.GlobalColor.transparent)
        for field in fields:
            item = QListWidgetItem(QIcon(blank), field.text, self)
            item.setData(Qt.ItemDataRole.UserRole, field)
            item.setToolTip(plain_tip(field.tip))
            self._background.run(
                lambda field=field: _picture(source, field),
                lambda image, field=field: self._show_picture(field, image),
                lambda _: None,
                urgency=Urgency.IN_SIGHT,
            )

    def close_reading(self) -> None:
        self._background.close()

    def _show_picture(self, field: GalleryField, image: QImage) -> None:
        for row in range(self.count()):
            if self.item(row).data(Qt.ItemDataRole.UserRole) == field:
                self.item(row).setIcon(QIcon(QPixmap.fromImage(image)))

    def _travel(self, item: QListWidgetItem) -> None:
        self.travel_requested.emit(item.data(Qt.ItemDataRole.UserRole))


def _picture(source: SlideSource | None, field: GalleryField) -> QImage:
    from viewer.slides.known_slides import open_same

    if field.slide is not None:
        with closing(open_same(field.slide, field.identity)) as other:
            return _field_picture(other, field)
    assert source is not None
    return _field_picture(source, field)


def _field_picture(source: SlideSource, field: GalleryField) -> QImage:
    return rgb_to_qimage(shown_region(source, field.box, _SIDE_PX, _SIDE_PX))


def travel_to(canvas: SlideCanvas, box: Box) -> None:
    """Show a field with what lies round it."""
    wide = box.grown((_CELLS_SHOWN - 1) / 2 * box.width)
    canvas.go_to(box.center, canvas.view.showing(wide).downsample)
