"""The panel of annotations: the list, what is chosen in it, and the class of new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.annotations.annotation_cells import AUTHOR, CHANGED, LOCK, NAME, SIZE
from viewer.ui.annotations.class_list import ClassList
from viewer.ui.item_views import KeyKeeper
from viewer.ui.search_field import SearchField
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import IconButton, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent

    from viewer.annotations.document import Edit
    from viewer.annotations.id_set import IdSet
    from viewer.ui.annotations.class_list import ClassRow

_TYPING_MS = 250
_NONE_FOUND = "No annotation of this set matches."
_MOST_UNFOLDED = 1000
"""A class of more annotations stays folded until it is asked for."""
_WIDTHS_PX = {SIZE: 116, LOCK: 24, AUTHOR: 110, CHANGED: 140}
_WIDE_PX = {AUTHOR: 440, CHANGED: 600}
"""The list shows these columns from these widths on."""
_DESCRIPTION_PX, _LEAST_LIST_PX, _LEAST_LISTS_PX, _CLASSES_PX = 46, 92, 300, 172


class RenameKeeper(KeyKeeper):
    """Keeps F2 too, which edits the name in its row; elsewhere it is a command."""

    def wants(self, event: QKeyEvent) -> bool:
        return event.key() == Qt.Key.Key_F2 or super().wants(event)


class AnnotationTree(QTreeView):
    """Enter and double click travel, F2 renames; a class stands for all that is below it."""

    traveled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        RenameKeeper(self)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and self.state() is not QAbstractItemView.State.EditingState:
            self.traveled.emit()
        else:
            super().keyPressEvent(event)

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many columns as fit: none is ever to be scrolled to."""
        super().resizeEvent(event)
        for column, least_px in _WIDE_PX.items():
            self.setColumnHidden(column, event.size().width() < least_px)
        if self.isColumnHidden(self.header().sortIndicatorSection()):
            self.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)  # whose arrow is seen


class DescriptionEdit(QPlainTextEdit):
    """Tells what was written once it is left."""

    written = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._before = ""
        self.setTabChangesFocus(True)

    def show_text(self, text: str) -> None:
        """Show a text; what was written before is saved first."""
        self.finish()
        self._before = text
        self.setPlainText(text)

    def finish(self) -> None:
        """Tell now what was written."""
        text = self.toPlainText().strip()
        if text != self._before:
            self._before = text
            self.written.emit(text)

    @guarded()
    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() is not Qt.FocusReason.PopupFocusReason:
            self.finish()


