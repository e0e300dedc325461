"""The library of sessions: replay, rename, delete, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.recording.pixel_sizes import pixel_size_note
from viewer.ui.recording.scrub_bar import shown_time
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import KeyedTree

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.geometry import Optics
    from viewer.recording.library import SessionSummary

_COLUMNS = ("Slide", "Date", "Length", "Actions", "Seen", "Reader")
_WIDEST_NAME_PX = 100
_SETTLE_MS = 30
_FOLDER = Qt.ItemDataRole.UserRole


class SessionsPanel(Panel):
    """A table of sessions, the newest first; those of the slide on screen are bold."""

    replay_requested = Signal(object)
    """Folder of a session."""
    shown = Signal()
    """The table came into view and should be up to date."""
    rename_requested = Signal(object)
    delete_requested = Signal(object)
    """A list of folders."""
    export_requested = Signal(object)
    """A list of folders."""
    review_requested = Signal(object)
    """Folder of a session."""
    sight_changed = Signal()
    """Other rows are in sight, or the same rows list other sessions."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Sessions", parent)
        self.setObjectName("sessions")
        self.table = KeyedTree(self)
        self.table.setAccessibleName("Sessions")
        self.table.setHeaderLabels(list(_COLUMNS))
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAlternatingRowColors(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.replay = QPushButton("Replay", self)
        self.review = QPushButton("Review...", self)
        self.review.setToolTip("Judge or write, action by action, why the reader looked there")
        self.rename = QPushButton("Rename...", self)
        self.delete = QPushButton("Delete...", self)
        self.export = QPushButton("Export...", self)
        buttons = QGridLayout()
        shown = (self.replay, self.review, self.rename, self.export, self.delete)
        for index, button in enumerate(shown):
            buttons.addWidget(button, index // 3, index % 3)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        self.set_body(body)
        self.setFocusProxy(self.table)
        self._rows: dict[Path, QTreeWidgetItem] = {}
        # A wheel's notch scrolls by several values at once.
        self._settle = QTimer(self, interval=_SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self.sight_changed)
        self.table.verticalScrollBar().valueChanged.connect(lambda _: self._settle.start())
        self.table.verticalScrollBar().rangeChanged.connect(lambda *_: self._settle.start())
        self.table.itemSelectionChanged.connect(self._enable)
        self.table.itemDoubleClicked.connect(lambda *_: self._ask(self.replay_requested))
        self.replay.clicked.connect(lambda: self._ask(self.replay_requested))
        self.review.clicked.connect(lambda: self._ask(self.review_requested))
        self.rename.clicked.connect(lambda: self._ask(self.rename_requested))
        self.delete.clicked.connect(lambda: self.delete_requested.emit(self.selected()))
        self.export.clicked.connect(lambda: self.export_requested.emit(self.selected()))
        self.visibilityChanged.connect(lambda visible: visible and self.shown.emit())
        self._enable()

    def show_sessions(
        self, sessions: list[SessionSummary], identity: str, optics: Optics | None = None
    ) -> None:
        """List sessions.

        `identity` and `optics` are those of the slide on screen, "" and None where there is none.
        A session that was recorded with another pixel size of that slide says so.
        """
        from viewer.slides.identity import same_slide

        selected = set(self.selected())
        # Each row that is selected would tell of itself, and whoever hears it asks for all.
        self.table.blockSignals(True)
        self.table.clear()
        self._rows = {}
        for session in sessions:
            row = QTreeWidgetItem(_texts(session))
            row.setData(0, _FOLDER, session.folder)
            row.setToolTip(0, session.problem or session.id)
            header = session.header
            if header is not None and same_slide(header.slide.identity, identity):
                font = row.font(0)
                font.setBold(True)
                row.setFont(0, font)
                note = pixel_size_note(header.slide.mpp_um, optics.mpp_um) if optics else ""
                if note:
                    row.setText(0, f"{row.text(0)} (former pixel size)")
                    row.setToolTip(0, f"{row.toolTip(0)}\n{note}")
            self._rows[session.folder] = row
        self.table.addTopLevelItems(list(self._rows.values()))
        for folder in selected & self._rows.keys():
            self._rows[folder].setSelected(True)
        self.table.blockSignals(False)
        for column in range(len(_COLUMNS)):
            self.table.resizeColumnToContents(column)
        self.table.setColumnWidth(0, min(self.table.columnWidth(0), _WIDEST_NAME_PX))
        self._enable()
        self._settle.start()

    def show_figures(self, folder: Path, actions: int, seen: float | None) -> None:
        """Fills in what takes a moment to compute."""
        row = self._rows.get(folder)
        if row is not None:
            row.setText(3, str(actions))
            row.setText(4, "" if seen is None else f"{seen:.0%}")
            row.setToolTip(4, "Of the tissue, at 10x or more")

    def folders_in_sight(self) -> list[Path]:
        """Return the folders of the sessions whose rows can be seen now, from the top."""
        row = self.table.itemAt(0, 0)
        bottom = self.table.viewport().height()
        found: list[Path] = []
        while row is not None and self.table.visualItemRect(row).top() < bottom:
            found.append(row.data(0, _FOLDER))
            row = self.table.itemBelow(row)
        return found

    def selected(self) -> list[Path]:
        """Return the folders of the selected sessions."""
        return [row.data(0, _FOLDER) for row in self.table.selectedItems()]

    def _ask(self, signal: object) -> None:
        folders = self.selected()
        if len(folders) == 1:
            signal.emit(folders[0])  # type: ignore[attr-defined]

    def _enable(self) -> None:
        count = len(self.selected())
        self.replay.setEnabled(count == 1)
        self.review.setEnabled(count == 1)
        self.rename.setEnabled(count == 1)
        self.delete.setEnabled(count > 0)
        self.export.setEnabled(count > 0)


def _texts(session: SessionSummary) -> list[str]:
    header = session.header
    if header is None:
        return ["damaged", "", "", "", "", ""]
    name = header.title or header.slide.name or f"slide {header.slide.identity[:8]}"
    started = header.started_utc[:16].replace("T", " ")
    length = "recording" if session.is_open else shown_time(session.duration_s)
    return [name, started[5:], length, "", "", header.reader]
