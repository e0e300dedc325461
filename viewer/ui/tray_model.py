"""The slides of a tray and their thumbnails, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap

from viewer.slides.errors import SlideError, TileError
from viewer.slides.opener import open_slide
from viewer.slides.tray import thumbnail
from viewer.ui.background import Background, Task
from viewer.ui.images import fitted, to_image
from viewer.ui.theme import current_theme, icon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

PICTURE_SIZE = QSize(132, 100)
_MOST_PICTURES = 300
"""Of about 50 kB each."""
_MOST_WAITING = 40
"""Older wishes are dropped: the user has scrolled on."""
_THREADS = 2

_Index = QModelIndex | QPersistentModelIndex


class TrayModel(QAbstractListModel):
    """One row a slide. A thumbnail is asked for when its row is first painted."""

    PATH_ROLE = Qt.ItemDataRole.UserRole

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.paths: list[Path] = []
        self._pictures: OrderedDict[Path, QPixmap] = OrderedDict()
        self._reasons: dict[Path, str] = {}
        self._wishes: OrderedDict[Path, Task] = OrderedDict()
        self._ratio = 1.0
        self._background = Background("thumbnails", _THREADS, self)

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Shows these slides instead of those before."""
        self.beginResetModel()
        self._background.cancel_waiting()
        for task in self._wishes.values():
            task.cancel()
        self._wishes.clear()
        self._reasons.clear()
        self.paths = list(paths)
        self.endResetModel()

    def set_device_pixel_ratio(self, ratio: float) -> None:
        """Makes thumbnails as fine as the screen; call it before they are asked for."""
        self._ratio = ratio

    def reason(self, path: Path) -> str:
        """Why the slide has no thumbnail; empty while none is known."""
        return self._reasons.get(path, "")

    def shut_down(self) -> None:
        self._background.close()

    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.paths)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        path = self.paths[index.row()]
        reason = self.reason(path)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return path.name
            case Qt.ItemDataRole.ToolTipRole:
                return f"{path}\n{reason}" if reason else str(path)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{path.name}, {reason}" if reason else path.name
            case Qt.ItemDataRole.ForegroundRole:
                return QColor(current_theme().dim_text) if reason else None
            case Qt.ItemDataRole.DecorationRole:
                return self._picture(path)
            case self.PATH_ROLE:
                return path
            case _:
                return None

    def _picture(self, path: Path) -> QPixmap:
        if path in self._pictures:
            self._pictures.move_to_end(path)
            return self._pictures[path]
        if path in self._reasons:
            return _sign("mdi6.image-broken-variant")
        if path not in self._wishes:
            self._wish(path)
        return _sign("mdi6.image-outline")

    def _wish(self, path: Path) -> None:
        while len(self._wishes) >= _MOST_WAITING:
            _, task = self._wishes.popitem(last=False)
            task.cancel()
        size = PICTURE_SIZE * self._ratio
        self._wishes[path] = self._background.run(
            lambda: _thumbnail(path, size),
            lambda image: self._on_made(path, image),
            lambda error: self._on_failed(path, error),
        )

    def _on_made(self, path: Path, image: QImage) -> None:
        self._wishes.pop(path, None)
        picture = QPixmap.fromImage(image)
        picture.setDevicePixelRatio(self._ratio)
        self._pictures[path] = picture
        while len(self._pictures) > _MOST_PICTURES:
            self._pictures.popitem(last=False)
        self._tell_changed(path)

    def _on_failed(self, path: Path, error: Exception) -> None:
        self._wishes.pop(path, None)
        known = isinstance(error, SlideError | TileError)
        self._reasons[path] = str(error) if known else f"It cannot be read ({error})."
        self._tell_changed(path)

    def _tell_changed(self, path: Path) -> None:
        if path in self.paths:
            index = self.index(self.paths.index(path))
            self.dataChanged.emit(index, index)


def _thumbnail(path: Path, size: QSize) -> QImage:
    """The whole slide, fitted to `size`; raises SlideError and is for worker threads."""
    source = open_slide(path)
    try:
        return fitted(to_image(thumbnail(source, max(size.width(), size.height()))), size)
    finally:
        source.close()


def _sign(name: str) -> QPixmap:
    """An icon in the middle of a picture's place."""
    picture = QPixmap(PICTURE_SIZE)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    side = PICTURE_SIZE.height() // 2
    sign = icon(name).pixmap(side, side)
    painter.drawPixmap((picture.width() - side) // 2, (picture.height() - side) // 2, sign)
    painter.end()
    return picture
