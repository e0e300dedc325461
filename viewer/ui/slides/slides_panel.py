"""The panel of slides: one list for a folder, a case and a project."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.slides.remote.address import is_address
from viewer.ui.item_views import KeyedList, rows_in_sight, selected_runs
from viewer.ui.search_field import SearchField, go_to_row
from viewer.ui.shell.panel import Panel
from viewer.ui.slides.slide_list import SlideListModel
from viewer.ui.slides.slide_row import PICTURE_SIZE, SlideRowDelegate

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    from viewer.ui.slides.slide_list import SlideList


_SETTLE_MS = 60
"""After the last scrolling, before pictures of what was scrolled past are given up."""


class SlidesPanel(Panel):
    """Shows one of several lists, such as a folder's slides or a project's.

    Enter or a double click opens a slide; the mark stays on the one that is on screen until
    another is.
    """

    open_requested = Signal(object, bool)
    """The Path of a slide to open, and whether beside the one on screen."""
    folder_requested = Signal()
    project_requested = Signal()
    create_requested = Signal()
    paths_dropped = Signal(list)
    """Paths that were dropped on the list."""
    listed = Signal()
    """Other slides are listed."""
    said = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Slides", parent)
        self.setObjectName("slides")
        self.setAcceptDrops(True)
        self.lists: dict[str, SlideList] = {}
        self.shown: SlideList | None = None
        """The list whose slides are shown, and traveled through by key."""
        self._at = ""
        """Key of the slide that was asked for last, which may have failed to open."""
        self._open_path: Path | None = None
        self._open_identity = ""
        self.model = SlideListModel(PICTURE_SIZE, self)
        self.sources = QTabBar(self)
        self.sources.setAccessibleName("List of slides")
        self.sources.setDrawBase(False)
        self.sources.currentChanged.connect(self._on_source)
        self._make_filters()
        self._make_list()
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._welcome())
        self._pages.addWidget(self.view)
        self._make_body()
        self.setFocusProxy(self.view)
        self._show_page()

    def add_list(self, title: str, slides: SlideList) -> None:
        """Take a list; it is shown once `show_list` asks for it."""
        self.lists[title] = slides
        with QSignalBlocker(self.sources):
            self.sources.addTab(title)
        slides.changed.connect(lambda: self._on_changed(slides))
        if slides.above is not None:
            self._above.addWidget(slides.above)
            slides.above.hide()
        if slides.below is not None:
            self._below.addWidget(slides.below)
            slides.below.hide()
        if self.shown is None:
            self.show_list(slides)

    def show_list(self, slides: SlideList) -> None:
        """Show the slides of a list."""
        if slides is not self.shown:
            self.shown = slides
            self._at = ""
            with QSignalBlocker(self.search), QSignalBlocker(self.filter):
                self.search.clear()
                self.filter.clear()
            self.model.thumbnails.set_device_pixel_ratio(self.devicePixelRatioF())
            self.model.show_list(slides)
        self._on_changed(slides)

    def show_open(self, path: Path | None, identity: str) -> None:
        """Mark the slide that the active pane shows; None where it shows none."""
        self._open_path, self._open_identity = path, identity
        if path is not None:
            self.model.thumbnails.look_again(path)
        key = self.shown.key_of(path, identity) if self.shown is not None else ""
        if key == self.model.current:
            return
        self._at = key
        self.model.mark(key)
        self._choose(key)

    def choose_open(self) -> None:
        """Select the slide that is shown: another one that was asked for did not open."""
        if self.model.current:
            self._choose(self.model.current)

    def note_failed(self, path: Path) -> None:
        """Go on from a slide that did not open when the next is asked for."""
        if self.shown is not None and (key := self.shown.key_of(path, "")):
            self._at = key

    def chosen(self) -> list[str]:
        """Return the keys of the selected slides, in order."""
        keys = self.model.keys
        runs = selected_runs(self.view)
        return list(chain.from_iterable(keys[first : last + 1] for first, last in runs))

    def step(self, step: int) -> None:
        """Open the slide `step` rows on, from the one asked for last, else the selected one."""
        model, slides = self.model, self.shown
        if slides is None:
            return
        row = model.row_of(self._at or model.current)
        if row < 0:
            chosen = self.chosen()
            row = model.row_of(chosen[0]) - step if chosen else -1
        while 0 <= (row := row + step) < len(model.keys):
            if not slides.why_not(model.keys[row]):
                self.open(model.keys[row])
                return
        self.said.emit(f"This is the {'last' if step > 0 else 'first'} slide of the list.")

    def open(self, key: str, *, beside: bool = False) -> None:
        """Ask for a slide of the list."""
        if self.shown is None:
            return
        if reason := self.shown.why_not(key):
            self.said.emit(reason)
            return
        if not beside:
            self._at = key
        self.open_requested.emit(self.shown.row(key).path, beside)

    def shut_down(self) -> None:
        """End the threads."""
        self.model.thumbnails.shut_down()

    # Drops -----------------------------------------------------------------------------------

    @guarded()
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    @guarded()
    def dropEvent(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.paths_dropped.emit(paths)

    # Made once -------------------------------------------------------------------------------

    def _make_filters(self) -> None:
        whole = "Filter the slides by name, case, block or stain"
        self.search = SearchField("Filter", whole, self)
        self.search.setToolTip("Filter by name, case, block or stain")
        self.search.went_on.connect(self._go_to_found)
        self.search.textChanged.connect(lambda _: self._filter())
        self.filter = QComboBox(self)
        self.filter.setAccessibleName("Slides shown")
        self.filter.setToolTip("Which slides are listed, and traveled through by key")
        self.filter.setMinimumContentsLength(6)
        self.filter.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.filter.currentIndexChanged.connect(lambda _: self._filter())

    def _make_list(self) -> None:
        self.view = KeyedList(self)
        self.view.setModel(self.model)
        self.view.setItemDelegate(SlideRowDelegate(self.view))
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setUniformItemSizes(True)
        self.view.setMouseTracking(True)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setAccessibleName("Slides")
        self.nothing = QLabel(self.view.viewport())
        self.nothing.setTextFormat(Qt.TextFormat.PlainText)
        self.nothing.setWordWrap(True)
        self.nothing.setMargin(10)
        self.nothing.setProperty("dim", True)
        self.nothing.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        over = QVBoxLayout(self.view.viewport())
        over.setContentsMargins(0, 0, 0, 0)
        over.addWidget(self.nothing, 0, Qt.AlignmentFlag.AlignTop)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.view.activated.connect(self._on_activated)
        self._settle = QTimer(self, interval=_SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self._keep_wishes)
        self.view.verticalScrollBar().valueChanged.connect(lambda _: self._settle.start())
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._tell_chosen())

    def _welcome(self) -> QWidget:
        notice = QLabel(
            "Open a folder to read its slides one after another, or a project: a folder with a "
            "list of slides, who reads which, how far they are, and the questions to answer.",
            self,
        )
        notice.setWordWrap(True)
        notice.setProperty("dim", True)
        self.folder_button = QPushButton("Open folder...", self)
        self.project_button = QPushButton("Open project...", self)
        self.create_button = QPushButton("New project...", self)
        self.folder_button.clicked.connect(self.folder_requested)
        self.project_button.clicked.connect(self.project_requested)
        self.create_button.clicked.connect(self.create_requested)
        page = QWidget(self)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(10, 4, 10, 4)
        layout.setSpacing(6)
        for widget in (notice, self.folder_button, self.project_button, self.create_button):
            layout.addWidget(widget)
        layout.addStretch(1)
        return page

    def _make_body(self) -> None:
        self._above, self._below = QVBoxLayout(), QVBoxLayout()
        self._filters = QWidget(self)
        filters = QHBoxLayout(self._filters)
        filters.setContentsMargins(8, 2, 8, 4)
        filters.setSpacing(4)
        filters.addWidget(self.search, 1)
        filters.addWidget(self.filter, 1)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.sources)
        layout.addLayout(self._above)
        layout.addWidget(self._filters)
        layout.addWidget(self._pages, 1)
        layout.addLayout(self._below)
        self.set_body(body)

    # -----------------------------------------------------------------------------------------

    def _on_source(self, number: int) -> None:
        if 0 <= number < len(self.lists):
            self.show_list(list(self.lists.values())[number])

    def _on_changed(self, slides: SlideList) -> None:
        """Show a list as it is now; one that is there no longer makes room for another."""
        others = [each for each in self.lists.values() if each.is_there]
        if self.shown is slides and not slides.is_there and others:
            self.show_list(others[0])
            return
        if slides is self.shown:
            self._refresh(slides)
        self._show_page()
        self.listed.emit()

    def _refresh(self, slides: SlideList) -> None:
        self._refresh_filters(slides)
        chosen = self.chosen()
        self.model.refresh()
        self.model.mark(slides.key_of(self._open_path, self._open_identity))
        self._choose(chosen[0] if chosen else self.model.current)
        self._tell_chosen()

    def _show_nothing(self) -> None:
        """Say why the list has no rows."""
        is_narrowed = bool(self.search.text() or self.filter.currentData())
        why = self.shown.empty if self.shown is not None else ""
        self.nothing.setText("No slide passes the filter." if is_narrowed else why)
        self.nothing.setVisible(not self.model.keys)

    def _show_page(self) -> None:
        self._show_nothing()
        is_there = self.shown is not None and self.shown.is_there
        self._pages.setCurrentIndex(1 if is_there else 0)
        for each in self.lists.values():
            for widget in (each.above, each.below):
                if widget is not None:
                    widget.setVisible(is_there and each is self.shown)
        self._filters.setVisible(is_there)
        self.filter.setVisible(self.filter.count() > 0)
        self.sources.setVisible(sum(each.is_there for each in self.lists.values()) > 1)
        with QSignalBlocker(self.sources):
            for number, each in enumerate(self.lists.values()):
                if each is self.shown:
                    self.sources.setCurrentIndex(number)

    def _refresh_filters(self, slides: SlideList) -> None:
        wanted = list(slides.filters)
        held = [
            (self.filter.itemData(row), self.filter.itemText(row))
            for row in range(self.filter.count())
        ]
        if held == wanted:
            return
        chosen = self.filter.currentData()
        with QSignalBlocker(self.filter):
            self.filter.clear()
            for data, name in wanted:
                self.filter.addItem(name, data)
            if wanted:
                self.filter.setCurrentIndex(max(0, self.filter.findData(chosen)))
        self._filter()

    def _filter(self) -> None:
        self.model.set_filter(self.filter.currentData() or "", self.search.text())
        self._show_nothing()
        self._choose(self.model.current)
        self._tell_chosen()

    def _go_to_found(self) -> None:
        """Put the keyboard on the first slide found; that on screen is listed in any case."""
        keys = self.model.keys
        go_to_row(self.view, next((r for r, k in enumerate(keys) if k != self.model.current), 0))

    def _choose(self, key: str) -> None:
        row = self.model.row_of(key)
        index = self.model.index(row)
        if row >= 0 and not self.view.selectionModel().isSelected(index):
            self.view.setCurrentIndex(index)

    def _tell_chosen(self) -> None:
        if self.shown is not None:
            self.shown.choose(self.chosen())

    def _keep_wishes(self) -> None:
        """Pictures of slides that were scrolled past are not made."""
        if self.view.isVisible():
            self.model.keep_wishes(rows_in_sight(self.view, len(self.model.keys)))

    def _on_activated(self, index: QModelIndex) -> None:
        self.open(index.data(SlideListModel.KEY_ROLE))

    def _show_menu(self, at: QPoint) -> None:
        slides, index = self.shown, self.view.indexAt(at)
        if slides is None or not index.isValid():
            return
        key = index.data(SlideListModel.KEY_ROLE)
        chosen = self.chosen()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("&Open").triggered.connect(lambda: self.open(key))
        menu.addAction("Open &beside").triggered.connect(lambda: self.open(key, beside=True))
        row = slides.row(key)
        if row.tip and not is_address(row.path):
            menu.addSeparator()
            folder = QUrl.fromLocalFile(str(row.path.parent))
            show = menu.addAction("Show in f&older")
            show.triggered.connect(lambda: QDesktopServices.openUrl(folder))
        slides.add_actions(menu, chosen if key in chosen else [key])
        menu.popup(self.view.viewport().mapToGlobal(at))
