"""A folder of slides as a tray of thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import (
    QLabel,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.shell.panel import Panel
from viewer.ui.slides.thumbnails import PICTURE_SIZE
from viewer.ui.slides.tray_model import TrayModel
from viewer.ui.theme import current_theme
from viewer.ui.widgets import KeyedList

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MARGIN_PX = 8
_TEXT_HEIGHT_PX = 34


class TrayPanel(Panel):
    """Shows the slides of a folder, or a list of slides; Enter or a double click opens one.

    A folder with a single slide opens it at once.
    """

    open_requested = Signal(object)
    """The Path of the slide to open."""
    slides_changed = Signal(int)
    """How many slides the tray now holds."""
    folder_failed = Signal(str)
    """One sentence: why a folder cannot be shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Folder", parent)
        self.setObjectName("tray")
        self.folder: Path | None = None
        self._task: Task | None = None
        self._background = BackgroundRunner("list folder", 2, self)
        self.model = TrayModel(self)
        self.view = KeyedList(self)
        self.view.setModel(self.model)
        self.view.setItemDelegate(_ThumbnailDelegate(self.view))
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setUniformItemSizes(True)
        self.view.setSpacing(2)
        self.view.setMouseTracking(True)
        self.view.setAccessibleName("Slides of the tray")
        self.view.activated.connect(self._on_activated)
        self._caption = QLabel(self)
        self._caption.setTextFormat(Qt.TextFormat.PlainText)
        self._caption.setProperty("dim", "true")
        self._caption.setContentsMargins(6, 4, 6, 4)
        self._caption.setWordWrap(True)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._caption)
        layout.addWidget(self.view, 1)
        self.set_body(body)
        self.setFocusProxy(self.view)
        self._tell("Open or drop a folder to see its slides here.")

    def show_folder(self, folder: Path) -> None:
        """Lists a folder in a thread and shows the slides in it."""
        from viewer.slides.tray import slides_in

        if self._task is not None:
            self._task.cancel()
        self._tell(f"Looking for slides in {folder.name}...")
        self._task = self._background.run(
            lambda: slides_in(folder),
            lambda paths: self._on_listed(folder, paths),
            lambda error: self._on_failed(folder, error),
        )

    def show_slides(self, paths: Sequence[Path]) -> None:
        """Shows these slides, wherever they lie."""
        self.folder = None
        self._show(paths, f"{len(paths)} slides")

    def mark(self, path: Path) -> None:
        """Makes the row of an opened slide the current one."""
        if path in self.model.paths:
            index = self.model.index(self.model.paths.index(path))
            self.view.setCurrentIndex(index)

    def step(self, step: int) -> None:
        """Opens the slide `step` rows after the current one, within the tray's ends."""
        if not self.model.paths:
            return
        current = self.view.currentIndex()
        row = current.row() + step if current.isValid() else 0
        row = min(max(row, 0), len(self.model.paths) - 1)
        if not current.isValid() or row != current.row():
            self.view.setCurrentIndex(self.model.index(row))
            self.open_requested.emit(self.model.paths[row])

    def shut_down(self) -> None:
        self._background.close()
        self.model.shut_down()

    def _on_listed(self, folder: Path, paths: list[Path]) -> None:
        self._task = None
        if not paths:
            sentence = f"There is no slide in the folder {folder.name}: choose another one."
            self._tell(sentence)
            self.folder_failed.emit(sentence)
            return
        self.folder = folder
        count = "1 slide" if len(paths) == 1 else f"{len(paths)} slides"
        self._show(paths, f"{folder.name}: {count}")
        if len(paths) == 1:
            self.open_requested.emit(paths[0])

    def _on_failed(self, folder: Path, error: Exception) -> None:
        self._task = None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        sentence = f"The folder {folder.name} cannot be read ({reason}): see that you may open it."
        self._tell(sentence)
        self.folder_failed.emit(sentence)

    def _show(self, paths: Sequence[Path], caption: str) -> None:
        self.model.thumbnails.set_device_pixel_ratio(self.devicePixelRatioF())
        from viewer.studies.worklist import file_entries

        self.model.set_paths([each.slide for each in file_entries(paths)])
        self._tell(caption)
        self.slides_changed.emit(len(paths))

    def _tell(self, caption: str) -> None:
        self._caption.setText(caption)

    def _on_activated(self, index: QModelIndex) -> None:
        self.open_requested.emit(index.data(TrayModel.PATH_ROLE))


class _ThumbnailDelegate(QStyledItemDelegate):
    """The picture, the name under it, and the reason where there is no picture."""

    @guarded(QSize())
    def sizeHint(
        self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return PICTURE_SIZE + QSize(2 * _MARGIN_PX, 2 * _MARGIN_PX + _TEXT_HEIGHT_PX)

    @guarded()
    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        theme = current_theme()
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if selected or focused or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QColor(theme.accent if selected or focused else theme.line))
            painter.setBrush(QColor(theme.panel))
            painter.drawRoundedRect(rect, 4, 4)
        picture: QPixmap = index.data(Qt.ItemDataRole.DecorationRole)
        size = picture.deviceIndependentSize().toSize()
        place = QRect(rect.left(), rect.top() + _MARGIN_PX - 2, rect.width(), PICTURE_SIZE.height())
        corner = place.center() - QRect(0, 0, size.width(), size.height()).center()
        painter.drawPixmap(corner, picture)
        self._paint_text(painter, option, index, rect)
        painter.restore()

    def _paint_text(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
        rect: QRect,
    ) -> None:
        theme = current_theme()
        model = index.model()
        assert isinstance(model, TrayModel)
        metrics = option.fontMetrics
        line = QRect(rect.left() + 4, 0, rect.width() - 8, metrics.height())
        line.moveTop(rect.bottom() - _TEXT_HEIGHT_PX)
        name = metrics.elidedText(index.data(), Qt.TextElideMode.ElideMiddle, line.width())
        painter.setPen(QColor(theme.text))
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, name)
        reason = model.reason(index.data(TrayModel.PATH_ROLE))
        if reason:
            line.translate(0, metrics.height())
            painter.setPen(QColor(theme.dim_text))
            short = metrics.elidedText(reason, Qt.TextElideMode.ElideRight, line.width())
            painter.drawText(line, Qt.AlignmentFlag.AlignCenter, short)
