"""The slides opened last, as thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QListView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.item_views import KeyedList, row_state
from viewer.ui.recent import folders_of
from viewer.ui.slides.thumbnails import PICTURE_SIZE, Thumbnails
from viewer.ui.theme import current_theme
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QKeyEvent, QResizeEvent

    from viewer.ui.rows_model import Index

_MARGIN_PX = 6
_TEXT_PX = 36
TILE = PICTURE_SIZE + QSize(2 * _MARGIN_PX, 2 * _MARGIN_PX + _TEXT_PX)
_MOST_ROWS = 2
SLACK_PX = 8
"""Without some room beside them, tiles go to the next row."""


class RecentModel(QAbstractListModel):
    """A tile a slide; its thumbnail is made in the background once the tile is painted."""

    PATH_ROLE = Qt.ItemDataRole.UserRole
    FOLDER_ROLE = Qt.ItemDataRole.UserRole + 1

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.paths: list[Path] = []
        self.thumbnails = Thumbnails(self)
        self._folders: list[str] = []
        self.thumbnails.changed.connect(self._on_picture)

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Show these slides instead of those before."""
        for path in paths:
            self.thumbnails.look_again(path)
        if list(paths) == self.paths:
            return
        self.beginResetModel()
        self.thumbnails.forget_wishes()
        self.paths, self._folders = list(paths), folders_of(paths)
        self.endResetModel()

    @guarded(0)
    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.paths)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        path, folder = self.paths[index.row()], self._folders[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return path.name
            case Qt.ItemDataRole.ToolTipRole:
                lines = (str(path), self.thumbnails.reason(path))
                return plain_tip("\n".join(filter(None, lines)))
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"Open recent slide {path.name} in {folder}"
            case Qt.ItemDataRole.DecorationRole:
                return self.thumbnails.picture(path)
            case self.PATH_ROLE:
                return path
            case self.FOLDER_ROLE:
                return folder
            case _:
                return None

    def _on_picture(self, path: Path) -> None:
        if path in self.paths:
            index = self.index(self.paths.index(path))
            self.dataChanged.emit(index, index)


class RecentView(KeyedList):
    """Up to two rows of tiles; a click or Enter opens one."""

    chosen = Signal(object)
    """The Path of a slide."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.recent = RecentModel(self)
        self.setModel(self.recent)
        self.setItemDelegate(_TileDelegate(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSpacing(0)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setObjectName("recent")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Recent slides")
        self.clicked.connect(self._choose)

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Show these slides, as many as two rows hold."""
        self.recent.thumbnails.set_device_pixel_ratio(self.devicePixelRatioF())
        self.recent.set_paths(paths)
        self._fit()

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.currentIndex())
        else:
            super().keyPressEvent(event)

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Take the height that the tiles need; what is beyond two rows is in the menu."""
        columns = max(1, (self.width() - SLACK_PX) // TILE.width())
        rows = min(_MOST_ROWS, -(-self.recent.rowCount() // columns))
        for row in range(self.recent.rowCount()):
            self.setRowHidden(row, row >= columns * _MOST_ROWS)
        self.setFixedHeight(max(1, rows) * TILE.height())

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(index.data(RecentModel.PATH_ROLE))


class _TileDelegate(QStyledItemDelegate):
    """The picture, the name under it, and the folder."""

    @guarded(QSize())
    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return TILE

    @guarded()
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme, model = current_theme(), index.model()
        assert isinstance(model, RecentModel)
        rect: QRect = option.rect.adjusted(1, 1, -1, -1)
        state = row_state(option)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state.has_focus or state.is_under_mouse:
            painter.setPen(QColor(theme.accent if state.has_focus else theme.border))
            painter.setBrush(QColor(theme.panel))
            painter.drawRoundedRect(rect, 4, 4)
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        size = picture.deviceIndependentSize().toSize()
        place = QRect(rect.left(), rect.top() + _MARGIN_PX, rect.width(), PICTURE_SIZE.height())
        painter.drawPixmap(place.center() - QRect(0, 0, *size.toTuple()).center(), picture)
        metrics = option.fontMetrics
        line = QRect(rect.left() + 4, place.bottom() + 4, rect.width() - 8, metrics.height())
        folder = index.data(RecentModel.FOLDER_ROLE)
        is_there = not model.thumbnails.reason(index.data(RecentModel.PATH_ROLE))
        for text, color, elide in (
            (
                index.data(),
                theme.text if is_there else theme.dim_text,
                Qt.TextElideMode.ElideMiddle,
            ),
            (folder, theme.dim_text, Qt.TextElideMode.ElideLeft),
        ):
            painter.setPen(QColor(color))
            shown = metrics.elidedText(text, elide, line.width())
            painter.drawText(line, Qt.AlignmentFlag.AlignCenter, shown)
            line.translate(0, metrics.height())
        painter.restore()
