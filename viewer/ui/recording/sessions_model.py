"""The sessions as rows: a thumbnail, the name, who read and when, and figures."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from viewer.canvas.qt_guard import guarded
from viewer.plurals import percent, plural
from viewer.recording.session_catalog import NO_SESSIONS, reader_name
from viewer.ui.item_views import row_state
from viewer.ui.recording.scrub_bar import shown_time
from viewer.ui.recording.session_slide import pixel_size_note
from viewer.ui.rows_model import CountedModel
from viewer.ui.slides.thumbnails import Thumbnails
from viewer.ui.theme import current_theme, icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from PySide6.QtCore import QRect
    from PySide6.QtGui import QFontMetrics
    from PySide6.QtWidgets import QWidget

    from viewer.geometry import Optics
    from viewer.recording.session_catalog import ListedSession, SessionListing
    from viewer.ui.rows_model import Index

ORIGIN_ICONS = {
    "recorded": "mdi6.account-outline",
    "imported": "mdi6.tray-arrow-down",
    "simulated": "mdi6.flask-outline",
    "agent": "mdi6.robot-outline",
}
_DAMAGED_ICON = "mdi6.alert-outline"
_PICTURE = QSize(52, 48)
_ROW_PX, _MARGIN_PX, _ICON_PX = 64, 6, 15
_MOST_FIGURES = 2000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class SessionsModel(CountedModel):
    """One row a session. What takes time is asked for the rows that are painted."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.listing: SessionListing = NO_SESSIONS
        self.thumbnails = Thumbnails(self, _PICTURE)
        self.thumbnails.changed.connect(self._on_thumbnail)
        self._optics: Optics | None = None
        self._figures: OrderedDict[Path, tuple[int, float | None]] = OrderedDict()

    def show(self, listing: SessionListing, optics: Optics | None) -> None:
        """Show other sessions; `optics` is of the slide on screen."""
        self.listing, self._optics = listing, optics
        self.recount(len(listing.sessions))

    def show_figures(self, folder: Path, actions: int, seen: float | None) -> None:
        """Fill in what takes a moment to compute."""
        self._figures[folder] = actions, seen
        self._figures.move_to_end(folder)
        while len(self._figures) > _MOST_FIGURES:
            self._figures.popitem(last=False)
        row = self.listing.row_of.get(folder)
        if row is not None:
            self.dataChanged.emit(self.index(row), self.index(row))

    def session(self, row: int) -> ListedSession:
        """Return the session of a row."""
        return self.listing.sessions[row]

    def keep_wishes(self, folders: Iterable[Path]) -> None:
        """Wish for the pictures of these sessions alone, which are in sight."""
        sessions, row_of = self.listing.sessions, self.listing.row_of
        places = {sessions[row_of[each]].place for each in folders if each in row_of}
        self.thumbnails.keep_wishes(place for place in places if place is not None)

    def figures(self, folder: Path) -> tuple[int, float | None] | None:
        """Return the number of actions and the share seen; None while they are not known."""
        return self._figures.get(folder)

    def note(self, session: ListedSession) -> str:
        """Return that the session was recorded with another pixel size; "" where it was not."""
        header = session.summary.header
        if header is None or self._optics is None or not session.is_here:
            return ""
        return pixel_size_note(header.slide.mpp_um, self._optics.mpp_um)

    def figures_text(self, session: ListedSession) -> str:
        """Return the last line of a row, such as "1:26 · 8 actions · 43 % seen"."""
        summary = session.summary
        if summary.header is None:
            return summary.problem
        parts = ["being recorded" if summary.is_open else shown_time(summary.duration_s)]
        figures = self._figures.get(session.folder)
        if figures is not None:
            actions, seen = figures
            parts.append(plural(actions, "action"))
            if seen is not None:
                parts.append(f"{percent(seen)} seen")
        if self.note(session):
            parts.append("former pixel size")
        return " · ".join(parts)

    def texts(self, row: int) -> tuple[str, ...]:
        """Return what a row says: name, who, when, figures."""
        session = self.session(row)
        return session.name, session.who, session.started, self.figures_text(session)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        session = self.session(index.row())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return session.name
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(filter(None, self.texts(index.row())))
            case Qt.ItemDataRole.ToolTipRole:
                lines = (*self.texts(index.row()), self.note(session), session.summary.id)
                return plain_tip("\n".join(filter(None, lines)))
            case Qt.ItemDataRole.DecorationRole:
                if session.place is None:
                    return self.thumbnails.sign("mdi6.image-off-outline")
                header = session.summary.header
                identity = "" if header is None else header.slide.identity
                return self.thumbnails.picture(session.place, identity)
            case _:
                return None

    def _on_thumbnail(self, _path: Path) -> None:
        """Rows of the slide are painted anew: those in sight are few."""
        if self.rowCount():
            ends = self.index(0), self.index(self.rowCount() - 1)
            self.dataChanged.emit(*ends, [Qt.ItemDataRole.DecorationRole])


