"""The annotations of a slide as a tree of classes, quick with a hundred thousand of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    Qt,
    Signal,
)

from viewer.annotations.document_state import DocumentState
from viewer.annotations.id_set import IdSet
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.canvas.qt_guard import guarded
from viewer.memory.slow_release import release_slowly
from viewer.memory.uncollected import uncollected
from viewer.ui.annotations.annotation_cells import COLUMNS, NAME, SIZE, AnnotationCells
from viewer.ui.annotations.annotation_tree import (
    Filling,
    Group,
    class_order,
    row_runs,
    rows_among,
)
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change, Document, Edit
    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.ui.annotations.annotation_tree import Key
    from viewer.ui.background_runner import Task
    from viewer.ui.rows_model import Index

MOST_AT_ONCE = 500
"""A step of more changes is shown by filling the list anew, more rows are found in a thread."""

MOST_GATHERED_AT_ONCE = 2_000
"""Rows whose ids are put together without a thread."""
_MOST_LISTED_AT_ONCE = 1_000
"""More annotations are listed in a thread."""

_CLASS_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_FLAGS = _CLASS_FLAGS | Qt.ItemFlag.ItemNeverHasChildren
_NAMED_FLAGS = _FLAGS | Qt.ItemFlag.ItemIsEditable


class AnnotationModel(QAbstractItemModel):
    """Follows a document; classes are the top rows, annotations their children.

    Parameters
    ----------
    fills_in_thread
        Whether very many are listed in a thread, with the former list until then.
    """

    renamed = Signal(object, str)
    """The id of an annotation and the name typed for it."""
    filled = Signal()
    """Everything was listed anew; what was chosen and unfolded is to be shown again."""

    def __init__(self, parent: QObject | None = None, *, fills_in_thread: bool = False) -> None:
        super().__init__(parent)
        self._fills_in_thread = fills_in_thread
        self._document: Document | None = None
        self._way = Filling(PixelCalibration(), (), NAME)
        """How what is listed is chosen, measured and sorted."""
        self._groups: list[Group] = []
        self._by_number: dict[int, Group] = {}
        self._next_number = 1
        self._background = BackgroundRunner("list annotations", 1, self)
        self._filling: Task | None = None
        """What is being listed in the thread; what is listed is as it was before."""
        self._gathering: Task | None = None
        """What puts together what was selected in the list, in the thread."""
        self._finding: Task | None = None
        """The search for the rows of what is selected, in the thread."""
        self._stamp = 0
        """Another whenever rows come or go."""
        self._is_descending = False
        self._cells = AnnotationCells()

    # What it shows ---------------------------------------------------------------------------

    def show_document(
        self, document: Document | None, mpp_um: MicronsPerPixel | None = None
    ) -> None:
        """List a document; None empties the list."""
        is_other = document is not self._document
        self._document = document
        self._way = replace(self._way, calibration=PixelCalibration.of(mpp_um))
        if is_other and document is not None and self._is_long(document):
            self._show_tree([])
        self._fill()

    def set_filter(self, text: str) -> None:
        """List those that hold all words in their name, class, description or author."""
        words = tuple(text.casefold().split())
        if words != self._way.words:
            self._way = replace(self._way, words=words)
            self._fill()

    @guarded()
    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        is_descending = order is Qt.SortOrder.DescendingOrder
        if column < 0 or (column, is_descending) == (self._way.column, self._is_descending):
            return
        self._way, self._is_descending = replace(self._way, column=column), is_descending
        self._fill()

    def apply(self, step: Edit) -> None:
        """Show what a step changed."""
        if step.is_reset or len(step.changes) > MOST_AT_ONCE or self._filling is not None:
            self._fill()
            return
        for change in step.changes:
            if not self._refresh(change):
                self._fill()
                return

    def shut_down(self) -> None:
        """End the thread."""
        self._background.close()

    def recolor(self) -> None:
        """Paint the icons anew in the theme's colors."""
        self._cells.recolor()

    # Who is where ----------------------------------------------------------------------------

    @property
    def shown_count(self) -> int:
        """Return how many annotations pass the filter."""
        return sum(len(group.ids) for group in self._groups)

    def id_at(self, index: Index) -> UUID | None:
        """Return the annotation of a row; None for a class."""
        group = self._by_number.get(index.internalId())
        if not index.isValid() or group is None:
            return None
        return group.ids[self._position(group, index.row())]

    def annotation_at(self, index: Index) -> Annotation | None:
        id_ = self.id_at(index)
        return None if id_ is None or self._document is None else self._document.get(id_)

    @property
    def is_filling(self) -> bool:
        """Return whether a list is being made in the thread; `filled` tells of its end."""
        return self._filling is not None

    def ids_of_class(self, index: Index) -> list[UUID]:
        """Return the ids of all that is listed below a top row."""
        is_class = index.isValid() and index.internalId() == 0
        return list(self._groups[index.row()].ids) if is_class else []

    def ids_in(self, parent: Index, first: int, last: int) -> list[UUID]:
        """Return the ids of the rows `first` to `last` of a class."""
        if not parent.isValid() or parent.row() >= len(self._groups):
            return []
        ids = self._groups[parent.row()].ids
        if self._is_descending:
            return ids[len(ids) - 1 - last : len(ids) - first]
        return ids[first : last + 1]

    def gather(self, parts: Sequence[list[UUID]], then: Callable[[IdSet], object]) -> None:
        """Call `then` with the ids of rows as a set; very many are put together in the thread.

        What was asked before is not answered any more.
        """
        self.gather_no_more()

        def work() -> IdSet:
            with uncollected(count):
                return IdSet.of(chain.from_iterable(parts))

        count = sum(map(len, parts))
        if count > MOST_GATHERED_AT_ONCE and self._fills_in_thread:
            self._gathering = self._background.run(work, then)
        else:
            then(work())

    def gather_no_more(self) -> None:
        """Answer no `gather` that was not answered yet."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    def index_of(self, id_: UUID) -> QModelIndex:
        """Not valid for what is not listed."""
        annotation = None if self._document is None else self._document.get(id_)
        found = None if annotation is None else self._found(annotation)
        return QModelIndex() if found is None else self._index_at(*found)

    def _found(self, annotation: Annotation) -> tuple[Group, int] | None:
        """Return the class of what is listed, and where it is there in ascending order."""
        group = next((each for each in self._groups if each.name == annotation.class_name), None)
        if group is None or self._document is None:
            return None
        at = bisect_left(group.keys, self._key(annotation))
        is_here = at < len(group.ids) and group.ids[at] == annotation.id
        return (group, at) if is_here else None

    def _index_at(self, group: Group, at: int) -> QModelIndex:
        return self.createIndex(self._position(group, at), 0, group.number)

    def runs_of(self, ids: AbstractSet[UUID]) -> list[tuple[QModelIndex, QModelIndex]]:
        """First and last rows that hold just these annotations, as few as there are."""
        if self._filling is None and self._holds_all(ids):
            return [self._run(group.number, 0, len(group.ids) - 1) for group in self._groups]
        rows = self._rows_of(ids)
        return [
            self._run(number, *run) for number, found in rows.items() for run in row_runs(found)
        ]

    def find_runs(
        self,
        ids: AbstractSet[UUID],
        then: Callable[[list[tuple[QModelIndex, QModelIndex]]], object],
    ) -> None:
        """Call `then` with `runs_of` ids; very many are looked for in the thread.

        What was asked before is not answered any more; nothing is while a list is being made.
        """
        if self._finding is not None:
            self._finding.cancel()
            self._finding = None
        if len(ids) > MOST_AT_ONCE and self._filling is not None:
            return
        if len(ids) <= MOST_AT_ONCE or not self._fills_in_thread or self._holds_all(ids):
            then(self.runs_of(ids))
            return
        stamp, is_descending = self._stamp, self._is_descending
        listed = [(group.number, list(group.ids)) for group in self._groups]

        def work() -> list[tuple[int, list[tuple[int, int]]]]:
            found = ((number, rows_among(held, ids, is_descending)) for number, held in listed)
            return [(number, row_runs(rows)) for number, rows in found if rows]

        def take(found: list[tuple[int, list[tuple[int, int]]]]) -> None:
            self._finding = None
            if stamp != self._stamp:
                self.find_runs(ids, then)
            else:
                then([self._run(number, *run) for number, runs in found for run in runs])

        self._finding = self._background.run(work, take)

    def _run(self, number: int, first: int, last: int) -> tuple[QModelIndex, QModelIndex]:
        """Return the corners of rows of a class."""
        end = self.createIndex(last, len(COLUMNS) - 1, number)
        return self.createIndex(first, 0, number), end

    def _holds_all(self, ids: AbstractSet[UUID]) -> bool:
        """Return whether all that the document holds is among these."""
        return bool(ids) and self._document is not None and len(ids) == len(self._document)

    def _rows_of(self, ids: AbstractSet[UUID]) -> dict[int, list[int]]:
        """By the numbers of the classes."""
        rows: dict[int, list[int]] = {}
        if len(ids) > MOST_AT_ONCE:
            for group in self._groups:
                found = rows_among(group.ids, ids, self._is_descending)
                if found:
                    rows[group.number] = found
            return rows
        for index in map(self.index_of, ids):
            if index.isValid():
                rows.setdefault(index.internalId(), []).append(index.row())
        return rows

    # Qt's questions --------------------------------------------------------------------------

    @guarded(0)
    def columnCount(self, parent: Index | None = None) -> int:
        return len(COLUMNS)

    @guarded(0)
    def rowCount(self, parent: Index | None = None) -> int:
        if parent is None or not parent.isValid():
            return len(self._groups)
        is_class = parent.internalId() == 0 and parent.column() == 0
        return len(self._groups[parent.row()].ids) if is_class else 0

    @guarded(False)
    def hasChildren(self, parent: Index | None = None) -> bool:
        return self.rowCount(parent) > 0

    @guarded(QModelIndex())
    def index(self, row: int, column: int, parent: Index | None = None) -> QModelIndex:
        if row < 0 or not 0 <= column < len(COLUMNS):
            return QModelIndex()
        if parent is None or not parent.isValid():
            return self.createIndex(row, column, 0) if row < len(self._groups) else QModelIndex()
        if parent.internalId() != 0 or parent.row() >= len(self._groups):
            return QModelIndex()
        group = self._groups[parent.row()]
        return (
            self.createIndex(row, column, group.number) if row < len(group.ids) else QModelIndex()
        )

    @guarded(QModelIndex())
    def parent(self, index: Index) -> QModelIndex:  # pyright: ignore[reportIncompatibleMethodOverride]
        group = self._by_number.get(index.internalId()) if index.isValid() else None
        return QModelIndex() if group is None else self.createIndex(self._row(group), 0, 0)

    @guarded(Qt.ItemFlag.NoItemFlags)
    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        if index.internalId() == 0:
            return _CLASS_FLAGS
        if index.column() == NAME and self._document is not None:
            annotation = self.annotation_at(index)
            if annotation is not None and not (self._document.is_read_only or annotation.is_locked):
                return _NAMED_FLAGS
        return _FLAGS

    @guarded()
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        return self._cells.of_header(section, role)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == SIZE:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if index.internalId() == 0:
            group = self._groups[index.row()]
            return self._cells.of_class(group, index.column(), role, self._way)
        annotation = self.annotation_at(index)
        if annotation is None:
            return None
        return self._cells.of(annotation, index.column(), role, self._way)

    @guarded(False)
    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        annotation = self.annotation_at(index)
        if role != Qt.ItemDataRole.EditRole or annotation is None:
            return False
        name = str(value).strip()
        if name != annotation.name:
            self.renamed.emit(annotation.id, name)
        return True

    # Keeping the tree ------------------------------------------------------------------------

    def _fill(self) -> None:
        """List everything anew; so many that it takes long in a thread, and then at once."""
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None
        document, filling = self._document, self._way
        if document is None or not self._is_long(document):
            self._show_tree(filling.tree(DocumentState() if document is None else document.state))
            return
        state = document.snapshot()

        def work() -> list[Group]:
            with uncollected(len(state.held)):
                return filling.tree(state)

        self._filling = self._background.run(
            work, lambda groups: self._on_filled(state, groups), dropped=_let_go
        )

    def _is_long(self, document: Document) -> bool:
        return self._fills_in_thread and len(document) > _MOST_LISTED_AT_ONCE

    def _on_filled(self, state: DocumentState, groups: list[Group]) -> None:
        self._filling = None
        if self._document is not None and self._document.holds(state):
            self._show_tree(groups)
        else:
            _let_go(groups)
            self._fill()

    def _show_tree(self, groups: list[Group]) -> None:
        self.beginResetModel()
        self._by_number = {}
        for group in groups:
            group.number = self._next_number
            self._next_number += 1
            self._by_number[group.number] = group
        former, self._groups = self._groups, groups
        self._stamp += 1
        self.endResetModel()
        _let_go(former)
        self.filled.emit()

    def _refresh(self, change: Change) -> bool:
        """Bring one row to how its annotation is now; False where it is not listed as it was."""
        way = self._way
        before, after = (
            None if each is None or not way.holds(each) else each
            for each in (change.before, change.after)
        )
        found = None if before is None else self._found(before)
        if before is not None and found is None:
            return False
        if before is not None and found is not None and after is not None:
            group, at = found
            if group.name == after.class_name and group.keys[at] == self._key(after):
                self._change(group, at, before, after)
                return True
        if before is not None and found is not None:
            self._take_out(*found, before)
        if after is not None:
            self._put_in(after)
        return True

    def _change(self, group: Group, at: int, before: Annotation, after: Annotation) -> None:
        way = self._way
        group.size = group.size.minus(way.size(before)).plus(way.size(after))
        group.color = after.shown_as.color if after.shown_as else group.color
        index = self._index_at(group, at)
        self.dataChanged.emit(index, index.siblingAtColumn(len(COLUMNS) - 1))
        self._tell_group(group)

    def _take_out(self, group: Group, at: int, annotation: Annotation) -> None:
        row, group_row = self._position(group, at), self._row(group)
        self.beginRemoveRows(self.createIndex(group_row, 0, 0), row, row)
        del group.keys[at], group.ids[at]
        group.size = group.size.minus(self._way.size(annotation))
        self._stamp += 1
        self.endRemoveRows()
        if group.ids:
            self._tell_group(group)
            return
        self.beginRemoveRows(QModelIndex(), group_row, group_row)
        del self._groups[group_row], self._by_number[group.number]
        self.endRemoveRows()

    def _put_in(self, annotation: Annotation) -> None:
        group = next((g for g in self._groups if g.name == annotation.class_name), None)
        if group is None:
            group = self._new_group(annotation)
            row = bisect_left([class_order(g) for g in self._groups], class_order(group))
            self.beginInsertRows(QModelIndex(), row, row)
            insort(self._groups, group, key=class_order)
            self.endInsertRows()
        key = self._key(annotation)
        at = bisect_left(group.keys, key)
        row = len(group.ids) - at if self._is_descending else at
        self.beginInsertRows(self.createIndex(self._row(group), 0, 0), row, row)
        group.keys.insert(at, key)
        group.ids.insert(at, annotation.id)
        group.size = group.size.plus(self._way.size(annotation))
        self._stamp += 1
        self.endInsertRows()
        self._tell_group(group)

    def _tell_group(self, group: Group) -> None:
        index = self.createIndex(self._row(group), 0, 0)
        self.dataChanged.emit(index, index.siblingAtColumn(len(COLUMNS) - 1))

    def _new_group(self, annotation: Annotation) -> Group:
        which = annotation.shown_as
        color = which.color if which else annotation.shown_color
        group = Group(self._next_number, annotation.class_name, color)
        self._next_number += 1
        self._by_number[group.number] = group
        return group

    def _row(self, group: Group) -> int:
        return self._groups.index(group)

    def _position(self, group: Group, at: int) -> int:
        """Return a row from a place in ascending order, and the other way round."""
        return len(group.ids) - 1 - at if self._is_descending else at

    def _key(self, annotation: Annotation) -> Key:
        assert self._document is not None
        return self._way.key(annotation, self._document.place(annotation.id))


def _let_go(groups: list[Group]) -> None:
    """Free the rows of a list that is shown no more, or never was."""
    release_slowly(*(each for group in groups for each in (group.ids, group.keys)))
