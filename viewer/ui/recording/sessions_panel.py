"""The library of sessions: choose one to see it, replay, review, rename, delete, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QLabel,
    QListView,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.plurals import plural
from viewer.ui.item_views import KeyedList, put_rows, rows_in_sight, selected_runs
from viewer.ui.recording.color_key import magnification_key
from viewer.ui.recording.sessions_model import SessionDelegate, SessionsModel
from viewer.ui.search_field import SearchField, go_to_row
from viewer.ui.shell.panel import Panel, shows_state

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import SignalInstance
    from PySide6.QtGui import QKeyEvent

    from viewer.geometry import Optics
    from viewer.recording.session_catalog import ListedSession, SessionListing

_SETTLE_MS = 30
_TYPED_MS = 150
_EMPTY = (
    "No sessions yet.\n\nOpen a slide and press Record at the upper right (Ctrl+R). Read the slide "
    "and press it again: the session appears here, to be replayed and reviewed."
)
_LISTING = "Looking for sessions..."
_NONE_MATCHES = "No session matches."
_PATH_SHOWN = "Its path is on the slide, in the colors of the magnifications:"
_ELSEWHERE = "It is of another slide: Replay opens that slide."


class SessionsPanel(Panel):
    """A list of sessions, the newest first; those of the slide on screen are bold."""

    replay_requested = Signal(object)
    """Folder of a session."""
    shown = Signal()
    """The list came into view and should be up to date."""
    rename_requested = Signal(object)
    delete_requested = Signal(object)
    """A list of folders."""
    export_requested = Signal(object)
    """A list of folders."""
    review_requested = Signal(object)
    """Folder of a session."""
    sight_changed = Signal()
    """Other rows are in sight, or the same rows list other sessions."""
    filter_changed = Signal(str)
    session_chosen = Signal(object)
    """The folder of the one session that is selected; None where none or several are."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Sessions", parent)
        self.setObjectName("sessions")
        self.model = SessionsModel(self)
        self._is_filling = False
        self._is_previewed = False

    def build(self) -> None:
        self.filter = SearchField("Filter by slide, reader, date or title", "Filter sessions", self)
        self.filter.went_on.connect(lambda: go_to_row(self.list, 0))
        self.list = _SessionList(self)
        self.list.setModel(self.model)
        self.list.setItemDelegate(SessionDelegate(self.list))
        self.empty = QLabel(self)
        self.empty.setWordWrap(True)
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setProperty("dim", True)
        self.empty.setMargin(16)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self.empty)
        self.empty.setText(_LISTING)
        self._stack.setCurrentWidget(self.empty)
        self.details = QLabel(self)
        self.details.setWordWrap(True)
        self.details.setTextFormat(Qt.TextFormat.PlainText)
        self.details.setProperty("dim", True)
        self.details.setAlignment(Qt.AlignmentFlag.AlignTop)
        # Three lines always, so that nothing moves under the cursor when another is selected.
        self.details.setFixedHeight(3 * self.fontMetrics().lineSpacing() + 6)
        self.key = magnification_key(self)
        self.replay = QPushButton("Replay", self)
        self.replay.setProperty("primary", True)
        self.review = QPushButton("Review...", self)
        self.review.setToolTip("Judge or write, action by action, why the reader looked there")
        self.rename = QPushButton("Rename...", self)
        self.delete = QPushButton("Delete...", self)
        self.export = QPushButton("Export...", self)
        self._lay_out()
        self.setFocusProxy(self.list)
        # A wheel's notch scrolls by several values at once.
        self._settle = QTimer(self, interval=_SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self.sight_changed)
        self._typed = QTimer(self, interval=_TYPED_MS, singleShot=True)
        self._typed.timeout.connect(lambda: self.filter_changed.emit(self.filter.text()))
        self._connect()
        self._show_choice()

    @shows_state
    def show_sessions(self, listing: SessionListing, optics: Optics | None = None) -> None:
        """List sessions; what was selected stays so.

        `optics` is of the slide on screen, None where there is none. A session that was recorded
        with another pixel size of that slide says so.
        """
        selected = self.selected()
        self._is_filling = True
        self.model.show(listing, optics)
        kept = QItemSelection()
        found = (listing.row_of.get(each) for each in selected)
        rows = sorted(row for row in found if row is not None)
        for first, last in _spans(rows):
            kept.select(self.model.index(first), self.model.index(last))
        self.list.selectionModel().select(kept, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._is_filling = False
        self.empty.setText(_NONE_MATCHES if listing.total else _EMPTY)
        self._stack.setCurrentWidget(self.list if listing.sessions else self.empty)
        self._show_choice()
        if len(rows) != len(selected):
            self.session_chosen.emit(self._chosen)
        self._settle.start()

    def show_figures(self, folder: Path, actions: int, seen: float | None) -> None:
        """Fill in what takes a moment to compute."""
        self.model.show_figures(folder, actions, seen)

    @shows_state
    def show_previewed(self, *, previewed: bool) -> None:
        """Say whether the path of the selected session is on the slide."""
        self._is_previewed = previewed
        self._show_choice()

    def folders_in_sight(self) -> list[Path]:
        """Return the folders of the sessions whose rows can be seen now, from the top."""
        sessions = self.model.listing.sessions
        return [sessions[row].folder for row in rows_in_sight(self.list, len(sessions))]

    def selected(self) -> list[Path]:
        """Return the folders of the selected sessions, from the top."""
        if not self.is_built:
            return []
        sessions, runs = self.model.listing.sessions, selected_runs(self.list)
        return [each.folder for first, last in runs for each in sessions[first : last + 1]]

    @property
    def filter_text(self) -> str:
        """Return what the sessions that are listed have in them."""
        return self.filter.text() if self.is_built else ""

    @property
    def _chosen(self) -> Path | None:
        """Return the one session that is selected, without a look at thousands of them."""
        runs = selected_runs(self.list) if self.is_built else []
        is_one = len(runs) == 1 and runs[0][0] == runs[0][1]
        return self.model.session(runs[0][0]).folder if is_one else None

    @property
    def replayed(self) -> Path | None:
        """Return what Replay plays: what is selected, else the last session of this slide."""
        if self.list.selectionModel().hasSelection():
            return self._chosen
        ended = (each for each in self.model.listing.of_slide if not each.summary.is_open)
        return next((each.folder for each in ended), None)

    def _on_shown(self, visible: bool) -> None:
        if visible:
            self.model.thumbnails.set_device_pixel_ratio(self.devicePixelRatioF())
            self.shown.emit()

    def _on_selection(self) -> None:
        if self._is_filling:
            return
        self._show_choice()
        self.session_chosen.emit(self._chosen)

    def _show_choice(self) -> None:
        """Say what is selected, and enable what can be done with it."""
        count = sum(last + 1 - first for first, last in selected_runs(self.list))
        folder = self._chosen
        for button in (self.review, self.rename):
            button.setEnabled(count == 1)
        for button in (self.delete, self.export):
            button.setEnabled(count > 0)
        self.replay.setEnabled(self.replayed is not None)
        self.replay.setToolTip(
            "Play the selected session" if count else "Play the last session of this slide"
        )
        session = None if folder is None else self.model.session(self.model.listing.row_of[folder])
        self.key.setVisible(session is not None and self._is_previewed)
        if session is not None:
            self.details.setText(self._details(session))
        elif count:
            self.details.setText(f"{count:,} sessions selected.")
        else:
            here = len(self.model.listing.of_slide)
            self.details.setText(_of_slide(here) if self.model.listing.total else "")

    def _details(self, session: ListedSession) -> str:
        header = session.summary.header
        if header is None:
            return session.summary.problem
        if note := self.model.note(session):
            return note
        study = header.study if header.study and not header.study.startswith("own:") else ""
        line = f"{session.who}{f', study {study}' if study else ''}."
        if not session.is_here:
            return f"{line}\n{_ELSEWHERE}"
        return f"{line}\n{_PATH_SHOWN}" if self._is_previewed else line

    def _ask(self, signal: SignalInstance, folder: Path | None) -> None:
        if folder is not None:
            signal.emit(folder)

    def _connect(self) -> None:
        self.list.verticalScrollBar().valueChanged.connect(lambda _: self._settle.start())
        self.list.verticalScrollBar().rangeChanged.connect(lambda *_: self._settle.start())
        self.list.selectionModel().selectionChanged.connect(lambda *_: self._on_selection())
        self.list.activated.connect(lambda _: self._ask(self.replay_requested, self._chosen))
        self.filter.textChanged.connect(lambda _: self._typed.start())
        self.replay.clicked.connect(lambda: self._ask(self.replay_requested, self.replayed))
        self.review.clicked.connect(lambda: self._ask(self.review_requested, self._chosen))
        self.rename.clicked.connect(lambda: self._ask(self.rename_requested, self._chosen))
        self.delete.clicked.connect(lambda: self.delete_requested.emit(self.selected()))
        self.export.clicked.connect(lambda: self.export_requested.emit(self.selected()))
        self.visibilityChanged.connect(self._on_shown)

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.replay, 0, 0, 1, 2)
        buttons.addWidget(self.review, 0, 2)
        for column, button in enumerate((self.rename, self.export, self.delete)):
            buttons.addWidget(button, 1, column)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.filter)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.details)
        layout.addWidget(self.key)
        layout.addLayout(buttons)
        self.set_body(body)


class _SessionList(KeyedList):
    """Rows of one height; its selected rows can be copied as text."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Sessions")
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy_rows()
        else:
            super().keyPressEvent(event)

    def _copy_rows(self) -> None:
        model = self.model()
        assert isinstance(model, SessionsModel)
        runs = selected_runs(self)
        put_rows(model.texts(row) for first, last in runs for row in range(first, last + 1))


def _spans(rows: list[int]) -> list[tuple[int, int]]:
    """Return the runs of rows that follow each other, first and last."""
    spans: list[tuple[int, int]] = []
    for row in rows:
        if spans and spans[-1][1] == row - 1:
            spans[-1] = spans[-1][0], row
        else:
            spans.append((row, row))
    return spans


def _of_slide(count: int) -> str:
    if not count:
        return "No session of this slide."
    return f"{plural(count, 'session')} of this slide (bold)."
