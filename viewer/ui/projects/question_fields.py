"""What a question is answered with: a field for each kind of question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.widgets import IconButton, show_or_hide

if TYPE_CHECKING:
    from viewer.studies.forms import Answer, Question

_MOST_BUTTONS = 6
"""A choice of more options is a list."""
_PAUSE_MS = 400
"""After the last key: an answer is on the disk within a second of it."""
_NONE_CHOSEN = "No answer"
_TEXT_HEIGHT_PX = 64
_LONGEST_REFUSED = 200


class QuestionField(QWidget):
    """A question, its answer, and what is wrong with that."""

    answered = Signal(object)
    """The Answer that the reader gave; only one that the question takes."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(parent)
        self.question = question
        self._mark = " *" if question.required else ""
        self.text = QLabel(question.text + self._mark, self)
        font = self.text.font()
        font.setBold(True)
        self.text.setFont(font)
        self.complaint = QLabel(self)
        self.complaint.setProperty("notice", "warning")
        self.complaint.hide()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 4, 0, 8)
        self._layout.setSpacing(3)
        self._layout.addWidget(self.text)
        if question.help:
            help_ = QLabel(question.help, self)
            help_.setProperty("dim", "true")
            self._layout.addWidget(help_)
        for label in self.findChildren(QLabel):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)

    def finish(self) -> None:
        """Give what is still being typed."""

    def show_answer(self, answer: Answer) -> None:
        """Show an answer without giving it; None shows none."""
        raise NotImplementedError

    @property
    def refused(self) -> str:
        """Return what was typed and is no answer, so that it is not saved; "" for none."""
        return ""

    def show_refused(self, text: str) -> None:
        """Show again what was typed and is no answer, with what is wrong with it."""

    def demand(self) -> None:
        """Say that the question has to be answered, and give it the keyboard."""
        if not self.complaint.text():
            self._complain("An answer is required.")
        self.input.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def input(self) -> QWidget:
        """Return the widget that an answer begins in."""
        raise NotImplementedError

    def _give(self, answer: Answer) -> None:
        complaint = self.question.complaint(answer)
        self._complain(complaint)
        if not complaint:
            self.answered.emit(answer)

    def _complain(self, complaint: str) -> None:
        if self._layout.indexOf(self.complaint) < 0:
            self._layout.addWidget(self.complaint)
        show_or_hide(self.complaint, complaint)


class ChoiceField(QuestionField):
    """Radio buttons, or a list where there are many options."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self.buttons = QButtonGroup(self)
        self.clear = IconButton("mdi6.eraser", "Take the answer back", self)
        policy = self.clear.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the options stay under the mouse when it appears
        self.clear.setSizePolicy(policy)
        self.clear.clicked.connect(lambda: (self.show_answer(None), self._give(None)))
        for number, option in enumerate(question.options):
            button = QRadioButton(option.replace("&", "&&"), self)
            self.buttons.addButton(button, number)
            self._layout.addWidget(button)
        self.text.setBuddy(self.buttons.buttons()[0])
        top = QHBoxLayout()
        self._layout.removeWidget(self.text)
        top.addWidget(self.text, 1)
        top.addWidget(self.clear, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.insertLayout(0, top)
        self.buttons.idClicked.connect(self._on_clicked)
        self.show_answer(None)

    @property
    def input(self) -> QWidget:
        return self.buttons.buttons()[0]

    def show_answer(self, answer: Answer) -> None:
        options = self.question.options
        self.buttons.setExclusive(False)
        for number, button in enumerate(self.buttons.buttons()):
            button.setChecked(options[number] == answer)
        self.buttons.setExclusive(True)
        self.clear.setVisible(self.buttons.checkedId() >= 0)
        self._complain("")

    def _on_clicked(self, number: int) -> None:
        self.clear.show()
        self._give(self.question.options[number])


class ListField(QuestionField):
    """One of many options."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self.options = QComboBox(self)
        self.options.setAccessibleName(question.text)
        self.options.addItems([_NONE_CHOSEN, *question.options])
        self._layout.addWidget(self.options)
        self.options.activated.connect(
            lambda row: self._give(question.options[row - 1] if row else None)
        )

    @property
    def input(self) -> QWidget:
        return self.options

    def show_answer(self, answer: Answer) -> None:
        options = self.question.options
        self.options.setCurrentIndex(options.index(answer) + 1 if answer in options else 0)
        self._complain("")


