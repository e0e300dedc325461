"""Asked once before anything is recorded: what is recorded, what is not, under which name."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.current_reader import LONGEST_NAME, suggested_name

_TEXT = """\
<p>Coverslip can log how you read a slide: <b>where you look, at which magnification, for how \
long</b>, with the movements of the mouse on the slide.</p>
<p>The log stays on this machine. <b>Not recorded</b> are pictures, the slide's label, anything \
outside this window, and, unless you allow it below, names of slides and what you type.</p>
<p>The Record button always shows whether you are recorded. <b>F9</b> pauses. Sessions \
can be deleted for good at any time.</p>"""


class ConsentDialog(QDialog):
    """What the reader agrees to; read the fields after it was accepted."""

    def __init__(self, reader: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Record your reading")
        terms = QLabel(_TEXT, self)
        terms.setTextFormat(Qt.TextFormat.RichText)
        terms.setWordWrap(True)
        self.reader = QLineEdit(reader or suggested_name(), self)
        self.reader.setMaxLength(LONGEST_NAME)
        self.reader.setToolTip("Stands for you in sessions and datasets; better not your name")
        self.names = QCheckBox("Keep the names of slide files", self)
        self.texts = QCheckBox("Keep the notes that I type", self)
        form = QFormLayout()
        form.addRow("Pseudonym:", self.reader)
        form.addRow("", self.names)
        form.addRow("", self.texts)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.agree = buttons.addButton("I agree, record", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.reader.textChanged.connect(lambda text: self.agree.setEnabled(bool(text.strip())))
        layout = QVBoxLayout(self)
        layout.addWidget(terms)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.setMinimumWidth(480)
        self.agree.setDefault(True)
