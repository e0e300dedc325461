"""The scores of graded cells in the card of their model: each value, and below it its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from viewer.ui.widgets import text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.overlays.score_report import ScoreLine


class ScorePage(QWidget):
    """Shows score lines; a place among them can be traveled to."""

    place_wanted = Signal(object)
    """A level-0 Point."""
    copy_wanted = Signal(str)
    """The scores as text with tabs, for a table."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Scores")
        self._lines: Sequence[ScoreLine] = ()
        self._of = ""
        self.title = self._label(bold=True)
        self.copy = QPushButton("Copy", self)
        self.copy.setToolTip("Copy scores and rules as a table")
        self.copy.clicked.connect(lambda: self.copy_wanted.emit(self.text))
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.title)
        layout.addLayout(self._grid)
        layout.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_lines("", ())

    @property
    def text(self) -> str:
        """Return the scores as rows of name, value and rule, parted by tabs."""
        rows = [f"{line.name}\t{line.value}\t{line.rule}" for line in self._lines]
        return "\n".join([f"Scores of {self._of}", *rows])

    @property
    def lines(self) -> Sequence[ScoreLine]:
        """Return what is shown."""
        return self._lines

    def show_lines(self, of: str, lines: Sequence[ScoreLine]) -> None:
        """Show the scores of what `of` names; none hides the page."""
        self.setVisible(bool(lines))
        if (of, tuple(lines)) == (self._of, tuple(self._lines)):
            return
        self._of, self._lines = of, tuple(lines)
        self.title.setText(f"Scores of {of}")
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for row, line in enumerate(lines):
            self._grid.addWidget(self._label(line.name), 2 * row, 0)
            value = self._label(line.value, bold=True)
            value.setAccessibleName(line.name)
            self._grid.addWidget(value, 2 * row, 1)
            if line.place is not None:
                go = QPushButton("Go", self)
                go.setAccessibleName(f"Go to {line.name}")
                go.clicked.connect(lambda _=False, at=line.place: self.place_wanted.emit(at))
                self._grid.addWidget(go, 2 * row, 2)
            self._grid.addWidget(self._label(line.rule, dim=True), 2 * row + 1, 0, 1, 3)

    def _label(self, text: str = "", *, bold: bool = False, dim: bool = False) -> QLabel:
        label = text_label(self, dim=dim)
        label.setText(text)
        if bold:
            font = label.font()
            font.setBold(True)
            label.setFont(font)
        return label
