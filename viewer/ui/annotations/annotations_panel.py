"""The panel of annotations: the list, what is chosen in it, and the class of new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QSignalBlocker,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.annotations.annotation_model import (
    LOCK,
    NAME,
    SIZE,
    AnnotationModel,
)
from viewer.ui.annotations.sets_panel import SetsPanel
from viewer.ui.annotations.shown import swatch
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import KeyKeeper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from PySide6.QtGui import QFocusEvent, QKeyEvent

    from viewer.annotations.annotation import AnnotationClass
    from viewer.annotations.document import Edit
    from viewer.annotations.palette import Palette

_TYPING_MS = 250
_MOST_UNFOLDED = 1000
"""A class of more annotations stays folded until it is asked for."""
_WIDTHS_PX = {SIZE: 84, LOCK: 24}
_DESCRIPTION_PX = 58


class AnnotationTree(QTreeView):
    """Enter and double click travel, F2 renames; a class stands for all that is below it."""

    traveled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        KeyKeeper(self)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and self.state() is not QAbstractItemView.State.EditingState:
            self.traveled.emit()
        else:
            super().keyPressEvent(event)


class DescriptionEdit(QPlainTextEdit):
    """Tells what was written once it is left."""

    written = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._before = ""
        self.setTabChangesFocus(True)

    def show_text(self, text: str) -> None:
        """Shows a text; what was written before is saved first."""
        self.finish()
        self._before = text
        self.setPlainText(text)

    def finish(self) -> None:
        """Tells now what was written."""
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
    """The ids chosen in the list, a set."""
    traveled = Signal()
    """The field is to go to what is chosen."""
    class_taken = Signal(str)
    """The name of the class for what is drawn next; "" for none."""
    described = Signal(object, str)
    """The id of an annotation, and what was written of it."""
    menu_requested = Signal(QPoint)
    """In global coordinates."""
    shown = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Annotations", parent)
        self.setObjectName("annotations")
        self.model = AnnotationModel(self)
        self.tree = AnnotationTree(self)
        self._described_id: UUID | None = None
        self._is_showing = False
        self.sets = SetsPanel(self)
        self.current_class = QComboBox(self)
        self.current_class.setAccessibleName("Class of new annotations")
        self.current_class.setToolTip("The class of what is drawn next")
        self.current_class.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.classes = QPushButton("Classes...", self)
        self.classes.setToolTip("Names, colors and keys of the classes")
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Find by name, class, text or author")
        self.filter.setAccessibleName("Find annotations")
        self.filter.setClearButtonEnabled(True)
        self.notice = QLabel(self)
        self.figures = QLabel(self)
        for label in (self.notice, self.figures):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.description = DescriptionEdit(self)
        self.description.setPlaceholderText("Description of the chosen annotation")
        self.description.setAccessibleName("Description")
        self.description.setFixedHeight(_DESCRIPTION_PX)
        self.count = QPushButton("Count...", self)
        self.count.setToolTip("Count the objects of the overlay in the chosen regions")
        self.statistics = QPushButton("Statistics...", self)
        self.statistics.setToolTip("Count, area and length of each class")
        self._pause = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._set_up_tree()
        self._lay_out()
        self._connect()
        self.show_chosen((), None, can_describe=False)

    # What it shows ---------------------------------------------------------------------------

    def show_classes(self, classes: Palette, current: AnnotationClass | None) -> None:
        """Fills the list of classes for new annotations."""
        with QSignalBlocker(self.current_class):
            self.current_class.clear()
            self.current_class.addItem("No class", "")
            for each in classes:
                self.current_class.addItem(swatch(each.color), each.name, each.name)
            names = [each.name for each in classes]
            if current is not None and current.name not in names:
                self.current_class.addItem(swatch(current.color), current.name, current.name)
        self.show_current(current)

    def show_current(self, current: AnnotationClass | None) -> None:
        """The class of what is drawn next."""
        with QSignalBlocker(self.current_class):
            row = self.current_class.findData(current.name if current else "")
            self.current_class.setCurrentIndex(max(row, 0))

    def show_chosen(
        self, ids: Iterable[UUID], described: tuple[UUID, str] | None, *, can_describe: bool
    ) -> None:
        """Selects the rows of what is chosen, and shows what is written of a single one."""
        if not self._is_showing:
            self._select(list(ids))
        self.description.show_text(described[1] if described else "")
        self._described_id = described[0] if described else None
        self.description.setEnabled(described is not None)
        self.description.setReadOnly(not can_describe)

    def apply(self, step: Edit) -> None:
        """Brings the list up to a step; rows that go on the way choose nothing else."""
        before, self._is_showing = self._is_showing, True
        try:
            self.model.apply(step)
        finally:
            self._is_showing = before

    def show_figures(self, lines: list[str]) -> None:
        """Of what is chosen, else of all."""
        self.figures.setText("\n".join(lines))

    def show_notice(self, sentence: str) -> None:
        """Why nothing can be changed, or where there is nothing; "" hides it."""
        self.notice.setText(sentence)
        self.notice.setVisible(bool(sentence))

    def rename(self) -> None:
        """Opens the editor of the current row's name."""
        index = self.tree.currentIndex().siblingAtColumn(NAME)
        if index.isValid():
            self.tree.scrollTo(index)
            self.tree.edit(index)

    # -----------------------------------------------------------------------------------------

    def _set_up_tree(self) -> None:
        tree = self.tree
        tree.setModel(self.model)
        tree.setAccessibleName("Annotations")
        tree.setUniformRowHeights(True)
        tree.setAlternatingRowColors(True)
        tree.setAllColumnsShowFocus(True)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        tree.setExpandsOnDoubleClick(False)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.setIndentation(14)
        tree.setSortingEnabled(True)
        tree.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        header = tree.header()
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(LOCK, QHeaderView.ResizeMode.Fixed)
        for column, width_px in _WIDTHS_PX.items():
            header.resizeSection(column, width_px)
        header.resizeSection(NAME, 150)

    def _lay_out(self) -> None:
        top, below = QGridLayout(), QHBoxLayout()
        for row, (text, box) in enumerate(
            (("&New:", self.current_class), ("&Into:", self.sets.current))
        ):
            label = QLabel(text, self)
            label.setBuddy(box)
            top.addWidget(label, row, 0)
            top.addWidget(box, row, 1)
        top.addWidget(self.classes, 0, 2)
        top.setColumnStretch(1, 1)
        for button in (self.count, self.statistics):
            below.addWidget(button)
        below.addStretch(1)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.addLayout(top)
        layout.addWidget(self.sets)
        layout.addWidget(self.notice)
        layout.addWidget(self.filter)
        layout.addWidget(self.tree, 1)
        layout.addWidget(self.figures)
        layout.addWidget(self.description)
        layout.addLayout(below)
        self.set_body(body)
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
        self.model.rowsInserted.connect(lambda parent, *_: self._unfold_new(parent))
        self.filter.textChanged.connect(lambda _: self._pause.start())
        self._pause.timeout.connect(lambda: self.model.set_filter(self.filter.text()))
        self.current_class.activated.connect(
            lambda row: self.class_taken.emit(self.current_class.itemData(row))
        )
        self.description.written.connect(self._on_written)
        self.visibilityChanged.connect(lambda visible: self.shown.emit() if visible else None)

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
        ids: set[UUID] = set()
        for run in self.tree.selectionModel().selection().toList():
            if run.parent().isValid():
                ids.update(self.model.ids_in(run.parent(), run.top(), run.bottom()))
            else:
                for row in range(run.top(), run.bottom() + 1):
                    ids.update(self.model.ids_of_class(self.model.index(row, 0)))
        self._is_showing = True
        try:
            self.chosen_changed.emit(ids)
        finally:
            self._is_showing = False

    def _select(self, ids: list[UUID]) -> None:
        self._is_showing = True
        try:
            selection = QItemSelection()
            for first, last in self.model.runs_of(ids):
                selection.select(first, last)
            model = self.tree.selectionModel()
            model.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            if len(ids) == 1:
                index = self.model.index_of(ids[0])
                if index.isValid() and self.tree.isExpanded(index.parent()):
                    model.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
                    self.tree.scrollTo(index)
        finally:
            self._is_showing = False

    def _on_written(self, text: str) -> None:
        if self._described_id is not None:
            self.described.emit(self._described_id, text)
