"""The dialog that asks for a folder which need not be there yet."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit, QWidget

from viewer.canvas.qt_guard import guarded


class NewFolderDialog(QFileDialog):
    """Takes the name of a new folder too, which whoever asked makes; Qt's own refuses it."""

    def __init__(self, parent: QWidget, title: str, start: str) -> None:
        super().__init__(parent, title, start)
        self.setFileMode(QFileDialog.FileMode.Directory)
        self.setOption(QFileDialog.Option.ShowDirsOnly)
        self.setLabelText(QFileDialog.DialogLabel.Accept, "Create")
        self._name = self.findChild(QLineEdit, "fileNameEdit")  # None in a dialog of the desktop
        if self._name is not None:
            self._name.textChanged.connect(lambda _: QTimer.singleShot(0, self, self._allow))

    @guarded()
    def accept(self) -> None:
        names = self.selectedFiles()
        if len(names) == 1 and self._is_new(Path(names[0])):
            self.done(QFileDialog.DialogCode.Accepted)
            self.fileSelected.emit(names[0])
        else:
            super().accept()

    @Slot()
    def _allow(self) -> None:
        """Let the button be pressed for a folder that is not there yet."""
        names = self.selectedFiles()
        buttons = self.findChild(QDialogButtonBox)
        if buttons is None or not names or not self._is_new(Path(names[0])):
            return
        for button in buttons.buttons():
            if buttons.buttonRole(button) is QDialogButtonBox.ButtonRole.AcceptRole:
                button.setEnabled(True)

    @staticmethod
    def _is_new(path: Path) -> bool:
        return bool(path.name) and not path.exists()
