"""A contact sheet of a folder of slides as they arrive, those with the most trouble first."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.plain_text import shown_line
from viewer.plurals import plural
from viewer.ui.theme import colored_icon, current_theme
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.cohort.arrival.checking import SlideCheck

_EVERY_S, _SAID_S = 10.0, 2.0
"""Between two looks at the folder, and between two states of the sheet while slides are read."""
_MOST_SHOWN = 500
_PICTURE_PX = 120
_CARD_PX = 190
_SIZE_PX = (960, 700)


class _Card(msgspec.Struct, frozen=True):
    """A slide on the sheet: what is wrong with it in words, and its picture where it is new."""

    path: str
    reasons: tuple[str, ...]
    picture: QImage | None


class ContactSheet(QDialog):
    """Watches a folder for as long as it is open; slides are read in a thread of its own.

    What `coverslip watch` found of the folder before is shown at once, and the other way round.
    """

    slide_chosen = Signal(str)
    """The path of a slide that is to be opened."""
    _found = Signal(object, str)
    """Cards in their order, and a sentence about what the watch does."""

    def __init__(self, folder: Path, name_of: Callable[[Path], str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Quality of slides in {shown_line(folder.name)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*_SIZE_PX)
        self._folder = folder
        self._name_of = name_of
        self._sent: set[str] = set()
        """What the window has a picture of; the thread's own."""
        self._icons: dict[str, QIcon] = {}
        self._blank = _blank()
        self._told_s = 0.0
        self._over = threading.Event()
        self.state = QLabel("Reading the folder...", self)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.state.setWordWrap(True)
        self.sheet = QListWidget(self)
        self.sheet.setAccessibleName("Slides, those with the most trouble first")
        self.sheet.setViewMode(QListView.ViewMode.IconMode)
        self.sheet.setResizeMode(QListView.ResizeMode.Adjust)
        self.sheet.setMovement(QListView.Movement.Static)
        self.sheet.setIconSize(QSize(_PICTURE_PX, _PICTURE_PX))
        self.sheet.setGridSize(QSize(_CARD_PX, _CARD_PX + 40))
        self.sheet.setWordWrap(True)
        self.sheet.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.sheet.setUniformItemSizes(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.state)
        layout.addWidget(self.sheet, 1)
        self.sheet.itemClicked.connect(self._choose)
        self.sheet.itemActivated.connect(self._choose)
        self._found.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self.finished.connect(lambda _: self._over.set())
        threading.Thread(target=self._watch, name="contact sheet", daemon=True).start()

    def _choose(self, item: QListWidgetItem) -> None:
        self.slide_chosen.emit(item.data(Qt.ItemDataRole.UserRole))

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        """Have the fields without a picture follow the theme."""
        super().changeEvent(event)
        if event.type() != QEvent.Type.PaletteChange or not hasattr(self, "sheet"):
            return
        self._blank = _blank()
        for row in range(self.sheet.count()):
            item = self.sheet.item(row)
            if item.data(Qt.ItemDataRole.UserRole) not in self._icons:
                item.setIcon(self._blank)

    def _show(self, cards: list[_Card], state: str) -> None:
        self.state.setText(state)
        chosen = self.sheet.currentItem()
        path = None if chosen is None else chosen.data(Qt.ItemDataRole.UserRole)
        bar = self.sheet.verticalScrollBar()
        scrolled_px = bar.value()
        self.sheet.clear()
        for card in cards:
            if card.picture is not None:
                self._icons[card.path] = QIcon(QPixmap.fromImage(card.picture))
            own, name = Path(card.path).name, self._name_of(Path(card.path))
            # A study that hides names hides them in what is said of the files, too.
            reasons = [shown_line(each.replace(own, name)) for each in card.reasons]
            said = "; ".join(reasons) or "good"
            icon = self._icons.get(card.path) or self._blank
            item = QListWidgetItem(icon, f"{shown_line(name)}\n{said}", self.sheet)
            item.setSizeHint(self.sheet.gridSize())  # all of a card is for its lines of text
            item.setData(Qt.ItemDataRole.UserRole, card.path)
            item.setToolTip(plain_tip("\n".join((shown_line(name), *reasons))))
            if card.path == path:
                self.sheet.setCurrentItem(item)
        self.sheet.doItemsLayout()
        bar.setValue(scrolled_px)  # it is filled anew every few seconds, while somebody reads on
        shown = {card.path for card in cards}
        self._icons = {path: icon for path, icon in self._icons.items() if path in shown}

    # In the thread ---------------------------------------------------------------------------

    def _watch(self) -> None:
        from viewer.cohort.arrival.watching import FolderWatch, watched_folder
        from viewer.errors import CoverslipError

        try:
            self._watched = FolderWatch(self._folder, watched_folder(self._folder), self)
            waits = False
            while not self._over.is_set():
                self._tell("Checking new slides...")
                self._watched.look(waits_for_growth=waits)
                waits = True  # what arrives later may still be growing
                self._tell("")
                self._over.wait(_EVERY_S)
        except CoverslipError as error:
            self._emit([], str(error))

    def on_check(self, check: SlideCheck) -> None:
        """Show what was found so far; `FolderWatch` calls it in the thread."""
        del check
        if time.monotonic() - self._told_s >= _SAID_S:
            self._tell("Checking new slides...")

    def on_problem(self, sentence: str) -> None:
        """Say what is wrong with the folder; `FolderWatch` calls it in the thread."""
        self._emit([], sentence)

    def _tell(self, doing: str) -> None:
        from viewer.cohort.arrival.trouble import troubles

        checks = self._watched.checks
        if self._watched.problem:
            self._emit([], self._watched.problem)
            return
        ranked = sorted(
            zip(checks, troubles(checks), strict=True),
            key=lambda each: (-each[1].score, each[0].name),
        )
        bad = sum(bool(trouble.reasons) for _, trouble in ranked)
        count = plural(len(checks), "slide")
        shown = f"; the first {_MOST_SHOWN:,} are shown" if len(ranked) > _MOST_SHOWN else ""
        trouble = f"{bad:,} with trouble, the most trouble first" if bad else "none with trouble"
        parts = [f"{count}, {trouble}{shown}.", doing]
        if not checks:
            parts[0] = "There are no slides in the folder yet: those that arrive are shown."
        cards = [
            _Card(check.path, trouble.reasons, self._picture(check))
            for check, trouble in ranked[:_MOST_SHOWN]
        ]
        self._sent = {card.path for card in cards if card.picture is not None} | (
            self._sent & {card.path for card in cards}
        )
        self._emit(cards, " ".join(filter(None, parts)))

    def _picture(self, check: SlideCheck) -> QImage | None:
        """Return the small picture of a slide that the window has none of yet."""
        if check.path in self._sent:
            return None
        image = QImage(str(self._watched.picture_of(check)))
        if image.isNull():
            return None
        return image.scaled(
            _PICTURE_PX, _PICTURE_PX, Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )  # fmt: skip

    def _emit(self, cards: list[_Card], state: str) -> None:
        self._told_s = time.monotonic()
        if self._over.is_set():
            return
        with contextlib.suppress(RuntimeError):  # the sheet was closed meanwhile
            self._found.emit(cards, state)


def _blank() -> QIcon:
    """Return what stands for a picture that is missing, in the theme's colors."""
    return colored_icon("mdi6.image-off-outline", current_theme().disabled_text)
