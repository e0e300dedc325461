"""The bar over a pane while things are counted in it: the figures, the keys, the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from viewer.plurals import plural
from viewer.ui.one_line import OneLineLabel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from viewer.annotations.annotation import AnnotationClass
    from viewer.annotations.counting.tally import CountSummary

_KEYS = "Click or T: count.  1 to 9: class.  Enter: next field.  Backspace: take back.  Drag: move."
_ALWAYS_SHOWN = 2


class CountingBar(QFrame):
    """Says that digits and clicks count, and how many there are in how many mm²."""

    class_chosen = Signal(int)
    """The index of a class whose button was pressed."""
    next_wanted = Signal()
    frame_wanted = Signal()
    export_wanted = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("notice", "info")
        self.setAccessibleName("Counting")
        # A narrow pane cuts text rather than widen the window.
        self.figures = OneLineLabel(self)
        self.figures.setAccessibleName("Count")
        font = self.figures.font()
        font.setBold(True)
        self.figures.setFont(font)
        self.keys = OneLineLabel(self)
        self.keys.setText(_KEYS)
        self.keys.setToolTip(_KEYS.replace("  ", "\n"))
        self.keys.setProperty("dim", True)
        self._classes = QHBoxLayout()
        self._classes.setSpacing(4)
        self._chips: list[QPushButton] = []
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.figures, 1)
        second.addLayout(self._classes)
        second.addWidget(self.keys, 1)
        for text, signal, tip in (
            ("Next field", self.next_wanted, "Lay out a field in the middle of the view (Enter)"),
            ("Frame...", self.frame_wanted, "Choose shape and area of the next field"),
            ("Export...", self.export_wanted, "Write the count as CSV or GeoJSON"),
            ("Exit", self.left, "Count no more (Esc)"),
        ):
            button = self._button(text, tip)
            button.clicked.connect(signal)
            first.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 6, 4)
        layout.setSpacing(3)
        layout.addLayout(first)
        layout.addLayout(second)
        self.hide()

    def show_count(
        self,
        summary: CountSummary,
        current: UUID | None,
        classes: Sequence[AnnotationClass],
        chosen: AnnotationClass,
        notice: str = "",
    ) -> None:
        """Show the count of the class in hand: of the field at hand, and of all."""
        text = count_text(summary, current, chosen.name)
        self.figures.setText(f"{text}   {notice}" if notice else text)
        self.figures.setToolTip(self.figures.text())
        if len(classes) != len(self._chips):
            self._make_chips(len(classes))
        counts = summary.counts
        for index, (chip, each) in enumerate(zip(self._chips, classes, strict=True)):
            chip.setText(f"{index + 1}  {each.name.replace('&', '&&')}: {counts[each.name]:,}")
            chip.setToolTip(f"Count {each.name} (key {index + 1})")
            chip.setChecked(each == chosen)
            # A narrow pane has room for those that are counted; the digits take up any.
            chip.setVisible(index < _ALWAYS_SHOWN or each == chosen or counts[each.name] > 0)

    def _make_chips(self, count: int) -> None:
        for chip in self._chips:
            chip.deleteLater()
        self._chips = [self._button("", "") for _ in range(count)]
        for index, chip in enumerate(self._chips):
            chip.setCheckable(True)
            chip.setProperty("chip", True)
            chip.clicked.connect(lambda _=False, index=index: self.class_chosen.emit(index))
            self._classes.addWidget(chip)

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button


def count_text(summary: CountSummary, current: UUID | None, name: str) -> str:
    """Return the count of a class in the field at hand and in all, with their areas."""
    parts: list[str] = []
    found = summary.of(current) if current is not None else None
    if found is not None:
        parts.append(
            f"{found.field.name}, {name}: {found.counts.get(name, 0):,} in {found.area_mm2:.4f} mm²"
        )
    if not summary.fields:
        return "No field yet: press Enter for one in the middle of the view."
    overlap = sum(each.area_mm2 for each in summary.fields) - summary.area_mm2
    once = ", overlap counted once" if overlap > 1e-6 else ""
    parts.append(
        f"{plural(len(summary.fields), 'field')}: {summary.counts[name]:,} in "
        f"{summary.area_mm2:.4f} mm² ({summary.per_mm2(name):,.1f}/mm²{once})"
    )
    return "   ·   ".join(parts)