class AnnotationsPanel(Panel):
    """Shows the annotations of the active pane; the part does the work."""

    chosen_changed = Signal(object)
    """The ids chosen in the list, a frozen set."""
    traveled = Signal()
    """The field is to go to what is chosen."""
    described = Signal(object, str)
    """The id of an annotation, and what was written of it."""
    menu_requested = Signal(QPoint)
    """In global coordinates."""
    shown = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Annotations", parent)
        self.setObjectName("annotations")
        self._described_id: UUID | None = None
        self._told = ""
        """What `show_notice` was given."""
        self._is_showing = False

    def build(self) -> None:
        from viewer.ui.annotations.annotation_model import AnnotationModel
        from viewer.ui.annotations.sets.panel import SetsPanel

        self.model = AnnotationModel(self, fills_in_thread=True)
        self.tree = AnnotationTree(self)
        self.sets = SetsPanel(self)
        self.class_list = ClassList(self)
        self.new_set = IconButton("mdi6.plus", "New set of annotations", self)
        self.classes = IconButton(
            "mdi6.pencil-outline", "Edit the classes: names, colors and keys", self
        )
        self.filter = SearchField("Find by name, class, text or author", "Find annotations", self)
        self.notice = QLabel(self)
        self.figures = QLabel(self)
        for label in (self.notice, self.figures):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.description = DescriptionEdit(self)
        self.description.setPlaceholderText("Description of the selected annotation")
        self.description.setAccessibleName("Description")
        self.description.setFixedHeight(_DESCRIPTION_PX)
        self.count = QPushButton("Count...", self)
        self.count.setProperty("primary", True)
        self.count.setToolTip("Count the objects that a model found in the selected regions")
        self.statistics = QPushButton("Statistics...", self)
        self.statistics.setToolTip("Count, area and length of each class, here and as CSV")
        self.export = QPushButton("Export...", self)
        self.export.setToolTip("Write the annotations to a file")
        self._pause = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._set_up_tree()
        self._lay_out()
        self._connect()
        self.show_chosen(frozenset(), None, can_describe=False)

    # What it shows ---------------------------------------------------------------------------

    @shows_state
    def show_classes(self, rows: Sequence[ClassRow]) -> None:
        """List the classes."""
        self.class_list.rows.show_rows(rows)

    def show_chosen(
        self, ids: AbstractSet[UUID], described: tuple[UUID, str] | None, *, can_describe: bool
    ) -> None:
        """Select the rows of what is chosen, and show what is written of a single one."""
        if not self._is_showing:
            self.model.gather_no_more()
            self._select(ids)
        self.description.show_text(described[1] if described else "")
        self._described_id = described[0] if described else None
        self.description.setEnabled(described is not None)
        self.description.setReadOnly(not can_describe)

    def apply(self, step: Edit) -> None:
        """Bring the list up to a step; rows that go on the way choose nothing else."""
        before, self._is_showing = self._is_showing, True
        try:
            self.model.apply(step)
        finally:
            self._is_showing = before

    @shows_state
    def show_figures(self, lines: list[str]) -> None:
        """Show the figures of what is chosen, else of all."""
        self.figures.setText("\n".join(lines))

    def set_has_slide(self, *, has_slide: bool) -> None:
        """Offer only what can be done."""
        for button in (self.count, self.statistics, self.export, self.new_set):
            button.setEnabled(has_slide)

    def show_notice(self, sentence: str) -> None:
        """Why nothing can be changed, or where there is nothing; "" hides it."""
        self._told = sentence
        self._show_notice()

    def _show_notice(self) -> None:
        finds_none = bool(self.filter.text().strip()) and self.model.rowCount() == 0
        sentence = _NONE_FOUND if finds_none and not self.model.is_filling else self._told
        show_or_hide(self.notice, sentence)

    def finish(self) -> None:
        """Tell now what is being written of an annotation."""
        if self.is_built:
            self.description.finish()

    def shut_down(self) -> None:
        """Tell what is being written, and list nothing more."""
        self.finish()
        if self.is_built:
            self.model.shut_down()

    def rename(self) -> None:
        """Open the editor of the current row's name."""
        index = self.tree.currentIndex().siblingAtColumn(NAME)
        if index.isValid():
            self.tree.scrollTo(index)
            self.tree.edit(index)

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.is_built:
            self.model.recolor()
            self.class_list.rows.recolor()
            self.tree.viewport().update()
            self.class_list.viewport().update()

    # -----------------------------------------------------------------------------------------

    def _set_up_tree(self) -> None:
        tree = self.tree
        tree.setModel(self.model)
        tree.setAccessibleName("Annotations")
        tree.setUniformRowHeights(True)
        tree.setAlternatingRowColors(True)
        tree.setAllColumnsShowFocus(True)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # the count of a class stands last
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        tree.setExpandsOnDoubleClick(False)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.setIndentation(14)
        tree.setSortingEnabled(True)
        tree.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(LOCK, QHeaderView.ResizeMode.Fixed)
        for column, width_px in _WIDTHS_PX.items():
            header.resizeSection(column, width_px)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for column in _WIDE_PX:
            tree.setColumnHidden(column, True)

    def _lay_out(self) -> None:
        self.class_list.setMinimumHeight(_LEAST_LIST_PX)
        self.tree.setMinimumHeight(_LEAST_LIST_PX)
        found, found_column = QWidget(self), QVBoxLayout()
        found.setLayout(found_column)
        found_column.setContentsMargins(0, 0, 0, 0)
        found_column.addWidget(self.notice)
        found_column.addWidget(self.filter)
        found_column.addWidget(self.tree, 1)
        # A label that wraps tells too small a least height: what it says takes up to three lines.
        lines_px = 3 * self.notice.fontMetrics().lineSpacing()
        found.setMinimumHeight(lines_px + self.filter.sizeHint().height() + _LEAST_LIST_PX)
        lists = QSplitter(Qt.Orientation.Vertical, self)
        lists.setChildrenCollapsible(False)
        lists.addWidget(self.class_list)
        lists.addWidget(found)
        lists.setStretchFactor(1, 1)
        lists.setSizes([_CLASSES_PX, 1000])
        # Labels that wrap make Qt ask for the preferred height of the page, not for the least.
        lists.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        lists.setMinimumHeight(_LEAST_LISTS_PX)
        below = QHBoxLayout()
        for button in (self.count, self.statistics, self.export):
            below.addWidget(button)
        below.addStretch(1)
        self.figures.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.figures.setAlignment(Qt.AlignmentFlag.AlignTop)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(10, 4, 10, 8)
        layout.setSpacing(4)
        layout.addLayout(_heading("Sets", self.new_set))
        layout.addWidget(self.sets)
        layout.addLayout(_heading("Classes", self.classes))
        layout.addWidget(lists, 1)
        layout.addWidget(self.figures)
        layout.addWidget(self.description)
        layout.addLayout(below)
        self.set_body(body, scrolls=True)
        self.setFocusProxy(self.tree)
        self.show_notice("")

    def _connect(self) -> None:
        tree = self.tree
        tree.traveled.connect(self.traveled)
        tree.doubleClicked.connect(lambda _: self.traveled.emit())
        tree.customContextMenuRequested.connect(
            lambda at: self.menu_requested.emit(tree.viewport().mapToGlobal(at))
        )
        tree.selectionModel().selectionChanged.connect(lambda *_: self._on_selected())
        self.model.filled.connect(self._unfold)
        self.model.filled.connect(self._show_notice)
        self.model.rowsInserted.connect(lambda parent, *_: self._unfold_new(parent))
        self.filter.textChanged.connect(lambda _: self._pause.start())
        self._pause.timeout.connect(lambda: self.model.set_filter(self.filter.text()))
        self.filter.went_on.connect(self._go_to_found)
        self.description.written.connect(self._on_written)
        self.visibilityChanged.connect(lambda visible: self.shown.emit() if visible else None)

    def _go_to_found(self) -> None:
        """Put the keyboard on the list, and select the first annotation that was found."""
        self._pause.stop()
        self.model.set_filter(self.filter.text())
        group = self.model.index(0, 0)
        first = self.model.index(0, 0, group)
        if first.isValid():
            self.tree.expand(group)
            self.tree.setCurrentIndex(first)
            self.tree.setFocus(Qt.FocusReason.OtherFocusReason)

    def _unfold(self) -> None:
        for row in range(self.model.rowCount()):
            index = self.model.index(row, 0)
            if self.model.rowCount(index) <= _MOST_UNFOLDED:
                self.tree.expand(index)

    def _unfold_new(self, parent: QModelIndex) -> None:
        """A class unfolds with the first annotation that comes into it."""
        if parent.isValid() and self.model.rowCount(parent) == 1:
            self.tree.expand(parent)

    def _on_selected(self) -> None:
        if self._is_showing:
            return
        runs = self.tree.selectionModel().selection().toList()
        tops = [run for run in runs if not run.parent().isValid()]
        whole = {row for run in tops for row in range(run.top(), run.bottom() + 1)}
        parts = [self.model.ids_of_class(self.model.index(row, 0)) for row in whole]
        for run in runs:
            if run.parent().isValid() and run.parent().row() not in whole:
                parts.append(self.model.ids_in(run.parent(), run.top(), run.bottom()))
        self.model.gather(parts, self._tell_chosen)

    def _tell_chosen(self, ids: IdSet) -> None:
        self._is_showing = True
        try:
            self.chosen_changed.emit(ids)
        finally:
            self._is_showing = False

    def _select(self, ids: AbstractSet[UUID]) -> None:
        self.model.find_runs(ids, lambda runs: self._show_runs(ids, runs))

    def _show_runs(
        self, ids: AbstractSet[UUID], runs: list[tuple[QModelIndex, QModelIndex]]
    ) -> None:
        self._is_showing = True
        try:
            selection = QItemSelection()
            for first, last in runs:
                selection.select(first, last)
            model = self.tree.selectionModel()
            model.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            if len(ids) == 1:
                index = self.model.index_of(next(iter(ids)))
                if index.isValid() and self.tree.isExpanded(index.parent()):
                    model.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
                    self.tree.scrollTo(index)
        finally:
            self._is_showing = False

    def _on_written(self, text: str) -> None:
        if self._described_id is not None:
            self.described.emit(self._described_id, text)


def _heading(text: str, *buttons: QWidget) -> QHBoxLayout:
    """Return the line over a part of the page."""
    title = QLabel(text)
    title.setProperty("title", True)
    line = QHBoxLayout()
    line.addWidget(title, 1)
    for button in buttons:
        line.addWidget(button)
    return line
