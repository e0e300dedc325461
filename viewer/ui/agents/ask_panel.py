"""Questions about what is in view: the answer as it is written, its places as links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from viewer.agents.findings import box_of
from viewer.ui.shell.panel import Panel, shows_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.grounding import Reference

ABOUT = (
    ("The field in view", "view"),
    ("The chosen region", "region"),
    ("The whole slide", "slide"),
)
_NO_SLIDE = "Open a slide to ask about it."
_WAITING = "Waiting for the model..."
_MOST_TALKS = 20
_ANSWERS = "Answers appear here, with links to the slide. They are drafts for research."


class AskPanel(Panel):
    """Shows questions and answers of one slide; the part does the work.

    Those of the last slides are kept for as long as the window lives.
    """

    asked = Signal(str, str)
    """The question, and what it is about: "view", "region" or "slide"."""
    stop_requested = Signal()
    place_chosen = Signal(object)
    """A level-0 Box to travel to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Ask", parent)
        self._talks: dict[str, tuple[QTextDocument, dict[str, object]]] = {}
        """What was said of each slide, by its identity, with the places that it names."""
        self._places: dict[str, object] = {}
        self._begin_of_answer: int | None = None
        self._is_busy = False
        self._has_slide = False

    def build(self) -> None:
        self.about = QComboBox(self)
        for text, about in ABOUT:
            self.about.addItem(text, about)
        self.question = QPlainTextEdit(self)
        self.question.setPlaceholderText("What do you want to know about it? (Ctrl+Enter asks)")
        self.question.setAccessibleName("Question about the slide")
        self.question.setTabChangesFocus(True)
        self.question.setFixedHeight(58)
        self.ask = QPushButton("Ask", self)
        self.ask.setProperty("primary", True)
        self.stop = QPushButton("Stop", self)
        self.answers = QTextBrowser(self)
        self.answers.setAccessibleName("Answers")
        self.answers.setOpenLinks(False)
        self.empty = QLabel(self)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setProperty("dim", True)
        self.empty.setMargin(12)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.answers)
        form = QFormLayout()
        form.addRow("About:", self.about)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.ask)
        buttons.addWidget(self.stop)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        layout.addWidget(self.question)
        layout.addLayout(buttons)
        layout.addWidget(self._stack, 1)
        self.set_body(body)
        self.ask.clicked.connect(self._ask)
        self.stop.clicked.connect(self.stop_requested)
        self.question.textChanged.connect(self._enable)
        self.answers.anchorClicked.connect(self._follow)
        for key in ("Ctrl+Return", "Ctrl+Enter"):
            shortcut = QShortcut(QKeySequence(key), self.question)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(self.ask.click)
        self.show_slide("")

    @shows_state
    def show_slide(self, identity: str) -> None:
        """Show what was said of a slide before; an empty `identity` stands for none."""
        self._has_slide = bool(identity)
        self.empty.setText(_ANSWERS if identity else f"{_NO_SLIDE}\n\n{_ANSWERS}")
        document, self._places = self._talks.pop(identity, None) or (self._new_document(), {})
        self._talks[identity] = document, self._places
        self.answers.setDocument(document)
        self._stack.setCurrentWidget(self.empty if document.isEmpty() else self.answers)
        if len(self._talks) > _MOST_TALKS:
            oldest, _ = self._talks.pop(next(iter(self._talks)))
            oldest.deleteLater()
        self._begin_of_answer = None
        self._is_busy = False
        self._enable()

    def begin(self, question: str) -> None:
        """Show a question that was sent off."""
        import html

        self._stack.setCurrentWidget(self.answers)
        self._is_busy = True
        self._enable()
        self._append(f"<p><b>{html.escape(question)}</b></p><p>{_WAITING}</p>")
        self._begin_of_answer = self.answers.document().lastBlock().position()
        self._show_end()
        self.question.clear()

    def show_text(self, text: str, references: Sequence[Reference] = ()) -> None:
        """Show the answer so far in the place of what was shown of it before."""
        if self._begin_of_answer is None:
            return
        cursor = QTextCursor(self.answers.document())
        cursor.setPosition(self._begin_of_answer)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertHtml(self._linked(text, references))
        self._show_end()

    def end(self, text: str, references: Sequence[Reference] = ()) -> None:
        """Show the whole answer, or why there is none."""
        self.show_text(text, references)
        self._begin_of_answer = None
        self._is_busy = False
        self._enable()

    # -----------------------------------------------------------------------------------------

    def _new_document(self) -> QTextDocument:
        document = QTextDocument(self)
        document.setDefaultFont(self.answers.font())
        return document

    def _show_end(self) -> None:
        bar = self.answers.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _linked(self, text: str, references: Sequence[Reference]) -> str:
        """As HTML in which nothing of the text is markup."""
        import html

        pieces: list[str] = []
        at = 0
        for reference in references:
            if reference.begin < at:
                continue
            key = f"place-{len(self._places)}"
            self._places[key] = box_of(reference.box)
            words = html.escape(text[reference.begin : reference.end])
            pieces += [html.escape(text[at : reference.begin]), f'<a href="{key}">{words}</a>']
            at = reference.end
        pieces.append(html.escape(text[at:]))
        return "".join(pieces).replace("\n", "<br>")

    def _append(self, shown: str) -> None:
        cursor = QTextCursor(self.answers.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        if not self.answers.document().isEmpty():
            cursor.insertBlock()
        cursor.insertHtml(shown)

    def _ask(self) -> None:
        question = self.question.toPlainText().strip()
        if question:
            self.asked.emit(question, self.about.currentData())

    def _enable(self) -> None:
        has_question = bool(self.question.toPlainText().strip())
        self.ask.setEnabled(self._has_slide and has_question and not self._is_busy)
        self.stop.setEnabled(self._is_busy)

    def _follow(self, link: QUrl) -> None:
        box = self._places.get(link.toString())
        if box is not None:
            self.place_chosen.emit(box)
