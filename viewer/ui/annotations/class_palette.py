"""The classes of a window: read when it opens, kept when they change, each with its key."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut

from viewer.annotations.palette import (
    DEFAULT_PALETTE,
    Palette,
    PaletteClass,
    PaletteError,
    read_palette,
    write_palette,
)
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import UNUSABLE
from viewer.folders import data_folder
from viewer.limits import JSON_BYTES, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from viewer.ui.background_runner import BackgroundRunner

_log = logging.getLogger(__name__)
_FILE = "classes.json"


class ClassPalette(QObject):
    """Owned by the part; the file in the data folder holds what was chosen last.

    Parameters
    ----------
    disk
        Reads and writes the file.
    """

    changed = Signal()
    renamed = Signal(str, str)
    """A class was given another name by the editor: its former name and its name."""
    key_pressed = Signal(object)
    """The PaletteClass whose key was pressed."""
    troubled = Signal(str)

    def __init__(self, window: QWidget, disk: BackgroundRunner, parent: QObject) -> None:
        super().__init__(parent)
        self.classes: Palette = DEFAULT_PALETTE
        self._window = window
        self._disk = disk
        self._own: Palette = DEFAULT_PALETTE
        self._keep_lent: Callable[[Palette], object] | None = None
        self._shortcuts: list[QShortcut] = []
        self._bind()
        disk.run(lambda: _kept(data_folder() / _FILE), self._on_read, self._on_not_read)

    def named(self, name: str) -> PaletteClass | None:
        return next((each for each in self.classes if each.name == name), None)

    def use(self, classes: Palette) -> None:
        """Take classes into use and keep them."""
        if classes == self.classes:
            return
        self._show(classes)
        if self._keep_lent is not None:
            self._keep_lent(classes)
            return
        self._own = classes
        path = data_folder() / _FILE
        self._disk.run(
            lambda: write_palette(path, classes),
            lambda _: None,
            lambda error: self.troubled.emit(f"The classes cannot be kept ({error})."),
            keeps="The list of classes",
        )

    def lend(self, classes: Palette, keep: Callable[[Palette], object]) -> None:
        """Use the classes of a project; changes of them go to `keep`, not to the file."""
        self._keep_lent = keep
        if classes != self.classes:
            self._show(classes)

    def take_back(self) -> None:
        """Use the user's own classes again."""
        self._keep_lent = None
        if self.classes != self._own:
            self._show(self._own)

    def _on_read(self, classes: Palette | None) -> None:
        if classes is not None:
            self._own = classes
            if self._keep_lent is None:
                self._show(classes)

    def _on_not_read(self, error: Exception) -> None:
        self.troubled.emit(f"{error} The usual classes are used.")

    def _show(self, classes: Palette) -> None:
        self.classes = classes
        self._bind()
        self.changed.emit()

    def _bind(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []
        for each in self.classes:
            if not each.key:
                continue
            shortcut = QShortcut(QKeySequence(each.key), self._window)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(lambda each=each: self.key_pressed.emit(each))
            self._shortcuts.append(shortcut)


def _kept(path: Path) -> Palette | None:
    """Return the classes of a file; None where nothing was kept.

    Raises
    ------
    PaletteError
        The file is damaged. A copy is set aside, since the next change of a class writes it anew.
    """
    if not path.exists():
        return None
    try:
        return read_palette(path)
    except PaletteError as error:
        aside = path.with_suffix(".bad.json")
        try:
            try:
                atomic_write_bytes(aside, read_regular(path, JSON_BYTES))
            except UNUSABLE:
                path.replace(aside)
        except OSError as unkept:
            _log.warning("The damaged classes cannot be set aside (%s)", reason_of(unkept))
            raise error from None
        raise PaletteError(f"{error} A copy is kept as {aside.name}.") from error