class SessionDelegate(QStyledItemDelegate):
    """Paints a session in three lines beside its thumbnail."""

    @guarded(QSize())
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, _ROW_PX)

    @guarded()
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model, theme = index.model(), current_theme()
        assert isinstance(model, SessionsModel)
        session = model.session(index.row())
        name, who, when, figures = model.texts(index.row())
        state = row_state(option)
        painter.save()
        if state.is_selected or state.is_under_mouse:
            color = theme.selection if state.is_selected else theme.panel
            painter.fillRect(option.rect, QColor(color))
        if state.has_focus:
            painter.setPen(QColor(theme.accent))
            painter.drawRect(option.rect.adjusted(0, 0, -1, -1))
        area = option.rect.adjusted(_MARGIN_PX, _MARGIN_PX, -_MARGIN_PX, -_MARGIN_PX)
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        if picture is not None:
            size = picture.deviceIndependentSize().toSize()
            x = area.left() + (_PICTURE.width() - size.width()) // 2
            painter.drawPixmap(x, area.top() + (area.height() - size.height()) // 2, picture)
        line = area.adjusted(_PICTURE.width() + 8, 0, 0, 0)
        line.setHeight(area.height() // 3)
        font = QFont(option.font)
        font.setBold(session.is_here)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        _draw(painter, line, name, Qt.TextElideMode.ElideMiddle)
        font.setBold(False)
        painter.setFont(font)
        painter.setPen(QColor(theme.dim_text))
        line.translate(0, line.height())
        header = session.summary.header
        sign = _DAMAGED_ICON if header is None else ORIGIN_ICONS[header.origin]
        pixmap = icon(sign).pixmap(_ICON_PX, _ICON_PX)
        painter.drawPixmap(line.left(), line.top() + (line.height() - _ICON_PX) // 2, pixmap)
        if header is not None and header.origin == "agent":
            who = reader_name(header)  # the icon says that it is one
        when = when_fitting(who, when, painter.fontMetrics(), line.width() - _ICON_PX - 12)
        when_px = painter.fontMetrics().horizontalAdvance(when)
        words = line.adjusted(_ICON_PX + 4, 0, -when_px - 8, 0)
        _draw(painter, words, who, Qt.TextElideMode.ElideRight)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, when)
        line.translate(0, line.height())
        _draw(painter, line, figures, Qt.TextElideMode.ElideRight)
        painter.restore()


def when_fitting(who: str, started: str, metrics: QFontMetrics, room_px: int) -> str:
    """Return when a session began, without the time of the day where that leaves who read whole."""
    when = _short(started)
    is_room = metrics.horizontalAdvance(who) + metrics.horizontalAdvance(when) <= room_px
    return when if is_room else _short(started, with_time=False)


def _short(started: str, *, with_time: bool = True) -> str:
    """Return "2026-11-24 08:30" as "24 Nov 08:30" in the same year, else as "24 Nov 2026"."""
    try:
        began = datetime.strptime(started, "%Y-%m-%d %H:%M")
    except ValueError:
        return started
    day = f"{began.day} {_MONTHS[began.month - 1]}"
    if began.year != datetime.now().astimezone().year:
        return f"{day} {began.year}"
    return f"{day} {began:%H:%M}" if with_time else day


def _draw(painter: QPainter, line: QRect, text: str, elide: Qt.TextElideMode) -> None:
    shown = painter.fontMetrics().elidedText(text, elide, line.width())
    painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
