"""The key of an overlay's colors on its card: a row a class, which can be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from viewer.ui.swatches import SWATCH_PX, swatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.overlays.legend import LegendRow

_NAME_PX = 130
_MOST_ROWS = 24


class ClassLegend(QWidget):
    """Rows of swatch, name and figures; those past a bound are counted."""

    switched = Signal(int, bool)
    """The index of a class, and whether it is shown from now on."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend")
        self.rows: tuple[LegendRow, ...] = ()
        self.checks: list[QCheckBox] = []
        self._names: list[QWidget] = []
        self._figures: list[list[QLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(0)
        self._grid.setColumnStretch(0, 1)
        self._more = QLabel(self)
        self._more.setProperty("dim", "true")
        self._more.hide()
        self.hide()

    def show_rows(self, rows: Sequence[LegendRow]) -> None:
        """Show a legend; an empty one takes no room."""
        shown = tuple(rows[:_MOST_ROWS])
        if self._shape_of(shown) != self._shape_of(self.rows):
            self._build(shown)
        self.rows = shown
        for index, row in enumerate(shown):
            for label, text in zip(self._figures[index], row.figures, strict=True):
                if label.text() != text:
                    label.setText(text)
            self._names[index].setToolTip(row.about)
            if row.can_hide:
                with QSignalBlocker(self.checks[index]):
                    self.checks[index].setChecked(row.is_shown)
        left = len(rows) - len(shown)
        self._more.setText(f"and {left:,} more classes")
        self._more.setVisible(left > 0)
        self.setVisible(bool(shown))

    @property
    def text(self) -> str:
        """Return the legend as it is read, a line a class."""
        return "\n".join(" ".join((row.name, *row.figures)) for row in self.rows)

    @staticmethod
    def _shape_of(rows: Sequence[LegendRow]) -> list[tuple[int, str, str, int, bool]]:
        return [(row.index, row.name, row.color, len(row.figures), row.can_hide) for row in rows]

    def _build(self, rows: Sequence[LegendRow]) -> None:
        for widget in (*self._names, *(label for labels in self._figures for label in labels)):
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._names, self._figures, self.checks = [], [], []
        for index, row in enumerate(rows):
            text = self.fontMetrics().elidedText(row.name, Qt.TextElideMode.ElideRight, _NAME_PX)
            check = QCheckBox(text.replace("&", "&&"), self)
            check.setIconSize(QSize(SWATCH_PX, SWATCH_PX))
            check.setIcon(swatch(row.color))
            check.setAccessibleName(f"Show {row.name}")
            check.clicked.connect(lambda on, index=row.index: self.switched.emit(index, on))
            name: QWidget = check
            if not row.can_hide:
                check.hide()
                name = self._label(row, text)
            self.checks.append(check)
            self._names.append(name)
            self._grid.addWidget(name, index, 0)
            labels = [QLabel(self) for _ in row.figures]
            for column, label in enumerate(labels):
                self._grid.addWidget(label, index, column + 1, Qt.AlignmentFlag.AlignRight)
            self._figures.append(labels)
        self._grid.removeWidget(self._more)
        self._grid.addWidget(self._more, len(rows), 0, 1, 4)

    def _label(self, row: LegendRow, text: str) -> QWidget:
        """Return a name that cannot be left out, with its swatch where it has a color."""
        label = QLabel(self)
        label.setTextFormat(Qt.TextFormat.RichText if row.color else Qt.TextFormat.PlainText)
        if not row.color:
            label.setText(text)
            return label
        import html

        color, name = html.escape(row.color), html.escape(text)
        label.setText(f'<span style="color:{color}">&#9632;</span> {name}')
        return label
