"""The documents of the program, read in a window of its own, without a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QKeySequence, QTextCursor, QTextDocument
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QTextBrowser, QVBoxLayout, QWidget

from viewer.limits import JSON_BYTES, read_regular
from viewer.resource_files import document
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.widgets import IconButton

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QTextBlock

FIRST = "index.md"
PAGES = {
    "": "viewing.md",
    "agent": "agents.md",
    "annotations": "annotating.md",
    "batch": "batch.md",
    "batch_table": "batch.md",
    "comparison": "projects.md",
    "overlays": "models.md",
    "project": "projects.md",
    "questions": "projects.md",
    "replay": "recording.md",
    "review": "study.md",
    "seen": "recording.md",
    "sessions": "recording.md",
    "set_review": "projects.md",
    "tma": "tma.md",
}
"""The page of a panel, by its name; those that are not here are for viewing."""

_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
_PICTURE_WIDTH_PX = 720
_MARGIN_PX = 14
_OF_SITE = re.compile(r"^::: .*?(?=^\S|\Z)", re.M | re.S)
"""What only the site of the documents fills in: descriptions of functions."""


def page_of(panel: str) -> str:
    """Return the page that tells of a panel."""
    return PAGES.get(panel, PAGES[""])


class _Page(msgspec.Struct, frozen=True):
    path: Path
    text: str
    pictures: dict[str, QImage]


class HelpWindow(QDialog):
    """Shows one page; links lead to others, and back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Help")
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self._disk = BackgroundRunner("read help", 1, self)
        self._before: list[tuple[Path, int]] = []
        self.page: Path | None = None
        self.back = IconButton("mdi6.arrow-left", "The page before", self)
        self.back.setShortcut(QKeySequence.StandardKey.Back)
        self.back.clicked.connect(self._go_back)
        self.home = IconButton("mdi6.home-outline", "All pages", self)
        self.home.clicked.connect(lambda: self.show_page(FIRST))
        self.words = QLineEdit(self)
        self.words.setPlaceholderText("Find on this page")
        self.words.setAccessibleName("Find on this page")
        self.words.setClearButtonEnabled(True)
        self.words.textChanged.connect(self._find)
        self.words.returnPressed.connect(lambda: self._find(self.words.text(), from_here=True))
        self.text = QTextBrowser(self)
        self.text.setAccessibleName("Help page")
        self.text.setOpenLinks(False)
        self.text.document().setDocumentMargin(_MARGIN_PX)
        self.text.anchorClicked.connect(self._follow)
        bar = QHBoxLayout()
        bar.addWidget(self.back)
        bar.addWidget(self.home)
        bar.addWidget(self.words, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(bar)
        layout.addWidget(self.text)
        self.resize(820, 700)

    def show_page(self, page: str) -> None:
        """Show a page by its name in `docs/`, and the window."""
        self._go(document(page))
        self.show()
        self.raise_()
        self.activateWindow()

    def show_page_of(self, panel: str) -> None:
        """Show the page that tells of a panel, and the window."""
        self.show_page(page_of(panel))

    def shut_down(self) -> None:
        """Let go of what is still being read."""
        self._disk.close()

    def _go(self, path: Path, heading: str = "", place: int = 0, *, is_new: bool = True) -> None:
        if is_new and self.page is not None:
            self._before.append((self.page, self.text.verticalScrollBar().value()))
        self.back.setEnabled(bool(self._before))

        def show(page: _Page) -> None:
            self._show(page)
            if heading:
                self._scroll_to(heading)
            else:
                self.text.verticalScrollBar().setValue(place)

        self._disk.run(lambda: _read(path), show, lambda error: self._say_missing(path, error))

    def _show(self, page: _Page) -> None:
        self.page = page.path
        self.text.setMarkdown(page.text)
        # After the text, which takes all pictures of the page before with it.
        shown = self.text.document()
        for name, picture in page.pictures.items():
            shown.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), picture)
        shown.markContentsDirty(0, shown.characterCount())
        self.words.clear()

    def _say_missing(self, path: Path, error: Exception) -> None:
        self.page = path
        self.text.setPlainText(f"{path.name} cannot be shown ({error}).")

    def _follow(self, address: QUrl) -> None:
        if address.scheme() in ("http", "https"):
            QDesktopServices.openUrl(address)
            return
        assert self.page is not None
        if not address.path():
            self._scroll_to(address.fragment())
            return
        self._go((self.page.parent / address.path()).resolve(), address.fragment())

    def _go_back(self) -> None:
        path, place = self._before.pop()
        self._go(path, place=place, is_new=False)

    def _find(self, words: str, *, from_here: bool = False) -> None:
        if not from_here:
            self.text.moveCursor(QTextCursor.MoveOperation.Start)
        if words and not self.text.find(words):
            self.text.moveCursor(QTextCursor.MoveOperation.Start)
            self.text.find(words)

    def _scroll_to(self, heading: str) -> None:
        block: QTextBlock = self.text.document().begin()
        while block.isValid():
            if block.blockFormat().headingLevel() and _anchor(block.text()) == heading:
                cursor = QTextCursor(block)
                self.text.moveCursor(QTextCursor.MoveOperation.End)
                self.text.setTextCursor(cursor)
                return
            block = block.next()


def _read(path: Path) -> _Page:
    """Read a page and its pictures, made as wide as the window at most. Raises OSError."""
    text = read_regular(path, JSON_BYTES).decode()
    pictures: dict[str, QImage] = {}
    for name in _PICTURE.findall(text):
        picture = QImage(str(path.parent / name))
        if picture.width() > _PICTURE_WIDTH_PX:
            picture = picture.scaledToWidth(
                _PICTURE_WIDTH_PX, Qt.TransformationMode.SmoothTransformation
            )
        pictures[name] = picture
    text = _OF_SITE.sub("In Python, `help(coverslip)` describes each function.\n", text)
    return _Page(path, text, pictures)


def _anchor(heading: str) -> str:
    """Return how links name a heading, as the site of the documents does."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.casefold()).strip())
