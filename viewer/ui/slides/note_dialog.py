"""The box that a note is typed in, whether it stays on the slide or goes to a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QCheckBox, QInputDialog, QLabel, QMessageBox, QPlainTextEdit, QWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from viewer.ui.slides.slide_pane import SlidePane

_SAVE = ("Ctrl+Return", "Ctrl+Enter")


class NoteDialog(QInputDialog):
    """Ctrl+Enter saves, Esc asks before typed words are lost, Tab leaves the text.

    What is typed belongs to the slide of the pane: it is saved when that slide leaves.

    Parameters
    ----------
    title, question
        What the dialog is called, and what it asks.
    saves_text
        Whether the words are saved; None where that is not in question.
    """

    def __init__(
        self,
        title: str,
        question: str,
        pane: SlidePane,
        parent: QWidget,
        *,
        saves_text: bool | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setLabelText(question)
        self.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
        self.setOkButtonText("Save")
        self.minimumSizeHint()  # makes the widgets, which Qt else does when the dialog opens
        self.text_edit = self.findChild(QPlainTextEdit)
        assert self.text_edit is not None
        self.text_edit.setTabChangesFocus(True)
        self.text_edit.setAccessibleName(title)
        self.keeps_text = QCheckBox("Save note &text", self)
        self.keeps_text.setToolTip("Without it a recording holds the length of the note alone")
        self.keeps_text.setVisible(saves_text is not None)
        self.keeps_text.setChecked(saves_text is not False)
        keys = QLabel("Ctrl+Enter saves, Esc closes.", self)
        keys.setProperty("dim", True)
        layout = self.layout()
        buttons = layout.takeAt(layout.count() - 1) if layout is not None else None
        assert layout is not None
        assert buttons is not None
        layout.addWidget(self.keeps_text)
        layout.addWidget(keys)
        layout.addItem(buttons)
        for key in _SAVE:
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.activated.connect(self.accept)
        self.keeps_text.toggled.connect(self._show_what_is_saved)
        self._show_what_is_saved()
        connection = pane.slide_closing.connect(self._finish)
        self.finished.connect(lambda: pane.disconnect(connection))

    @guarded()
    def reject(self) -> None:
        """Ask first where words were typed."""
        if not self.textValue().strip() or not self.isVisible():
            super().reject()
            return
        box = QMessageBox(self)
        box.setWindowTitle(self.windowTitle())
        box.setText("Save the note before closing?")
        save = QMessageBox.StandardButton.Save
        discard = QMessageBox.StandardButton.Discard
        box.setStandardButtons(save | discard | QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(save)
        box.setEscapeButton(QMessageBox.StandardButton.Cancel)
        box.button(save).clicked.connect(self.accept)
        box.button(discard).clicked.connect(lambda: self.done(self.DialogCode.Rejected))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _finish(self) -> None:
        if self.textValue().strip():
            self.accept()
        else:
            self.done(self.DialogCode.Rejected)

    def _show_what_is_saved(self) -> None:
        self.setOkButtonText("Save" if self.keeps_text.isChecked() else "Save its length only")
