"""Small dialogs of annotations: numbers, what is positive, problems to read and copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.measurement_names import with_signs
from viewer.ui.opened_dialog import ok_cancel, open_dialog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from viewer.overlays.counting import Positive
    from viewer.overlays.object_style import Histogram

_MOST_LINES = 5000

Answer = TypeVar("Answer", bound=str)


class DistanceDialog(QDialog):
    """Asks for a length in micrometers, in pixels where the scale is unknown."""

    def __init__(
        self,
        title: str,
        sentence: str,
        value: float,
        low: float,
        parent: QWidget,
        *,
        is_um: bool,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.box = QDoubleSpinBox(self)
        self.box.setRange(low, 10_000.0)
        self.box.setDecimals(1)
        self.box.setSuffix(" µm" if is_um else " px")
        self.box.setValue(value)
        self.box.setAccessibleName(title)
        hint = QLabel(sentence, self)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addWidget(self.box)
        layout.addWidget(ok_cancel(self))
        self.box.selectAll()


class CountDialog(QDialog):
    """Asks which objects are positive; by default none is looked at."""

    def __init__(
        self,
        regions: int,
        overlay: str,
        measurements: Sequence[str],
        spread: dict[str, Histogram],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Count objects")
        self._spread = spread
        many = "the chosen region" if regions == 1 else f"each of {regions:,} chosen regions"
        hint = QLabel(
            f"Counts the objects of {overlay} whose middle lies in {many}. The numbers are kept"
            " with the regions and exported with them.",
            self,
        )
        hint.setWordWrap(True)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        self.is_asked = QCheckBox("Count &positive objects, such as Ki-67", self)
        self.is_asked.setEnabled(bool(measurements))
        self.measurement = QComboBox(self)
        for name in measurements:
            self.measurement.addItem(with_signs(name), name)
        self.threshold = QDoubleSpinBox(self)
        self.threshold.setRange(-1e9, 1e9)
        self.threshold.setDecimals(3)
        form = QFormLayout()
        form.addRow("&Measurement:", self.measurement)
        form.addRow("At &least:", self.threshold)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addWidget(self.is_asked)
        layout.addLayout(form)
        layout.addWidget(ok_cancel(self))
        self.is_asked.toggled.connect(self._show_asked)
        self.measurement.currentIndexChanged.connect(lambda _: self._propose())
        likely = [name for name in measurements if "DAB" in name or "OD" in name]
        self.measurement.setCurrentIndex(max(0, self.measurement.findData(next(iter(likely), ""))))
        self._propose()
        self._show_asked(asked=False)

    @property
    def positive(self) -> Positive | None:
        """Return what was asked for."""
        from viewer.overlays.counting import Positive

        if not self.is_asked.isChecked():
            return None
        return Positive(self.measurement.currentData(), self.threshold.value())

    def _show_asked(self, asked: bool) -> None:
        self.measurement.setEnabled(asked)
        self.threshold.setEnabled(asked)

    def _propose(self) -> None:
        """Between the ends of what was measured."""
        spread = self._spread.get(self.measurement.currentData())
        if spread is not None:
            low, high = float(spread.edges[0]), float(spread.edges[-1])
            self.threshold.setValue((low + high) / 2)
            self.threshold.setSingleStep((high - low) / 50)


class ProblemsDialog(QDialog):
    """What of a file is not as it was, a line each, to read and to copy."""

    def __init__(self, title: str, sentence: str, lines: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        hint = QLabel(sentence, self)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setWordWrap(True)
        shown = list(lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            shown.append(f"and {len(lines) - _MOST_LINES:,} more")
        self.text = QPlainTextEdit("\n".join(shown), self)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Problems")
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.copy = QPushButton("&Copy all", self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.copy.clicked.connect(self._copy)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addWidget(self.text, 1)
        layout.addWidget(buttons)
        self.resize(560, 320)

    def _copy(self) -> None:
        self.text.selectAll()
        self.text.copy()


def ask_choice(
    parent: QWidget,
    title: str,
    question: str,
    explanation: str,
    choices: Mapping[str, Answer],
    default: Answer,
    answered: Callable[[Answer], object],
) -> None:
    """Ask which of several answers is meant; nothing is answered where it is canceled.

    Parameters
    ----------
    choices
        The text of a button, with its mnemonic, and what it answers.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setInformativeText(explanation)

    def offer(text: str, answer: Answer) -> None:
        button = box.addButton(text, QMessageBox.ButtonRole.AcceptRole)
        button.clicked.connect(lambda: answered(answer))
        if answer == default:
            box.setDefaultButton(button)

    for text, answer in choices.items():
        offer(text, answer)
    box.addButton(QMessageBox.StandardButton.Cancel)
    open_dialog(box)


def tell_missing(
    parent: QWidget, title: str, missing: Sequence[str], ways: Mapping[str, Callable[[], object]]
) -> None:
    """Say what is still needed before something can be done, with a button for each way there."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Information)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText("\n\n".join(missing))
    for text, act in ways.items():
        button = box.addButton(text, QMessageBox.ButtonRole.AcceptRole)
        button.clicked.connect(lambda _=False, act=act: act())
    box.addButton(QMessageBox.StandardButton.Close)
    open_dialog(box)
