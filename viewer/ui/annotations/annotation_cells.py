"""What stands in the cells of the list of annotations: texts, swatches and signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.bookmarks import BOOKMARK, NOTE
from viewer.annotations.measured import figure_of, is_angle
from viewer.ui.annotations.shown import name_of
from viewer.ui.swatches import swatch
from viewer.ui.theme import icon
from viewer.ui.widgets import plain_tip
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon

    from viewer.annotations.annotation import Annotation
    from viewer.ui.annotations.annotation_tree import Filling, Group

COLUMNS = ("Name", "Size", "", "Author", "Changed")
NAME, SIZE, LOCK, AUTHOR, CHANGED = range(len(COLUMNS))
_TIPS = {
    NAME: "Its name, else its shape; F2 renames",
    SIZE: "Area of a region, length of a line, degrees of an angle",
    LOCK: "Locked annotations cannot be changed",
    AUTHOR: "Who drew it",
    CHANGED: "When it was drawn or last changed",
}
_SIGNS = {BOOKMARK.name: "mdi6.bookmark-outline", NOTE.name: "mdi6.note-text-outline"}


class AnnotationCells:
    """Answers what Qt asks of a cell, and keeps the icons that it gave."""

    def __init__(self) -> None:
        self._swatches: dict[str, QIcon] = {}
        self._lock: QIcon | None = None

    def recolor(self) -> None:
        """Make the icons anew in the theme's colors."""
        self._lock = None
        self._swatches.clear()

    def of_header(self, column: int, role: int) -> object:
        """Return what the head of a column shows; None for nothing."""
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return COLUMNS[column]
            case Qt.ItemDataRole.ToolTipRole:
                return _TIPS[column]
            case Qt.ItemDataRole.DecorationRole if column == LOCK:
                return self._lock_icon()
            case _:
                return None

    def of_class(self, group: Group, column: int, role: int, measure: Filling) -> object:
        """Return what the row of a class shows; None for nothing."""
        match role:
            case Qt.ItemDataRole.DisplayRole if column == NAME:
                return f"{group.name or NO_CLASS} ({len(group.ids):,})"
            case Qt.ItemDataRole.DisplayRole if column == SIZE:
                return measure.size_text(group.size)
            case Qt.ItemDataRole.DecorationRole if column == NAME:
                return self._sign(group.name) or self._swatch(group.color)
            case _:
                return None

    def of(self, annotation: Annotation, column: int, role: int, measure: Filling) -> object:
        """Return what the row of an annotation shows; None for nothing."""
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _text(annotation, column, measure)
            case Qt.ItemDataRole.EditRole if column == NAME:
                return annotation.name
            case Qt.ItemDataRole.DecorationRole if column == NAME:
                return self._sign(annotation.class_name) or self._swatch(annotation.shown_color)
            case Qt.ItemDataRole.DecorationRole if column == LOCK and annotation.is_locked:
                return self._lock_icon()
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(annotation.description or annotation.name) or None
            case Qt.ItemDataRole.AccessibleTextRole if column == LOCK:
                return "Locked" if annotation.is_locked else "Not locked"
            case _:
                return None

    def _swatch(self, color: str) -> QIcon:
        found = self._swatches.get(color)
        if found is None:
            found = self._swatches[color] = swatch(color)
        return found

    def _sign(self, class_name: str) -> QIcon | None:
        """Return the icon of a bookmark or a note; None of a class."""
        name = _SIGNS.get(class_name)
        if name is None:
            return None
        if name not in self._swatches:
            self._swatches[name] = icon(name)
        return self._swatches[name]

    def _lock_icon(self) -> QIcon:
        if self._lock is None:
            self._lock = icon("mdi6.lock-outline")
        return self._lock


def _text(annotation: Annotation, column: int, measure: Filling) -> str:
    match column:
        case 0:
            return name_of(annotation)
        case 1:
            if is_angle(annotation):
                return figure_of(annotation, measure.calibration)
            return measure.size_text(measure.size(annotation))
        case 3:
            return annotation.author
        case 4:
            return shown_moment(annotation.modified_utc)
        case _:
            return ""
