"""The images of a file that holds several: one click opens another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

if TYPE_CHECKING:
    from viewer.slides.source import SlideInfo

_MOST_BUTTONS = 6


class ImageBar(QFrame):
    """A button for each image, the open one pressed; images beyond the first few in a menu."""

    chosen = Signal(int)
    """The index of the image that the user asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("notice", "info")
        self.caption = QLabel(self)
        self.buttons: list[QPushButton] = []
        self._group = QButtonGroup(self)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(10, 4, 6, 4)
        self._row.addWidget(self.caption)
        self._row.addStretch(1)
        self.hide()

    def show_images(self, info: SlideInfo | None) -> None:
        """List the images of a file; the bar hides where there is one or none."""
        for button in self.buttons:
            self._group.removeButton(button)
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons.clear()
        entries = () if info is None else info.images
        self.setVisible(bool(entries))
        if info is None or not entries:
            return
        self.caption.setText(f"{len(entries)} images in this file:")
        for entry in entries[:_MOST_BUTTONS]:
            button = QPushButton(_escaped(_title(entry.index, entry.name)), self)
            button.setToolTip(f"{entry.width_px:,} x {entry.height_px:,} px")
            button.setCheckable(True)
            button.setChecked(entry.index == info.image)
            button.clicked.connect(lambda _=False, index=entry.index: self.chosen.emit(index))
            self._add(button)
        if len(entries) > _MOST_BUTTONS:
            more = QPushButton("More", self)
            menu = QMenu(more)
            for entry in entries[_MOST_BUTTONS:]:
                size = f"{entry.width_px:,} x {entry.height_px:,} px"
                action = menu.addAction(_escaped(f"{_title(entry.index, entry.name)}, {size}"))
                action.triggered.connect(lambda _=False, index=entry.index: self.chosen.emit(index))
            more.setMenu(menu)
            self._add(more)

    def _add(self, button: QPushButton) -> None:
        self._row.insertWidget(self._row.count() - 1, button)
        self._group.addButton(button)
        self.buttons.append(button)


def _title(index: int, name: str) -> str:
    return name.strip()[:40] or f"Image {index}"


def _escaped(text: str) -> str:
    """Return a text in which no ampersand marks a key."""
    return text.replace("&", "&&")
