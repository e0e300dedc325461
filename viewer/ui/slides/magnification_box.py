"""The box in the status bar that shows the magnification and takes a typed one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.geometry import Optics
from viewer.ui.commands.views import MAGNIFICATIONS
from viewer.ui.widgets import take_as_typed

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent

_NUMBER = r"(\d+(?:[.,]\d*)?|[.,]\d+)"
_MAGNIFICATION = re.compile(rf"^\s*{_NUMBER}\s*[x×X]?\s*$")
_REDUCTION = re.compile(rf"^\s*1\s*:\s*{_NUMBER}\s*$")


def parse_zoom(typed: str, optics: Optics) -> float | str:
    """Return what was typed as a downsample (level-0 pixels per screen pixel), or why it is none.

    Takes magnifications ("20", "20x", "2.5") and reductions of the slide's pixels ("1:4").
    """
    reduction = _REDUCTION.match(typed)
    if reduction is not None:
        downsample = _number(reduction)
        return downsample if downsample > 0 else "Type a number larger than zero."
    magnification = _MAGNIFICATION.match(typed)
    if magnification is None:
        return f'"{typed.strip()}" is no magnification: type a number such as 20 or 2.5.'
    if _number(magnification) <= 0:
        return "Type a magnification larger than zero."
    downsample = optics.downsample(_number(magnification))
    if downsample is None:
        return (
            "This slide does not tell its scale: set its pixel size first, or type a reduction "
            "such as 1:4."
        )
    return downsample


def shown_zoom(downsample: float, optics: Optics) -> str:
    """Return the magnification such as "20x".

    The reduction such as "1:4" where the scale is unknown.
    """
    magnification = optics.magnification(downsample)
    if magnification is None:
        return f"1:{downsample:.3g}"
    return f"{magnification:.3g}x" if magnification < 100 else f"{magnification:.0f}x"


class MagnificationBox(QComboBox):
    """Shows the zoom of the active pane; Enter takes what is typed, Escape gives it up."""

    zoom_requested = Signal(float)
    """The downsample asked for."""
    refused = Signal(str)
    """One sentence: why what was typed is no zoom."""
    left = Signal()
    """The keyboard should go back to the slide."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._optics = Optics()
        self._downsample: float | None = None
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setAccessibleName("Magnification")
        self.setToolTip("Magnification: type one, such as 20 or 2.5x, and press Enter")
        self.setMinimumContentsLength(8)
        for magnification in MAGNIFICATIONS:
            self.addItem(f"{magnification:g}x")
        take_as_typed(self)
        self.textActivated.connect(lambda _: self._take())
        self.show_zoom(None, Optics())

    @property
    def line(self) -> QLineEdit:
        """Return the box's text field."""
        line = self.lineEdit()
        assert line is not None
        return line

    def show_zoom(self, downsample: float | None, optics: Optics) -> None:
        """Show a zoom, unless the user is typing; None where there is no slide."""
        self._downsample = downsample
        self._optics = optics
        self.setEnabled(downsample is not None)
        if not (self.line.hasFocus() and self.line.isModified()):
            self._show()

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            # Not passed on: the list would then choose its current entry instead.
            self._take()
        elif event.key() == Qt.Key.Key_Escape:
            self._show()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    @guarded()
    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._show()

    def _show(self) -> None:
        downsample = self._downsample
        text = "" if downsample is None else shown_zoom(downsample, self._optics)
        entry = self.findText(text)
        if entry != self.currentIndex():
            # Else Qt takes what is shown for a choice from the list once the keyboard leaves.
            with QSignalBlocker(self):
                self.setCurrentIndex(entry)
        if self.line.text() != text:
            self.setEditText(text)
        self.line.setModified(False)

    def _take(self) -> None:
        zoom = parse_zoom(self.line.text(), self._optics)
        self.line.setModified(False)
        if isinstance(zoom, str):
            self.refused.emit(zoom)
            self.line.selectAll()
            return
        self.zoom_requested.emit(zoom)
        self.left.emit()


def _number(match: re.Match[str]) -> float:
    return float(match.group(1).replace(",", "."))
