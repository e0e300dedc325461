"""The panel of a review: the actions with their verdicts, and the text of the one in hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.command_button import CommandButton
from viewer.ui.commands.recording import REVIEW_COMMANDS
from viewer.ui.recording.review_table import ReviewTable
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import NoticeBar, ProgressBar, show_or_hide, take_as_typed, text_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtGui import QKeyEvent

    from viewer.recording.review.entries import Decided
    from viewer.recording.review.figures import ReviewFigures
    from viewer.recording.review.items import ReviewItem
    from viewer.ui.actions import ActionSet

_NO_SESSION = (
    "No session under review.\n\nIn a review the slide goes from action to action, and you judge "
    "or write why the reader looked there. Select a session and press Review..."
)
_DRAFT = "Draft rationales..."
_LONGEST_NAME = 64
_TEXT_HEIGHT_PX = 76


class ReviewPanel(Panel):
    """Shows what it is given, and signals what the user chose; the verdicts are commands."""

    item_chosen = Signal(int)
    text_typed = Signal()
    reviewer_chosen = Signal(str)
    drafts_requested = Signal()
    prompt_requested = Signal()
    sessions_requested = Signal()
    shown = Signal(bool)
    """Came into view, or left it."""

    def __init__(self, commands: ActionSet, parent: QWidget) -> None:
        super().__init__("Review", parent)
        self.setObjectName("review")
        self._commands = commands

    def build(self) -> None:
        self.title = text_label(self)
        self.reviewer = QComboBox(self)
        self.reviewer.setEditable(True)
        take_as_typed(self.reviewer)
        self.reviewer.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.reviewer.setAccessibleName("Reviewer")
        self.reviewer.setToolTip(
            "The pseudonym under which you review; each has a review of theirs"
        )
        self.progress = ProgressBar(self)
        self.table = ReviewTable(self)
        self.place = text_label(self)
        self.text = TextField(self)
        self.source = text_label(self)
        self.source.setProperty("dim", True)
        self.dictated = QCheckBox("Dictated", self)
        self.dictated.setToolTip(
            "Tick where you speak the text rather than type it; it is noted so"
        )
        self.buttons = {
            name: CommandButton(self._commands[name], self, primary=name == "review.accept")
            for name, *_ in REVIEW_COMMANDS
        }
        self.drafts = QPushButton(self)
        self.prompt = QPushButton("Prompt...", self)
        self.prompt.setToolTip("Change what the model is asked, study by study")
        self.notice = NoticeBar(self)
        self.empty = text_label(self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setProperty("dim", True)
        self.choose_session = QPushButton("Show sessions", self)
        self.choose_session.setProperty("primary", True)
        self.figures = text_label(self)
        self.figures.setProperty("dim", True)
        self.agreement = text_label(self)
        self._lay_out()
        self._connect()
        self.show_drafting(0, 0)
        self.show_none()

    # What it shows ---------------------------------------------------------------------------

    @shows_state
    def show_none(self) -> None:
        """Show no session, but a sentence."""
        self.empty.setText(_NO_SESSION)
        self._stack.setCurrentIndex(0)
        self.title.clear()
        self.table.show_items(())
        self.show_text("", "", "")
        self.figures.clear()
        self.show_agreement([])
        self.progress.setRange(0, 1)
        self.progress.setFormat("")
        self.progress.reset()
        self._enable(enabled=False)

    def show_session(self, title: str, items: Sequence[ReviewItem]) -> None:
        """List the actions of a session."""
        self._stack.setCurrentIndex(1)
        self.title.setText(title)
        self.progress.setFormat("%v of %m")
        self.table.show_items(items)
        self.progress.setRange(0, max(len(items), 1))
        self._enable(enabled=True)

    def show_reviewers(self, names: Sequence[str], chosen: str) -> None:
        """Offer reviewers, of whom one is at work."""
        self.reviewer.blockSignals(True)
        self.reviewer.clear()
        self.reviewer.addItems(list(dict.fromkeys([chosen, *names])))
        self.reviewer.setCurrentText(chosen)
        self.reviewer.blockSignals(False)

    def show_verdicts(self, changed: Mapping[int, Decided | None], current: int) -> None:
        """Mark actions with verdicts that are others by now, and select the one in hand."""
        self.table.show_verdicts(changed, current)

    def show_text(self, text: str, place: str, source: str) -> None:
        """Put a text into the field, with what it is about and where it is from."""
        self.text.show_text(text)
        self.place.setText(place)
        self.source.setText(source)

    def show_figures(self, figures: ReviewFigures) -> None:
        """Tell how far the review is and what it costs."""
        self.progress.setValue(figures.done)
        self.figures.setText(_figures_text(figures))

    @shows_state
    def show_drafting(self, done: int, wanted: int) -> None:
        """Tell how far a model is; none wanted offers to ask it again."""
        self.drafts.setText(f"Stop drafting ({done} of {wanted})" if wanted else _DRAFT)
        self.drafts.setToolTip(
            "What is drafted by now is kept"
            if wanted
            else "Let a vision-language model draft what has no draft yet"
        )

    @shows_state
    def show_failed_draft(self, sentence: str) -> None:
        """Say why a model drafted nothing, until the user dismisses it or tries again."""
        self.notice.tell(f"Not drafted: {sentence}", "error", "Try again")

    @shows_state
    def show_agreement(self, lines: Sequence[str]) -> None:
        """Tell how far this reviewer agrees with others, a line each."""
        show_or_hide(self.agreement, "\n".join(lines))

    # -----------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Reviewer:", self.reviewer)
        form.addRow("Reviewed:", self.progress)
        below = QHBoxLayout()
        below.addWidget(self.source, 1)
        below.addWidget(self.dictated)
        grid = QGridLayout()
        for index, button in enumerate(self.buttons.values()):
            grid.addWidget(button, index // 2, index % 2)
        asking = QHBoxLayout()
        asking.addWidget(self.drafts, 1)
        asking.addWidget(self.prompt)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.title)
        layout.addLayout(form)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.place)
        layout.addWidget(self.text)
        layout.addLayout(below)
        layout.addLayout(grid)
        layout.addWidget(self.figures)
        layout.addWidget(self.agreement)
        layout.addWidget(self.notice)
        layout.addLayout(asking)
        nothing = QWidget(self)
        column = QVBoxLayout(nothing)
        column.setContentsMargins(16, 6, 16, 6)
        column.addStretch(1)
        column.addWidget(self.empty)
        column.addWidget(self.choose_session, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(nothing)
        self._stack.addWidget(body)
        self.set_body(self._stack, scrolls=True)
        self.setFocusProxy(self.table)

    def _connect(self) -> None:
        self.table.row_chosen.connect(self.item_chosen)
        self.text.textChanged.connect(self._on_text)
        self.text.left.connect(lambda: self.table.setFocus(Qt.FocusReason.OtherFocusReason))
        self.reviewer.textActivated.connect(self.reviewer_chosen)
        editor = self.reviewer.lineEdit()
        if editor is not None:
            editor.setMaxLength(_LONGEST_NAME)
            editor.editingFinished.connect(lambda: self.reviewer_chosen.emit(editor.text()))
        self.drafts.clicked.connect(lambda: self.drafts_requested.emit())
        self.choose_session.clicked.connect(lambda: self.sessions_requested.emit())
        self.prompt.clicked.connect(lambda: self.prompt_requested.emit())
        self.visibilityChanged.connect(self.shown)

    def _on_text(self) -> None:
        if not self.text.is_being_filled:
            self.text_typed.emit()

    def _enable(self, *, enabled: bool) -> None:
        for widget in (self.table, self.text, self.dictated, self.reviewer, self.drafts):
            widget.setEnabled(enabled)


class TextField(QPlainTextEdit):
    """Where the rationale stands; Escape gives the keyboard back to the list."""

    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.is_being_filled = False
        self.setAccessibleName("Rationale")
        self.setPlaceholderText("Why did the reader look here?")
        self.setTabChangesFocus(True)
        self.setFixedHeight(_TEXT_HEIGHT_PX)

    def show_text(self, text: str) -> None:
        """Replace the text, unless it is there already with the cursor in it."""
        if text == self.toPlainText():
            return
        self.is_being_filled = True
        self.setPlainText(text)
        self.is_being_filled = False

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)


def _figures_text(figures: ReviewFigures) -> str:
    counts = {
        "accepted": figures.accepted,
        "edited": figures.edited,
        "written": figures.written,
        "rejected": figures.rejected,
        "skipped": figures.skipped,
    }
    verdicts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    times: list[str] = []
    if not math.isnan(figures.judging_s):
        times.append(f"{figures.judging_s:.0f} s a draft")
    if not math.isnan(figures.writing_s):
        times.append(f"{figures.writing_s:.0f} s to write one without")
    return ". ".join(part for part in (verdicts, ", ".join(times)) if part) or "No verdicts yet"
