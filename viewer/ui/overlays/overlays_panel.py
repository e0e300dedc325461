"""The AI page: a card a model, and below them where models and results are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.overlays.model_cards import ModelCards
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import ScrollColumn, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.overlays.card_body import CardBody

RESEARCH_ONLY = "For research use only, not for diagnosis."


class OverlaysPanel(Panel):
    """Shows the overlays of the active pane; `OverlaysController` does the work."""

    folder_requested = Signal()
    file_requested = Signal()
    results_requested = Signal()
    pixel_size_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Models", parent)
        self.setObjectName("overlays")
        self.about = self._label(RESEARCH_ONLY, dim=True)
        self.why_not = self._label("")
        self.why_not.setProperty("notice", "warning")
        self.set_pixel_size = QPushButton("Set pixel size...", self)
        self.models = ModelCards(self)
        self.earlier = self._label("", dim=True)
        self.earlier.hide()
        self.empty = self._label("No models yet. Add one below.", dim=True)
        self.add_folder = QPushButton("Folder...", self)
        self.add_folder.setToolTip(
            "Add a model from its folder; it can be dropped on the window too"
        )
        self.add_file = QPushButton("File or zip...", self)
        self.add_file.setToolTip("Add a model from a file of weights or a zip file")
        self.add_results = QPushButton("Results...", self)
        self.add_results.setToolTip("Show results that were made elsewhere over this slide")
        self.add_folder.setAccessibleName("Add model from a folder")
        self.add_file.setAccessibleName("Add model from a file or zip file")
        self.add_results.setAccessibleName("Import results for this slide")
        self.teach_cells = QPushButton("Cells", self)
        self.teach_cells.setToolTip("Teach classes of cells by marks on this slide")
        self.teach_cells.setAccessibleName("Teach classes of cells")
        self.teach_pixels = QPushButton("Pixels", self)
        self.teach_pixels.setToolTip("Teach a pixel classifier by strokes on this slide")
        self.teach_pixels.setAccessibleName("Teach a pixel classifier")
        self.teach_outlines = QPushButton("Outlines", self)
        self.teach_outlines.setToolTip("Let the nuclei network learn from corrected outlines")
        self.teach_outlines.setAccessibleName("Learn from corrected outlines")
        self._pages = QVBoxLayout()
        self._lay_out()
        self.setFocusProxy(self.models)
        self.add_folder.clicked.connect(self.folder_requested)
        self.add_file.clicked.connect(self.file_requested)
        self.add_results.clicked.connect(self.results_requested)
        self.set_pixel_size.clicked.connect(self.pixel_size_requested)
        self.show_why_not("")

    def build(self) -> None:
        """Make the cards of the models."""
        self.models.make()

    @property
    def body(self) -> CardBody:
        """Return the lower part of the chosen card. Raises LookupError where there is no card."""
        card = self.models.chosen_card
        if card is None:
            raise LookupError("there is no model")
        return card.body

    def add_page(self, page: QWidget) -> None:
        """Put what teaches a model above the models; whoever owns it shows and hides it."""
        self._pages.addWidget(page)

    def show_page(self, page: QWidget, *, is_shown: bool) -> None:
        """Show one of these pages, scrolled into sight, or hide it."""
        page.setVisible(is_shown)
        if is_shown:
            self.show()
            # Once it has its place.
            QTimer.singleShot(0, self, lambda: self._area.verticalScrollBar().setValue(page.y()))

    def show_why_not(self, sentence: str, *, lacks_pixel_size: bool = False) -> None:
        """Say why no model can run on the slide; "" where one can."""
        show_or_hide(self.why_not, sentence)
        self.set_pixel_size.setVisible(lacks_pixel_size)

    def show_earlier(self, sentences: Sequence[str]) -> None:
        """List kept results that are not shown, since an earlier version made them."""
        reasons = "; ".join(sentences)
        show_or_hide(self.earlier, f"Not shown: {reasons}. Run the model again." if reasons else "")

    def show_count(self) -> None:
        """Say what to do where there is no model."""
        self.empty.setVisible(self.models.count() == 0)

    def reveal(self, key: str) -> None:
        """Scroll a card that was added, turned on or unfolded into sight, at its new height."""
        QTimer.singleShot(0, self, lambda: self._reveal(key))

    def _reveal(self, key: str) -> None:
        """Scroll to a card, its head first."""
        card = self.models.card(key)
        if card is not None:
            self._area.ensureWidgetVisible(card, 0, 0)
            self._area.ensureWidgetVisible(card.switch, 0, 12)

    def _label(self, text: str, *, dim: bool = False) -> QLabel:
        label = QLabel(text, self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        if dim:
            label.setProperty("dim", "true")
        return label

    def _lay_out(self) -> None:
        adding = QHBoxLayout()
        adding.setSpacing(6)
        for button in (self.add_folder, self.add_file, self.add_results):
            adding.addWidget(button)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(6)
        for widget in (self.about, self.why_not, self.set_pixel_size):
            layout.addWidget(widget)
        layout.addLayout(self._pages)
        for widget in (self.models, self.empty):
            layout.addWidget(widget)
        layout.addWidget(self.earlier)
        layout.addStretch(1)
        area = self._area = ScrollColumn(body, self)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.models.unfolded.connect(lambda source: self.reveal(source.key))
        foot = QWidget(self)
        below = QVBoxLayout(foot)
        below.setContentsMargins(8, 4, 8, 8)
        below.setSpacing(4)
        below.addWidget(self._label("Add a model or results:", dim=True))
        below.addLayout(adding)
        teaching = QHBoxLayout()
        teaching.setSpacing(6)
        teaching.addWidget(self._label("Teach a model:", dim=True), 1)
        teaching.addWidget(self.teach_cells)
        teaching.addWidget(self.teach_pixels)
        teaching.addWidget(self.teach_outlines)
        below.addLayout(teaching)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(area, 1)
        column.addWidget(foot)
        self.set_body(page)