class MultiField(QuestionField):
    """As many of the options as hold."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self.boxes = [QCheckBox(option.replace("&", "&&"), self) for option in question.options]
        for box in self.boxes:
            self._layout.addWidget(box)
            box.clicked.connect(lambda _: self._give(self._chosen()))

    @property
    def input(self) -> QWidget:
        return self.boxes[0]

    def show_answer(self, answer: Answer) -> None:
        chosen = answer if isinstance(answer, tuple) else ()
        for option, box in zip(self.question.options, self.boxes, strict=True):
            box.setChecked(option in chosen)
        self._complain("")

    def _chosen(self) -> tuple[str, ...]:
        options = self.question.options
        return tuple(o for o, box in zip(options, self.boxes, strict=True) if box.isChecked())


class TypedField(QuestionField):
    """Base of what is typed: given once the typing rests, or the field is left."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self._given: Answer = None
        self._refused = ""
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._take)

    def finish(self) -> None:
        if self._pause.isActive():
            self._pause.stop()
            self._take()

    @property
    def refused(self) -> str:
        return self._refused

    def _typed(self) -> str:
        """Return the text as it was typed."""
        raise NotImplementedError

    def _read(self) -> Answer:
        """Raise ValueError with a sentence."""
        raise NotImplementedError

    def _take(self) -> None:
        try:
            answer = self._read()
        except ValueError as error:
            self._refused = self._typed()[:_LONGEST_REFUSED]
            self._complain(str(error))
            return
        self._refused = ""
        if answer != self._given:
            self._given = answer
            self._give(answer)
        else:
            self._complain("")


class NumberField(TypedField):
    """A number; the comma is read too."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self.edit = QLineEdit(self)
        self.edit.setAccessibleName(question.text)
        self.edit.setPlaceholderText(question.range_text or question.unit or "number")
        self.edit.textEdited.connect(lambda _: self._pause.start())
        self.edit.editingFinished.connect(self.finish)
        self.text.setBuddy(self.edit)
        row = QHBoxLayout()
        row.addWidget(self.edit, 1)
        unit = QLabel(question.unit, self)
        unit.setTextFormat(Qt.TextFormat.PlainText)
        row.addWidget(unit)
        self._layout.addLayout(row)

    @property
    def input(self) -> QWidget:
        return self.edit

    def show_refused(self, text: str) -> None:
        self.edit.setText(text)
        self._take()

    def show_answer(self, answer: Answer) -> None:
        self._pause.stop()
        self._given = answer
        self._refused = ""
        self.edit.setText(f"{answer:.10g}" if isinstance(answer, int | float) else "")
        self._complain("")

    def _typed(self) -> str:
        return self.edit.text()

    def _read(self) -> Answer:
        text = self.edit.text().strip().replace(",", ".")
        if not text:
            return None
        try:
            number = float(text)
        except ValueError as error:
            raise ValueError("This is no number: type one such as 12.5.") from error
        decimals = self.question.decimals
        if abs(round(number, decimals) - number) > 1e-9:
            most = f"at most {decimals} decimals" if decimals else "no decimals"
            raise ValueError(f"Not saved: give a number with {most}.")
        if self.question.complaint(number):
            raise ValueError(f"Not saved: give a number, {self.question.range_text}.")
        return number


class TextField(TypedField):
    """Any text."""

    def __init__(self, question: Question, parent: QWidget) -> None:
        super().__init__(question, parent)
        self.edit = QPlainTextEdit(self)
        self.edit.setAccessibleName(question.text)
        self.edit.setTabChangesFocus(True)
        self.edit.setFixedHeight(_TEXT_HEIGHT_PX)
        self.edit.textChanged.connect(self._pause.start)
        self.text.setBuddy(self.edit)
        self._layout.addWidget(self.edit)

    @property
    def input(self) -> QWidget:
        return self.edit

    def show_answer(self, answer: Answer) -> None:
        self._given = answer
        with QSignalBlocker(self.edit):
            self.edit.setPlainText(answer if isinstance(answer, str) else "")
        self._pause.stop()
        self._complain("")

    def _typed(self) -> str:
        return self.edit.toPlainText()

    def _read(self) -> Answer:
        return self.edit.toPlainText().strip() or None


def field_for(question: Question, parent: QWidget) -> QuestionField:
    """Return the field that fits a question."""
    match question.kind:
        case "choice":
            few = len(question.options) <= _MOST_BUTTONS
            return (ChoiceField if few else ListField)(question, parent)
        case "multi":
            return MultiField(question, parent)
        case "number":
            return NumberField(question, parent)
        case "text":
            return TextField(question, parent)
