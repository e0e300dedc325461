"""The panel of a review of annotations: the objects of a set, and what is said of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.actions import shown_shortcut
from viewer.ui.item_views import KeyKeeper, RowTable
from viewer.ui.rows_model import RowsModel
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.swatches import swatch
from viewer.ui.widgets import text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QKeyEvent

    from viewer.annotations.annotation import Annotation
    from viewer.studies.reviewable_sets import OpenedReview, ReviewableSet, Role
    from viewer.ui.actions import ActionSet
    from viewer.ui.rows_model import Index

_OBJECT, _VERDICT, _COMMENT, _TIME = range(4)
_NO_SET = (
    "No set to hand in or to review.\n\nIn a project, what you draw on a slide is a set that you "
    "hand in here; who owns the project approves or returns it. What a model found on a slide is "
    "sorted here: accept, correct or reject each object."
)
_KEYS = ("review.accept", "review.edit", "review.reject", "review.skip", "review.undo")
_GO_ON = {"review.skip": "Skip", "review.undo": "Undo"}
_BUTTONS: dict[Role, dict[str, str]] = {
    "own": {},
    "judge": {"review.accept": "Approve", "review.reject": "Return", **_GO_ON},
    "sort": {
        "review.accept": "Accept", "review.edit": "Correct", "review.reject": "Reject", **_GO_ON,
    },
}  # fmt: skip
"""What the commands of a review are called, by what is done with the set."""


class ReviewedObjects(RowsModel):
    """A row an object, in the order of the queue."""

    headings = ("Object", "Verdict", "Comment", "Time")

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.opened: OpenedReview | None = None

    @property
    def rows(self) -> Sequence[Annotation]:
        return self.opened.annotations if self.opened is not None else ()

    def show(self, opened: OpenedReview | None) -> None:
        """Show another set."""
        self.beginResetModel()
        self.opened = opened
        self.endResetModel()

    def row_changed(self, row: int) -> None:
        """Paint a row anew, after a verdict."""
        self.dataChanged.emit(self.index(row, 0), self.index(row, _TIME))

    def count_rows(self) -> int:
        return len(self.rows)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if self.opened is None:
            return None
        each, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DecorationRole and column == _OBJECT:
            return swatch(each.shown_color)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        said = self.opened.review.objects.get(each.id.hex)
        match column:
            case 0:
                return each.name or each.class_name or each.kind.capitalize()
            case 1 if said is not None and said.verdict:
                return said.verdict if said.holds_for(each) else f"{said.verdict}, changed since"
            case 2 if said is not None:
                return f"{said.by}: {said.comment}" if said.comment else ""
            case 3:
                seconds = self.opened.review.seconds(each.id)
                return f"{seconds:.0f} s" if seconds >= 0.5 else ""
            case _:
                return ""


class SetReviewPanel(Panel):
    """Shows what it is given; verdicts are the commands of reviews."""

    set_chosen = Signal(object)
    """A ReviewableSet."""
    object_chosen = Signal(int)
    comment_given = Signal()
    """Enter was pressed in the comment: the object is returned with it."""
    status_given = Signal(str)
    """The set is "handed in", "approved" or "returned"."""
    waiting_requested = Signal()
    shown = Signal(bool)

    def __init__(self, commands: ActionSet, parent: QWidget) -> None:
        super().__init__("Hand in", parent)
        self.setObjectName("set_review")
        self._commands = commands

    def build(self) -> None:
        self.sets = QComboBox(self)
        self.sets.setAccessibleName("Set under review")
        self.status = text_label(self)
        self.model = ReviewedObjects(self)
        self.table = RowTable(self)
        self.table.setModel(self.model)
        self.table.setAccessibleName("Objects of the set")
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setWordWrap(False)
        KeyKeeper(self.table)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(_COMMENT, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(_OBJECT, 96)
        header.resizeSection(_VERDICT, 84)
        header.resizeSection(_TIME, 52)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        self.empty = text_label(self)
        self.empty.setText(_NO_SET)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMargin(12)
        self.empty.setProperty("dim", True)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.table)
        self.comment = _CommentField(self)
        self.buttons = {key: QPushButton(self) for key in _KEYS}
        self.whole = {
            "handed in": QPushButton("Hand in", self),
            "approved": QPushButton("Approve set", self),
            "returned": QPushButton("Return set", self),
        }
        self.waiting = QPushButton("Next set that waits", self)
        self.waiting.setToolTip("Open the next slide of the project with a set that was handed in")
        self._keys = QGridLayout()
        for key, button in self.buttons.items():
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, key=key: self._commands[key].trigger())
        self.whole["handed in"].setProperty("primary", True)
        self.buttons["review.accept"].setProperty("primary", True)
        whole = QHBoxLayout()
        for button in self.whole.values():
            whole.addWidget(button)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.sets)
        layout.addWidget(self.status)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.comment)
        layout.addLayout(self._keys)
        layout.addLayout(whole)
        layout.addWidget(self.waiting)
        self.set_body(body)
        self.setFocusProxy(self.table)
        self.sets.activated.connect(lambda row: self.set_chosen.emit(self.sets.itemData(row)))
        self.table.selectionModel().currentRowChanged.connect(
            lambda now, _: now.isValid() and self.object_chosen.emit(now.row())
        )
        self.comment.returnPressed.connect(self.comment_given)
        self.comment.left.connect(self.table.setFocus)
        for status, button in self.whole.items():
            button.clicked.connect(lambda _=False, status=status: self.status_given.emit(status))
        self.waiting.clicked.connect(self.waiting_requested)
        self.visibilityChanged.connect(self.shown)
        self.show_review(None)

    @shows_state
    def show_sets(self, sets: Sequence[ReviewableSet], chosen: ReviewableSet | None) -> None:
        """Offer the sets of a slide."""
        self.sets.clear()
        for each in sets:
            self.sets.addItem(each.label, each)
        rows = [row for row, each in enumerate(sets) if each == chosen]
        self.sets.setCurrentIndex(rows[0] if rows else -1)
        self.sets.setVisible(bool(sets))

    @shows_state
    def show_review(self, opened: OpenedReview | None) -> None:
        """Show the objects of a set; None shows none."""
        self.model.show(opened)
        role = opened.of.role if opened is not None else "own"
        for key, button in self.buttons.items():
            name, action = _BUTTONS[role].get(key, ""), self._commands[key]
            keys = [shown_shortcut(each.toString()) for each in action.shortcuts()]
            button.setText(f"{name} ({keys[0]})" if keys else name)
            button.setToolTip(action.toolTip())
            button.setVisible(bool(name))
            self._keys.removeWidget(button)
        shown = [self.buttons[key] for key in _KEYS if key in _BUTTONS[role]]
        for index, button in enumerate(shown):
            self._keys.addWidget(button, index // 3, index % 3)
        self._stack.setCurrentWidget(self.empty if opened is None else self.table)
        self.sets.setVisible(self.sets.count() > 0)
        self.comment.setVisible(role == "judge")
        self.whole["handed in"].setVisible(opened is not None and role == "own")
        for status in ("approved", "returned"):
            self.whole[status].setVisible(role == "judge")
        self.show_status()

    def show_status(self) -> None:
        """Say how far the set is."""
        opened = self.model.opened
        if opened is None:
            self.status.clear()
            return
        review = opened.review
        found = opened.standing.counts
        parts = [f"{count:,} {verdict}" for verdict, count in sorted(found.items())]
        who = f" by {review.by}" if review.by else ""
        whole = f"{review.status.capitalize()}{who}. " if opened.of.role != "sort" else ""
        comment = f"\n{review.comment}" if review.comment else ""
        self.status.setText(f"{whole}{', '.join(parts) or 'No objects'}.{comment}")

    def choose(self, row: int) -> None:
        """Make a row the current one."""
        self.table.selectRow(row)


class _CommentField(QLineEdit):
    """What is to be corrected; Escape gives the keyboard back to the list."""

    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Comment")
        self.setPlaceholderText("What is to be corrected? Enter returns the object")
        self.setMaxLength(1000)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
