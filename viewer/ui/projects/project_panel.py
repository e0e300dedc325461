"""The panel of a project: how far it is, its slides, and what is noted of the chosen one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.projects.project_model import (
    MISSING,
    STATE_ICONS,
    STATE_NAMES,
    ProjectModel,
    SlideRowDelegate,
)
from viewer.ui.shell.panel import Panel
from viewer.ui.theme import icon
from viewer.ui.widgets import KeyedList

if TYPE_CHECKING:
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject

_ASSIGNED = "assigned to "


class ProjectPanel(Panel):
    """Shows an `OpenProject`; what the user wants goes out as signals."""

    slide_requested = Signal(object)
    """The ProjectSlide to open."""
    edited = Signal(str, dict)
    """Identity of a slide, and the members that the user changed."""
    paths_dropped = Signal(list)
    """Paths to add, or of a project to open."""
    create_requested = Signal()
    open_requested = Signal()
    add_requested = Signal()
    remove_requested = Signal(list)
    """Identities of the chosen slides."""
    find_requested = Signal()

    def __init__(self, opened: OpenProject, parent: QWidget) -> None:
        super().__init__("Project", parent)
        self.setObjectName("project")
        self.setAcceptDrops(True)
        self._opened = opened
        self.model = ProjectModel(opened, self)
        self._pages = QStackedWidget(self)
        self._make_header()
        self._make_details()
        self._make_buttons()
        self._make_list()
        self._pages.addWidget(self._welcome())
        self._pages.addWidget(self._project_page())
        self.set_body(self._pages)
        self.setFocusProxy(self.view)
        opened.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Shows the project as it is now."""
        opened, project = self._opened, self._opened.project
        self._pages.setCurrentIndex(1 if opened.is_open else 0)
        if not opened.is_open:
            self.model.refresh()
            return
        self.title.setText(project.title or (opened.folder.name if opened.folder else ""))
        self.progress.setMaximum(max(1, len(project.slides)))
        self.progress.setValue(project.count("done"))
        self.summary.setText(self._progress_text())
        self.readers.setText(opened.readers)
        self._refresh_filters()
        chosen = self.chosen()
        self.model.refresh()
        self._choose(chosen[0].identity if chosen else self.model.current)
        self.find_missing.setVisible(bool(opened.missing))
        self.find_missing.setEnabled(not opened.is_searching)
        self.find_missing.setText("Looking..." if opened.is_searching else "Find...")
        self._show_details()

    def show_stage(self, text: str) -> None:
        """Say in which stage of a study the reader is; "" hides it."""
        self.stage.setText(text)
        self.stage.setVisible(bool(text))

    def mark(self, identity: str) -> None:
        """Makes the row of the slide in the active pane the current one."""
        if identity != self.model.current:
            self.model.current = identity
            self.model.refresh()
        self._choose(identity)
        self._show_details()

    def chosen(self) -> list[ProjectSlide]:
        rows = sorted(index.row() for index in self.view.selectedIndexes())
        return [self.model.slides[row] for row in rows if row < len(self.model.slides)]

    def neighbor(self, step: int) -> ProjectSlide | None:
        """The next slide that is there, `step` rows on; from the open one, else the chosen one."""
        row = self.model.row_of(self.model.current)
        if row < 0:
            chosen = self.chosen()
            row = self.model.row_of(chosen[0].identity) - step if chosen else -1
        slides = self.model.slides
        while 0 <= (row := row + step) < len(slides):
            if slides[row].identity not in self._opened.missing:
                return slides[row]
        return None

    def shut_down(self) -> None:
        self.model.thumbnails.shut_down()

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        from viewer.studies.project import STATES

        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for row, state in enumerate(STATES):
                self.state.setItemIcon(row, icon(STATE_ICONS[state]))

    # Drops -----------------------------------------------------------------------------------

    @guarded()
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and self._opened.is_open:
            event.acceptProposedAction()

    @guarded()
    def dropEvent(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.paths_dropped.emit(paths)

    # Made once -------------------------------------------------------------------------------

    def _make_header(self) -> None:
        self.title = QLabel(self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.progress = QProgressBar(self)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName("Slides done")
        self.summary = QLabel(self)
        self.summary.setProperty("dim", "true")
        self.readers = QLabel(self)
        self.readers.setProperty("dim", "true")
        self.readers.setWordWrap(True)
        self.readers.setTextFormat(Qt.TextFormat.PlainText)
        self.stage = QLabel(self)
        self.stage.setWordWrap(True)
        self.stage.setTextFormat(Qt.TextFormat.PlainText)
        self.stage.hide()
        self.filter = QComboBox(self)
        self.filter.setAccessibleName("Slides shown")
        self.filter.setToolTip("Which slides are listed, and traveled through by key")
        self.filter.currentIndexChanged.connect(lambda _: self._filter())

    def _make_list(self) -> None:
        self.view = KeyedList(self)
        self.view.setModel(self.model)
        self.view.setItemDelegate(SlideRowDelegate(self.view))
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setUniformItemSizes(True)
        self.view.setMouseTracking(True)
        self.view.setAccessibleName("Slides of the project")
        self.view.activated.connect(self._on_activated)
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._show_details())

    def _make_details(self) -> None:
        from viewer.studies.project import STATES

        self.state = QComboBox(self)
        self.state.setAccessibleName("State")
        for state in STATES:
            self.state.addItem(icon(STATE_ICONS[state]), STATE_NAMES[state], state)
        self.assignee = QLineEdit(self)
        self.assignee.setPlaceholderText("Nobody")
        self.note = QLineEdit(self)
        self.note.setPlaceholderText("None")
        self._texts = {"assignee": self.assignee, "note": self.note}
        self._detailed = ""
        self.state.activated.connect(
            lambda _: self.edited.emit(self._detailed, {"state": self.state.currentData()})
        )
        for field in self._texts.values():
            field.editingFinished.connect(self._take_texts)

    def _make_buttons(self) -> None:
        self.add = QPushButton("Add...", self)
        self.add.setToolTip("Add slides; files and folders can be dropped here too")
        self.remove = QPushButton("Remove", self)
        self.remove.setToolTip("Take the chosen slides off the list; their files stay")
        self.find_missing = QPushButton("Find...", self)
        self.find_missing.setToolTip("Look for the missing slides in a folder")
        self.add.clicked.connect(self.add_requested)
        self.remove.clicked.connect(
            lambda: self.remove_requested.emit([slide.identity for slide in self.chosen()])
        )
        self.find_missing.clicked.connect(self.find_requested)

    def _welcome(self) -> QWidget:
        notice = QLabel(
            "A project is a folder with a list of slides that are read together: who reads "
            "which, how far they are, and the questions to answer.",
            self,
        )
        notice.setWordWrap(True)
        notice.setProperty("dim", "true")
        self.create_button = QPushButton("New project...", self)
        self.open_button = QPushButton("Open project...", self)
        self.create_button.clicked.connect(self.create_requested)
        self.open_button.clicked.connect(self.open_requested)
        page = QWidget(self)
        layout = QVBoxLayout(page)
        for widget in (notice, self.create_button, self.open_button):
            layout.addWidget(widget)
        layout.addStretch(1)
        return page

    def _project_page(self) -> QWidget:
        details = QFormLayout()
        details.addRow("State:", self.state)
        details.addRow("Assigned to:", self.assignee)
        details.addRow("Note:", self.note)
        buttons = QHBoxLayout()
        for button in (self.add, self.remove, self.find_missing):
            buttons.addWidget(button)
        page = QWidget(self)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(6, 6, 6, 6)
        above = (self.title, self.progress, self.summary, self.readers, self.stage, self.filter)
        for widget in above:
            layout.addWidget(widget)
        layout.addWidget(self.view, 1)
        layout.addLayout(details)
        layout.addLayout(buttons)
        return page

    # -----------------------------------------------------------------------------------------

    def _progress_text(self) -> str:
        project, missing = self._opened.project, len(self._opened.missing)
        text = f"{project.count('done')} of {len(project.slides)} done"
        if in_work := project.count("in work"):
            text += f", {in_work} in work"
        return f"{text}, {missing} missing" if missing else text

    def _refresh_filters(self) -> None:
        """All, the states, and the people that slides are assigned to."""
        from viewer.studies.project import STATES

        people = sorted({slide.assignee for slide in self._opened.project.slides} - {""})
        wanted = ["", *STATES, MISSING, *(f"{_ASSIGNED}{name}" for name in people)]
        held = [self.filter.itemData(row) for row in range(self.filter.count())]
        if held == wanted:
            return
        chosen = self.filter.currentData()
        with QSignalBlocker(self.filter):
            self.filter.clear()
            for data in wanted:
                self.filter.addItem(_filter_name(data), data)
            self.filter.setCurrentIndex(max(0, self.filter.findData(chosen)))
        self._filter()

    def _filter(self) -> None:
        wanted = self.filter.currentData() or ""
        if wanted.startswith(_ASSIGNED):
            name = wanted.removeprefix(_ASSIGNED)
            self.model.set_filter(lambda slide: slide.assignee == name)
        elif wanted:
            self.model.set_filter(lambda slide: wanted in (slide.state, self.model.state_of(slide)))
        else:
            self.model.set_filter(lambda _: True)
        self._choose(self.model.current)
        self._show_details()

    def _choose(self, identity: str) -> None:
        row = self.model.row_of(identity)
        if row >= 0 and not any(index.row() == row for index in self.view.selectedIndexes()):
            self.view.setCurrentIndex(self.model.index(row))

    def _show_details(self) -> None:
        """What is being typed stays, and goes to the slide that it was typed for."""
        from viewer.studies.project import STATES

        chosen = self.chosen()
        slide = chosen[0] if len(chosen) == 1 else None
        identity = slide.identity if slide is not None else ""
        is_other = identity != self._detailed
        if is_other:
            self._take_texts()
            self._detailed = identity
        for widget in (self.state, self.assignee, self.note):
            widget.setEnabled(slide is not None)
        self.remove.setEnabled(bool(chosen))
        for name, field in self._texts.items():
            if is_other or not field.isModified():
                field.setText(getattr(slide, name) if slide is not None else "")
        self.state.setCurrentIndex(STATES.index(slide.state) if slide is not None else -1)

    def _take_texts(self) -> None:
        changes = {
            name: field.text().strip() for name, field in self._texts.items() if field.isModified()
        }
        for field in self._texts.values():
            field.setModified(False)
        if changes and self._detailed:
            self.edited.emit(self._detailed, changes)

    def _on_activated(self, index: QModelIndex) -> None:
        self.slide_requested.emit(index.data(ProjectModel.SLIDE_ROLE))


def _filter_name(wanted: str) -> str:
    if wanted.startswith(_ASSIGNED):
        return f"Assigned to {wanted.removeprefix(_ASSIGNED)}"
    return STATE_NAMES[wanted] if wanted else "All slides"
