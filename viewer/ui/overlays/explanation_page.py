"""What explains a class on the slide: which map is painted, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QGroupBox, QPushButton, QVBoxLayout, QWidget

from viewer.ui.widgets import set_look, show_or_hide, text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.runs.part_weights import PartWeights


class ExplanationPage(QGroupBox):
    """Shown on the page AI while an explanation is; whoever owns it explains."""

    way_chosen = Signal(int)
    """The number of the map that is painted from now on."""
    end_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Explanation", parent)
        self.setAccessibleName("Explanation")
        self.outcome = text_label(self)
        self.outcome.setAccessibleName("What is explained")
        self.way = QComboBox(self)
        self.way.setMinimumContentsLength(1)
        self.way.setAccessibleName("What is painted")
        self.way.setToolTip(
            "Paint what speaks for the class, or what each head of the network attends to"
        )
        self.tested = text_label(self)
        self.tested.setAccessibleName("Whether it holds")
        self.note = text_label(self, dim=True)
        self.end = QPushButton("Close", self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        for widget in (self.outcome, self.way, self.tested, self.note, self.end):
            layout.addWidget(widget)
        self.way.currentIndexChanged.connect(self.way_chosen)
        self.end.clicked.connect(self.end_wanted)
        self.hide()

    def show_waiting(self, sentence: str) -> None:
        """Say what is under way."""
        self.outcome.setText(sentence)
        for widget in (self.way, self.tested, self.note):
            widget.hide()

    def show_ways(self, sentence: str, ways: Sequence[PartWeights], note: str) -> None:
        """Say what is explained, and offer the maps, of which the first is chosen."""
        self.outcome.setText(sentence)
        with QSignalBlocker(self.way):
            self.way.clear()
            self.way.addItems([_shown(each, number) for number, each in enumerate(ways)])
        self.way.setVisible(len(ways) > 1)
        show_or_hide(self.note, note)

    def show_tested(self, way: PartWeights) -> None:
        """Say whether the map that is painted holds."""
        self.tested.setText(way.sentence)
        set_look(self.tested, "notice", None if way.is_faithful else "warning")
        self.tested.show()


def _shown(way: PartWeights, number: int) -> str:
    name = f"Speaks for the class ({way.name})" if number == 0 else way.name.capitalize()
    return name if way.is_faithful else f"{name}, not more than chance"
