"""How a slide is painted as a row of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from viewer.canvas.qt_guard import guarded
from viewer.studies.worklist import letters
from viewer.ui.item_views import row_state
from viewer.ui.slides.slide_list import STATE_ICONS, STATE_NAMES, SlideListModel
from viewer.ui.theme import current_theme, icon

if TYPE_CHECKING:
    from viewer.ui.rows_model import Index

PICTURE_SIZE = QSize(64, 56)
_MARGIN_PX = 6
_ICON_PX = 14
_MARK_PX = 3


class SlideRowDelegate(QStyledItemDelegate):
    """The picture at the left; case, name, state and note beside it.

    The first slide of a case has a line over it and the case's name. All rows are of one height,
    so that a list of thousands is laid out without asking for any.
    """

    @guarded(QSize())
    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(PICTURE_SIZE.width() * 2, PICTURE_SIZE.height() + 2 * _MARGIN_PX)

    @guarded()
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme, model = current_theme(), index.model()
        assert isinstance(model, SlideListModel)
        rect: QRect = option.rect
        state = row_state(option)
        is_shown = model.keys[index.row()] == model.current
        painter.save()
        if state.is_selected:
            painter.fillRect(rect, QColor(theme.selection))
        elif state.is_under_mouse:
            painter.fillRect(rect, QColor(theme.panel))
        if model.begins_case(index.row()) and index.row():
            painter.setPen(QColor(theme.border))
            painter.drawLine(rect.topLeft(), rect.topRight())
        if is_shown:
            painter.fillRect(rect.left(), rect.top(), _MARK_PX, rect.height(), theme.accent)
        if state.has_focus:
            painter.setPen(QColor(theme.accent))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        size = picture.deviceIndependentSize().toSize()
        left = rect.left() + _MARK_PX + _MARGIN_PX
        place = QRect(left, rect.top(), PICTURE_SIZE.width(), rect.height())
        painter.drawPixmap(place.center() - QRect(0, 0, *size.toTuple()).center(), picture)
        left = place.right() + 2 * _MARGIN_PX
        text = QRect(left, rect.top(), rect.right() - left - _MARGIN_PX, rect.height())
        self._paint_text(painter, option, text, model, index.row())
        painter.restore()

    def _paint_text(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        text: QRect,
        model: SlideListModel,
        number: int,
    ) -> None:
        theme, slide = current_theme(), model.slide(number)
        place, reason = slide.place, model.reason(number)
        heading = place.case if model.begins_case(number) else ""
        part = " · ".join(filter(None, (place.block, place.stain)))
        name = place.short_name(slide.name)
        if letters(name) == letters(part):
            part = ""
        remark = reason or slide.note.partition("\n")[0]
        height = option.fontMetrics.height()
        # Name and state are always told; of the others what there is room for.
        has_state = bool(slide.state)
        room = text.height() // height - 1 - has_state
        told = [bool(each) for each in (heading, part, remark)]
        for at in (1, 2, 0):
            if sum(told) > room:
                told[at] = False
        heading, part, remark = (
            each if is_told else ""
            for each, is_told in zip((heading, part, remark), told, strict=True)
        )
        lines = 1 + has_state + sum(told)
        line = QRect(
            text.left(), text.top() + (text.height() - lines * height) // 2, text.width(), height
        )
        font = option.font

        def write(words: str, color: str, elide: Qt.TextElideMode, *, bold: bool = False) -> None:
            font.setBold(bold)
            painter.setFont(font)
            painter.setPen(QColor(color))
            shown = painter.fontMetrics().elidedText(words, elide, line.width())
            align = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(line, align, shown)
            line.translate(0, height)

        if heading:
            write(heading, theme.dim_text, Qt.TextElideMode.ElideRight, bold=True)
        is_shown = model.keys[number] == model.current
        write(name, theme.text, Qt.TextElideMode.ElideMiddle, bold=is_shown)
        if part:
            write(part, theme.dim_text, Qt.TextElideMode.ElideRight)
        if slide.state:
            sign = icon(STATE_ICONS[slide.state]).pixmap(_ICON_PX, _ICON_PX)
            painter.drawPixmap(line.left(), line.top() + (height - _ICON_PX) // 2, sign)
            line.setLeft(line.left() + _ICON_PX + 5)
            words = " · ".join(filter(None, (STATE_NAMES[slide.state], slide.assignee)))
            write(words, theme.dim_text, Qt.TextElideMode.ElideRight)
            line.setLeft(text.left())
        if remark:
            write(remark, theme.dim_text, Qt.TextElideMode.ElideRight)
