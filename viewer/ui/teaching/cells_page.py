"""Teaching classes of cells, in the card of the model that finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.plurals import plural
from viewer.ui.item_views import KeyKeeper
from viewer.ui.overlays.gallery import Gallery
from viewer.ui.swatches import swatch
from viewer.ui.widgets import LetteredCombo, push_button, show_or_hide, text_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtGui import QKeyEvent

    from viewer.annotations.annotation import AnnotationClass
    from viewer.slides.source import SlideSource
    from viewer.ui.overlays.gallery import GalleryField

UNSURE, DIFFERENT, MISTAKES = "Least certain", "Most different", "Mistakes"
_DIGITS = [Qt.Key(Qt.Key.Key_1 + index) for index in range(9)]
_GALLERY_PX = 190
HINT = (
    "Click cells of each class, or drag over them. 1 to 9 choose the class, Alt takes a mark away."
)


class MarkGallery(Gallery):
    """Cells that are worth a mark: a digit marks the chosen one, and the next is chosen."""

    digit_pressed = Signal(object, int)
    """The GalleryField that is chosen, and the class of the digit, 0 for the first."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(name, parent)
        self.setMaximumHeight(_GALLERY_PX)
        KeyKeeper(self, _DIGITS)
        self.currentItemChanged.connect(self._on_current)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if event.key() in _DIGITS and item is not None:
            field = item.data(Qt.ItemDataRole.UserRole)
            self.digit_pressed.emit(field, event.key() - Qt.Key.Key_1)
            self.go_on()
            return
        super().keyPressEvent(event)

    def go_on(self) -> None:
        """Choose the next cell, which is shown on the slide."""
        if self.currentRow() + 1 < self.count():
            self.setCurrentRow(self.currentRow() + 1)

    def _on_current(self) -> None:
        item = self.currentItem()
        if item is not None and self.hasFocus():
            self.travel_requested.emit(item.data(Qt.ItemDataRole.UserRole))


class CellsPage(QWidget):
    """Shows classes, counts and what is worth a mark; whoever shows it teaches."""

    teach_toggled = Signal(bool)
    class_chosen = Signal(int)
    undo_wanted = Signal()
    save_wanted = Signal()
    features_toggled = Signal(bool)
    """Whether it is learned by what the network sees in each cell, too."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Teach classes of cells")
        self.teach = QPushButton("Teach classes...", self)
        self.teach.setCheckable(True)
        self.teach.setToolTip("Mark some cells of each class: all others are told apart by them")
        self.hint = text_label(self, dim=True)
        self.hint.setText(HINT)
        self.problem = text_label(self)
        self.problem.setProperty("notice", "info")
        self.problem.setAccessibleName("What is missing")
        self.estimate = text_label(self)
        self.estimate.setAccessibleName("Estimate of the error")
        self.features = QCheckBox("Learn by what the &network sees", self)
        self.features.setChecked(True)
        self.features.setToolTip(
            "Pools the network's features in each cell; off learns by measurements alone"
        )
        self.undo = push_button(self, "Undo mark", "Take back the last mark, and what it taught")
        self.save = push_button(
            self,
            "Save as model...",
            "Keep what is taught as a model, for slides, projects and others",
        )
        self.which = LetteredCombo(self)
        self.which.addItems([UNSURE, DIFFERENT, MISTAKES])
        self.which.setAccessibleName("Cells worth a mark")
        self.gallery = MarkGallery("Cells worth a mark", self)
        self._fields: dict[str, list[GalleryField]] = {}
        self._source: SlideSource | None = None
        self._radios: list[QRadioButton] = []
        self._group = QButtonGroup(self)
        self._rows = QVBoxLayout()
        self._body = QWidget(self)
        self._lay_out()
        self.teach.toggled.connect(self._on_teach)
        self._group.idClicked.connect(self.class_chosen)
        self.undo.clicked.connect(self.undo_wanted)
        self.save.clicked.connect(self.save_wanted)
        self.features.toggled.connect(self.features_toggled)
        self.which.currentIndexChanged.connect(lambda _: self._show_gallery())
        self.show_problem("")
        self.show_estimate("")

    def show_teaching(self, *, on: bool) -> None:
        """Show whether cells are taught here."""
        with QSignalBlocker(self.teach):
            self.teach.setChecked(on)
        self._show_body(on=on)

    def show_classes(
        self, classes: Sequence[AnnotationClass], counts: Mapping[str, int], chosen: str
    ) -> None:
        """Show the classes with their digits and how many marks each has."""
        if len(classes) != len(self._radios):
            self._build(len(classes))
        for index, (radio, each) in enumerate(zip(self._radios, classes, strict=True)):
            count = counts.get(each.name, 0)
            marks = "" if not count else f" — {plural(count, 'mark')}"
            radio.setText(f"{index + 1}  {each.name}{marks}".replace("&", "&&"))
            radio.setIcon(swatch(each.color))
            with QSignalBlocker(radio):
                radio.setChecked(each.name == chosen)
        self.undo.setEnabled(any(counts.values()))

    def show_problem(self, sentence: str) -> None:
        """Say why nothing is learned yet; "" where something is."""
        show_or_hide(self.problem, sentence)
        self.save.setEnabled(not sentence and bool(self.estimate.text()))

    def show_estimate(self, sentence: str) -> None:
        """Show how wrong it is; "" where nothing is learned."""
        show_or_hide(self.estimate, sentence)
        self.save.setEnabled(bool(sentence))

    def show_fields(self, source: SlideSource | None, **fields: Sequence[GalleryField]) -> None:
        """Show the cells that are worth a mark: `unsure`, `different` and `mistakes`."""
        names = {"unsure": UNSURE, "different": DIFFERENT, "mistakes": MISTAKES}
        self._source = source
        self._fields = {names[name]: list(each) for name, each in fields.items()}
        self._show_gallery()

    def close_reading(self) -> None:
        """End the threads that read small images."""
        self.gallery.close_reading()

    def _show_gallery(self) -> None:
        for index in range(self.which.count()):
            name = (UNSURE, DIFFERENT, MISTAKES)[index]
            self.which.setItemText(index, f"{name} ({len(self._fields.get(name, []))})")
        fields = self._fields.get((UNSURE, DIFFERENT, MISTAKES)[self.which.currentIndex()], [])
        self.gallery.show_fields(self._source, fields if self._source is not None else [])
        self.which.setVisible(any(self._fields.values()))

    def _on_teach(self, on: bool) -> None:
        self._show_body(on=on)
        self.teach_toggled.emit(on)

    def _show_body(self, *, on: bool) -> None:
        self._body.setVisible(on)
        self.teach.setText("End teaching" if on else "Teach classes...")

    def _build(self, count: int) -> None:
        for radio in self._radios:
            self._group.removeButton(radio)
            radio.deleteLater()
        self._radios = [QRadioButton(self._body) for _ in range(count)]
        for index, radio in enumerate(self._radios):
            radio.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._group.addButton(radio, index)
            self._rows.addWidget(radio)

    def _lay_out(self) -> None:
        self._rows.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.undo, 1)
        row.addWidget(self.save, 1)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addWidget(self.hint)
        body.addLayout(self._rows)
        for widget in (self.problem, self.estimate):
            body.addWidget(widget)
        body.addLayout(row)
        for widget in (self.which, self.gallery, self.features):
            body.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.teach)
        layout.addWidget(self._body)
        self._body.hide()
