"""What stands over and under the slides of a project: how far it is, and the selected slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.slides.slide_list import STATE_ICONS, STATE_NAMES
from viewer.ui.theme import icon
from viewer.ui.widgets import ProgressBar, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject


class ProjectHeader(QWidget):
    """Title, how many slides are done, and in which stage the reader is."""

    offer_accepted = Signal()
    """The user wants the slides that are open in the project."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.title = QLabel(self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.progress = ProgressBar(self)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName("Slides done")
        self.summary = QLabel(self)
        self.summary.setProperty("dim", True)
        self.summary.setWordWrap(True)
        self.stage = QLabel(self)
        self.stage.setWordWrap(True)
        self.stage.setTextFormat(Qt.TextFormat.PlainText)
        self.stage.hide()
        self.offer = QPushButton(self)
        self.offer.setProperty("primary", True)
        self.offer.clicked.connect(self.offer_accepted)
        self.offer.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 4)
        layout.setSpacing(4)
        for widget in (self.title, self.progress, self.summary, self.stage, self.offer):
            layout.addWidget(widget)

    def show_project(self, opened: OpenProject) -> None:
        """Show a project as it is now."""
        project, missing, states = opened.project, len(opened.missing), opened.tally.states
        self.title.setText(project.shown_title or (opened.folder.name if opened.folder else ""))
        self.title.setToolTip("\n".join(filter(None, (str(opened.folder or ""), opened.readers))))
        self.progress.setMaximum(max(1, len(project.slides)))
        self.progress.setValue(states["done"])
        text = f"{states['done']} of {len(project.slides)} done"
        if in_work := states["in work"]:
            text += f", {in_work} in work"
        self.summary.setText(f"{text}, {missing} missing" if missing else text)

    def show_stage(self, text: str) -> None:
        """Say in which stage of a study the reader is; "" hides it."""
        show_or_hide(self.stage, text)

    def show_offer(self, text: str) -> None:
        """Offer to take the slides that are open into the project; "" offers nothing."""
        show_or_hide(self.offer, text)


class SlideDetails(QWidget):
    """State, assignee and note of the selected slide; buttons for the list."""

    edited = Signal(str, dict)
    """Identity of a slide, and the members that the user changed."""

    def __init__(self, parent: QWidget) -> None:
        from viewer.studies.project import STATES

        super().__init__(parent)
        self._detailed = ""
        self.state = QComboBox(self)
        self.state.setAccessibleName("State")
        for state in STATES:
            self.state.addItem(icon(STATE_ICONS[state]), STATE_NAMES[state], state)
        self.assignee = QLineEdit(self)
        self.assignee.setPlaceholderText("Nobody")
        self.note = QLineEdit(self)
        self.note.setPlaceholderText("None")
        self._texts = {"assignee": self.assignee, "note": self.note}
        self.state.activated.connect(
            lambda _: self.edited.emit(self._detailed, {"state": self.state.currentData()})
        )
        for field in self._texts.values():
            field.editingFinished.connect(self._take_texts)
        self.add = QPushButton("Add...", self)
        self.add.setToolTip("Add slides; files and folders can be dropped here too")
        self.remove = QPushButton("Remove", self)
        self.remove.setToolTip("Take the chosen slides off the list; their files stay")
        self.find_missing = QPushButton("Find...", self)
        self.find_missing.setToolTip("Look for the missing slides in a folder")
        fields = QFormLayout()
        fields.setSpacing(4)
        fields.addRow("State:", self.state)
        fields.addRow("Reader:", self.assignee)
        fields.addRow("Note:", self.note)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.add, self.remove, self.find_missing):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 8)
        layout.setSpacing(6)
        layout.addLayout(fields)
        layout.addLayout(buttons)

    def show_slides(self, slides: Sequence[ProjectSlide]) -> None:
        """Show the selected slides; what is being typed goes to the slide it was typed for."""
        from viewer.studies.project import STATES

        slide = slides[0] if len(slides) == 1 else None
        identity = slide.identity if slide is not None else ""
        is_other = identity != self._detailed
        if is_other:
            self._take_texts()
            self._detailed = identity
        for widget in (self.state, self.assignee, self.note):
            widget.setEnabled(slide is not None)
        self.remove.setEnabled(bool(slides))
        for name, field in self._texts.items():
            if is_other or not field.isModified():
                field.setText(getattr(slide, name) if slide is not None else "")
        self.state.setCurrentIndex(STATES.index(slide.state) if slide is not None else -1)

    def show_missing(self, *, is_any: bool, is_searching: bool) -> None:
        """Offer to look for missing slides where there are any."""
        self.find_missing.setVisible(is_any)
        self.find_missing.setEnabled(not is_searching)
        self.find_missing.setText("Looking..." if is_searching else "Find...")

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        from viewer.studies.project import STATES

        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for row, state in enumerate(STATES):
                self.state.setItemIcon(row, icon(STATE_ICONS[state]))

    def _take_texts(self) -> None:
        changes = {
            name: field.text().strip() for name, field in self._texts.items() if field.isModified()
        }
        for field in self._texts.values():
            field.setModified(False)
        if changes and self._detailed:
            self.edited.emit(self._detailed, changes)
