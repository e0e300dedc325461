"""What a pane shows without a slide: how to open one, what was open last, three tours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.slides.recent_slides import SLACK_PX, TILE, RecentView
from viewer.ui.theme import icon
from viewer.ui.widgets import set_look, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QResizeEvent

_WIDTH_PX = 6 * TILE.width() + SLACK_PX
_MARGIN_PX = 24
_CARD_PX, _BUTTON_PX = 220, 130
_CARDS = (
    ("annotate", "mdi6.shape-polygon-plus", "Annotate", "Draw a region, give it a class, undo."),
    ("ai", "mdi6.creation-outline", "Run AI", "Find the nuclei in view with a model."),
    ("record", "mdi6.record-circle-outline", "Record a reading", "Record where you look; replay."),
)


class StartPage(QScrollArea):
    """Buttons that open something, recent slides, and cards that begin a tour.

    While a project is open it leads to the slides of that first.
    """

    open_requested = Signal()
    folder_requested = Signal()
    project_requested = Signal()
    go_on_requested = Signal()
    """The next slide of the open project is wanted, or, where it has none, slides for it."""
    sample_requested = Signal()
    recent_requested = Signal(object)
    """The Path of a recent slide."""
    tour_requested = Signal(str)
    """The name of a tour."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.heading = _title("", self)
        font = self.heading.font()
        font.setPixelSize(round(self.fontInfo().pixelSize() * 1.6))
        self.heading.setFont(font)
        self.sentence = QLabel(self)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setProperty("dim", True)
        self.go_on_button = self._button("", "The first slide of the project that is not done")
        self.go_on_button.setProperty("primary", True)
        self.go_on_button.clicked.connect(self.go_on_requested)
        self.open_button = self._button("Open slide...", "Open a slide in this pane")
        self.open_button.setProperty("primary", True)
        self.open_button.clicked.connect(self.open_requested)
        self.folder_button = self._button(
            "Open folder...", "List the slides of a folder and open the first"
        )
        self.folder_button.clicked.connect(self.folder_requested)
        self.project_button = self._button(
            "Open project...", "Open a list of slides that are read together"
        )
        self.project_button.clicked.connect(self.project_requested)
        self.sample_button = self._button(
            "Open sample slide", "Open the small slide that comes with Coverslip"
        )
        self.sample_button.clicked.connect(self.sample_requested)
        self.buttons = (
            self.open_button, self.folder_button, self.project_button, self.sample_button,
        )  # fmt: skip
        self.recent_title = _title("Recent slides", self)
        self.recent = RecentView(self)
        self.recent.chosen.connect(self.recent_requested)
        self.cards = {
            name: Card(icon_name, title, text, self) for name, icon_name, title, text in _CARDS
        }
        for name, card in self.cards.items():
            card.clicked.connect(lambda _=False, name=name: self.tour_requested.emit(name))
        self._buttons, self._cards = QGridLayout(), QGridLayout()
        self._columns = 0
        self._lay_out()
        self.set_recent(())
        self.show_project("", "", "")

    @property
    def first_button(self) -> QPushButton:
        """Return what the keyboard goes to."""
        return self.open_button if self.go_on_button.isHidden() else self.go_on_button

    def show_project(self, title: str, sentence: str, button: str) -> None:
        """Lead to the slides of a project; without a title there is none.

        `button` asks for the next of them, or for slides; "" hides it.
        """
        self.heading.setText(title or "Open a slide")
        self.sentence.setText(sentence or "Drop slides or a folder of slides here, or choose:")
        show_or_hide(self.go_on_button, button)
        set_look(self.open_button, "primary", not button)
        if self.open_button.hasFocus():
            self.first_button.setFocus()

    def set_recent(self, paths: Sequence[Path]) -> None:
        """List the slides opened last."""
        self.recent.set_paths(paths)
        self.recent_title.setVisible(bool(paths))
        self.recent.setVisible(bool(paths))

    def shut_down(self) -> None:
        """End the threads."""
        self.recent.recent.thumbnails.shut_down()

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put buttons and cards in as many columns as there is room for."""
        super().resizeEvent(event)
        self._arrange()

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def _lay_out(self) -> None:
        tours = _title("New here? Two minutes each, on the sample slide", self)
        column = QWidget(self)
        column.setMaximumWidth(_WIDTH_PX)
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for part in (self.heading, self.sentence, self.go_on_button):
            layout.addWidget(part)
        layout.addLayout(self._buttons)
        layout.addSpacing(14)
        layout.addWidget(self.recent_title)
        layout.addWidget(self.recent)
        layout.addSpacing(14)
        layout.addWidget(tours)
        layout.addLayout(self._cards)
        for grid in (self._buttons, self._cards):
            grid.setSpacing(8)
        page = QWidget(self)
        outer = QGridLayout(page)
        outer.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        outer.setColumnStretch(0, 1)
        outer.setColumnStretch(1, 100)
        outer.setColumnStretch(2, 1)
        outer.setRowStretch(0, 1)
        outer.setRowStretch(2, 2)
        outer.addWidget(column, 1, 1)
        self.setWidget(page)
        self._arrange()

    def _arrange(self) -> None:
        room_px = min(_WIDTH_PX, self.width() - 2 * _MARGIN_PX)
        columns = max(1, min(4, room_px // _BUTTON_PX))
        if columns == self._columns:
            return
        self._columns = columns
        per_row = {1: 1, 2: 2, 3: 2, 4: 4}[columns]
        for number, button in enumerate(self.buttons):
            self._buttons.addWidget(button, number // per_row, number % per_row)
        cards = 3 if room_px >= 3 * _CARD_PX else 1
        for number, card in enumerate(self.cards.values()):
            self._cards.addWidget(card, number // cards, number % cards)


class Card(QPushButton):
    """A large button: icon, title, and what happens."""

    def __init__(self, icon_name: str, title: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.setProperty("card", True)
        self.setAccessibleName(f"{title}: a tour of two minutes. {text}")
        self._picture = QLabel(self)
        name = _title(title, self)
        words = QLabel(text, self)
        words.setProperty("dim", True)
        words.setWordWrap(True)
        layout = QGridLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setHorizontalSpacing(12)
        layout.setVerticalSpacing(2)
        layout.setColumnStretch(1, 1)
        layout.addWidget(self._picture, 0, 0, 2, 1)
        layout.addWidget(name, 0, 1)
        layout.addWidget(words, 1, 1, Qt.AlignmentFlag.AlignTop)
        layout.setRowStretch(1, 1)
        for label in (self._picture, name, words):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._recolor()

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        layout = self.layout()
        return super().sizeHint() if layout is None else layout.sizeHint()

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        layout = self.layout()
        return super().minimumSizeHint() if layout is None else layout.minimumSize()

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._recolor()

    def _recolor(self) -> None:
        self._picture.setPixmap(icon(self._icon_name).pixmap(QSize(28, 28)))


def _title(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setProperty("title", True)
    return label
