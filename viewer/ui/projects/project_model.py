"""The slides of a project as rows, filtered; how a row is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from viewer.canvas.qt_guard import guarded
from viewer.ui.slides.thumbnails import Thumbnails
from viewer.ui.theme import current_theme, icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from viewer.studies.cases import CasePlace
    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject

PICTURE_SIZE = QSize(76, 56)
_MARGIN_PX = 6
_ICON_PX = 15
MISSING = "missing"
STATE_NAMES = {"to do": "To do", "in work": "In work", "done": "Done", MISSING: "Missing"}
STATE_ICONS = {
    "to do": "mdi6.circle-outline",
    "in work": "mdi6.circle-half-full",
    "done": "mdi6.check-circle",
    MISSING: "mdi6.file-question-outline",
}

_Index = QModelIndex | QPersistentModelIndex


class ProjectModel(QAbstractListModel):
    """A row a slide that the filter lets through; the open slide is always there."""

    SLIDE_ROLE = Qt.ItemDataRole.UserRole

    def __init__(self, opened: OpenProject, parent: QWidget) -> None:
        super().__init__(parent)
        self.slides: list[ProjectSlide] = []
        self.places: dict[str, CasePlace] = {}
        """Case, block and stain, by the identity of the slide."""
        self.current = ""
        """Identity of the slide in the active pane."""
        self.thumbnails = Thumbnails(self, PICTURE_SIZE)
        self._opened = opened
        self._asked_rows: dict[Path, set[int]] = {}
        """Rows whose picture was asked for, so that one that comes need not look for them."""
        self._is_shown: Callable[[ProjectSlide], bool] = lambda _: True
        self.thumbnails.changed.connect(self._on_picture)

    def set_filter(self, is_shown: Callable[[ProjectSlide], bool]) -> None:
        self._is_shown = is_shown
        self.refresh()

    def refresh(self) -> None:
        """Shows the project as it is now; rows that stay keep their selection."""
        entries = [
            each
            for each in self._opened.entries()
            if self._is_shown(each.slide) or each.key == self.current
        ]
        slides = [each.slide for each in entries]
        self.places = {each.key: each.place for each in entries}
        same = [slide.identity for slide in slides] == [slide.identity for slide in self.slides]
        if same:
            self.slides = slides
            if slides:
                self.dataChanged.emit(self.index(0), self.index(len(slides) - 1))
            return
        self.beginResetModel()
        self.slides = slides
        self._asked_rows.clear()
        self.endResetModel()

    def begins_case(self, row: int) -> bool:
        """Return whether the slide of a row is the first of a case, or the first of none."""
        cases = [self.places[self.slides[at].identity].case for at in (row - 1, row)]
        return row > 0 and cases[0] != cases[1]

    def row_of(self, identity: str) -> int:
        """-1 where it is not shown."""
        rows = (row for row, slide in enumerate(self.slides) if slide.identity == identity)
        return next(rows, -1)

    def name_of(self, slide: ProjectSlide) -> str:
        """Return what a slide is called before who reads now."""
        return self._opened.name_of(slide)

    def state_of(self, slide: ProjectSlide) -> str:
        """As rows show it: a missing slide is just that."""
        return MISSING if slide.identity in self._opened.missing else slide.state

    @guarded(0)
    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.slides)

    @guarded()
    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        slide = self.slides[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._opened.name_of(slide)
            case Qt.ItemDataRole.ToolTipRole:
                reason = self.thumbnails.reason(self._opened.path_of(slide))
                place = self.places[slide.identity].text
                path = self._opened.path_of(slide)
                where = "" if self._opened.hides_names() else str(path)
                lines = (where, place, reason, slide.note)
                return plain_tip("\n".join(filter(None, lines)))
            case Qt.ItemDataRole.AccessibleTextRole:
                place = self.places[slide.identity].text
                state = STATE_NAMES[self.state_of(slide)]
                words = (self._opened.name_of(slide), place, state, slide.assignee)
                return ", ".join(filter(None, words))
            case Qt.ItemDataRole.DecorationRole:
                if slide.identity in self._opened.missing:
                    return self.thumbnails.sign(STATE_ICONS[MISSING])
                path = self._opened.path_of(slide)
                self._asked_rows.setdefault(path, set()).add(index.row())
                return self.thumbnails.picture(path)
            case self.SLIDE_ROLE:
                return slide
            case _:
                return None

    def _on_picture(self, path: Path) -> None:
        for row in self._asked_rows.get(path, ()):
            self.dataChanged.emit(self.index(row), self.index(row))


class SlideRowDelegate(QStyledItemDelegate):
    """The picture at the left; name, state and assignee, and the note beside it."""

    @guarded(QSize())
    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return PICTURE_SIZE + QSize(3 * _MARGIN_PX, 2 * _MARGIN_PX)

    @guarded()
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        theme, model = current_theme(), index.model()
        assert isinstance(model, ProjectModel)
        slide: ProjectSlide = index.data(ProjectModel.SLIDE_ROLE)
        rect: QRect = option.rect.adjusted(2, 1, -2, -1)
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if is_selected or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QColor(theme.accent if is_selected else theme.line))
            painter.setBrush(QColor(theme.panel))
            painter.drawRoundedRect(rect, 4, 4)
        if model.begins_case(index.row()):
            painter.setPen(QColor(theme.accent))
            painter.drawLine(option.rect.topLeft(), option.rect.topRight())
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        size = picture.deviceIndependentSize().toSize()
        place = QRect(rect.left() + _MARGIN_PX, rect.top(), PICTURE_SIZE.width(), rect.height())
        painter.drawPixmap(place.center() - QRect(0, 0, *size.toTuple()).center(), picture)
        left = place.right() + 2 * _MARGIN_PX
        text = QRect(left, rect.top(), rect.right() - left - _MARGIN_PX, rect.height())
        self._paint_text(painter, option, text, slide, model)
        painter.restore()

    def _paint_text(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        text: QRect,
        slide: ProjectSlide,
        model: ProjectModel,
    ) -> None:
        theme, state = current_theme(), model.state_of(slide)
        height = option.fontMetrics.height()
        place = model.places[slide.identity].text
        lines = 2 + bool(place) + bool(slide.note)
        top = text.top() + (text.height() - lines * height) // 2
        line = QRect(text.left(), top, text.width(), height)
        font = option.font
        font.setBold(slide.identity == model.current)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        _draw(painter, line, model.name_of(slide), Qt.TextElideMode.ElideMiddle)
        font.setBold(False)
        painter.setFont(font)
        painter.setPen(QColor(theme.dim_text))
        if place:
            line.translate(0, height)
            _draw(painter, line, place, Qt.TextElideMode.ElideRight)
        line.translate(0, height)
        sign = icon(STATE_ICONS[state]).pixmap(_ICON_PX, _ICON_PX)
        painter.drawPixmap(line.left(), line.top() + (height - _ICON_PX) // 2, sign)
        words = " - ".join(filter(None, (STATE_NAMES[state], slide.assignee)))
        _draw(painter, line.adjusted(_ICON_PX + 5, 0, 0, 0), words, Qt.TextElideMode.ElideRight)
        if slide.note:
            line.translate(0, height)
            first = slide.note.partition("\n")[0]
            _draw(painter, line, first, Qt.TextElideMode.ElideRight)


def _draw(painter: QPainter, line: QRect, text: str, elide: Qt.TextElideMode) -> None:
    shown = painter.fontMetrics().elidedText(text, elide, line.width())
    painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
