"""The slides of a folder, or some that were opened together, as the drawer lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QWidget

from viewer.errors import reason_of
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.slides.slide_list import SlideList, SlideRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.studies.worklist import Worklist, WorklistEntry


class FolderSlides(SlideList):
    """Reads a folder in a thread; `shut_down` ends it."""

    listed = Signal(object)
    """The Path of the first slide in the order of reading: all are listed now."""
    failed = Signal(str)
    """One sentence: why a folder cannot be shown."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.folder: Path | None = None
        self._entries: dict[str, WorklistEntry[Path]] = {}
        self._worklist: Worklist[Path] | None = None
        self._letters: dict[str, str] = {}
        """What is searched in each slide, by its key."""
        self._task: Task | None = None
        self._background = BackgroundRunner("list folder", 2, self)
        self.caption = QLabel(parent)
        self.caption.setTextFormat(Qt.TextFormat.PlainText)
        self.caption.setProperty("dim", True)
        self.caption.setContentsMargins(10, 4, 10, 4)
        self.caption.setWordWrap(True)
        self.above = self.caption
        self._tell("Open or drop a folder to see its slides here.")

    @property
    def paths(self) -> list[Path]:
        """Return the slides in the order of reading."""
        return [each.slide for each in self._entries.values()]

    @property
    def worklist(self) -> Worklist[Path]:
        """Return the slides as they are read, made once a list; which are read is not in it."""
        from viewer.studies.worklist import Worklist

        if self._worklist is None:
            self._worklist = Worklist(self._entries.values())
        return self._worklist

    @property
    def count(self) -> int:
        """Return how many slides there are."""
        return len(self._entries)

    @property
    def is_there(self) -> bool:
        return bool(self._entries)

    def key_of(self, path: Path | None, identity: str) -> str:
        key = str(path) if path is not None else ""
        return key if key in self._entries else ""

    def keys(self, wanted: str = "", typed: str = "") -> Sequence[str]:
        from viewer.studies.worklist import letters

        sought = letters(typed)
        if not sought:
            return list(self._entries)
        return [key for key, text in self._letters.items() if sought in text]

    def row(self, key: str) -> SlideRow:
        entry = self._entries[key]
        return SlideRow(entry.slide, entry.slide.name, entry.place, tip=key)

    def show_folder(self, folder: Path) -> None:
        """List a folder in a thread and show the slides in it."""
        from viewer.slides.tray import slides_in
        from viewer.studies.worklist import file_entries

        if self._task is not None:
            self._task.cancel()
        self._tell(f"Looking for slides in {folder.name}...")
        self._task = self._background.run(
            lambda: _with_letters(file_entries(slides_in(folder))),
            lambda found: self._on_listed(folder, *found),
            lambda error: self._on_failed(folder, error),
        )

    def show_slides(self, paths: Sequence[Path]) -> None:
        """Show these slides, wherever they lie."""
        from viewer.studies.worklist import file_entries

        self.folder = None
        self._show(*_with_letters(file_entries(paths)), plural(len(paths), "slide"))

    def shut_down(self) -> None:
        """End the thread."""
        self._background.close()

    def _on_listed(
        self, folder: Path, entries: Sequence[WorklistEntry[Path]], letters: dict[str, str]
    ) -> None:
        self._task = None
        if not entries:
            sentence = f"There is no slide in the folder {folder.name}: choose another one."
            self._tell(sentence)
            self.failed.emit(sentence)
            return
        self.folder = folder
        count = plural(len(entries), "slide")
        self._show(entries, letters, f"{folder.name}: {count}")
        self.listed.emit(entries[0].slide)

    def _on_failed(self, folder: Path, error: Exception) -> None:
        self._task = None
        reason = reason_of(error)
        sentence = f"The folder {folder.name} cannot be read ({reason}): see that you may open it."
        self._tell(sentence)
        self.failed.emit(sentence)

    def _show(
        self, entries: Sequence[WorklistEntry[Path]], letters: dict[str, str], caption: str
    ) -> None:
        self._entries, self._letters = {each.key: each for each in entries}, letters
        self._worklist = None
        self._tell(caption)
        self.changed.emit()

    def _tell(self, caption: str) -> None:
        self.caption.setText(caption)


def _with_letters(
    entries: Sequence[WorklistEntry[Path]],
) -> tuple[Sequence[WorklistEntry[Path]], dict[str, str]]:
    """Return entries with what is searched in each: of a large folder that takes long."""
    from viewer.studies.worklist import letters

    return entries, {each.key: letters(f"{each.slide.name} {each.place.text}") for each in entries}
