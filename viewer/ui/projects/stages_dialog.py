"""The stages of a study and what each hides; the owner's key is saved before anything is sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.signing.sealing import SHORTEST_PASSPHRASE
from viewer.studies.stages import HIDDEN, HIDDEN_TEXTS, Hidden, Stage
from viewer.ui.file_dialogs import ALL_FILES, ask_new_file
from viewer.ui.widgets import ScrollColumn

if TYPE_CHECKING:
    from viewer.studies.project import Project

_HEADS: dict[Hidden, str] = {
    "others": "Others",
    "ai": "AI",
    "names": "Names",
    "labels": "Labels",
    "earlier": "Earlier",
}
_WIDTH_PX, _TABLE_PX = 620, 120
_REST_PX = 80
"""Margins, the line of a problem, and the frame of the window."""
_NAME, _READERS = 0, len(HIDDEN) + 1
_SENTENCE = (
    "Readers go through the stages in this order. Check what is hidden in each. What readers draw "
    "and answer is sealed: until you open it, nobody but you can read it in the project's folder."
)
_LEGEND = (
    "; ".join(f"{_HEADS[each]}: {HIDDEN_TEXTS[each]}" for each in HIDDEN)
    + ". Readers: names with commas between; empty for all."
)
_KEY_SENTENCE = (
    "Your key opens what is sealed. Save its recovery file where it is not lost, and keep its "
    "passphrase: without both, what is sealed is gone if this account is."
)


class StagesDialog(QDialog):
    """Asks for stages and, where the study has no owner's key yet, for the recovery file."""

    given = Signal(object, bool, object)
    """A list of Stage, whether they end slide by slide, and (path, passphrase) or None."""

    def __init__(self, project: Project, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Stages of the study")
        self.needs_key = not project.owner_key
        self.table = QTableWidget(0, _READERS + 1, self)
        self.table.setHorizontalHeaderLabels(
            ["Stage", *(_HEADS[each] for each in HIDDEN), "Readers (all)"]
        )
        for column, each in enumerate(HIDDEN, 1):
            item = self.table.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(f"Hide {HIDDEN_TEXTS[each]}")
        readers = self.table.horizontalHeaderItem(_READERS)
        if readers is not None:
            readers.setToolTip("Who reads in this stage, with commas between; empty: all readers")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.table.setTabKeyNavigation(False)  # else Tab never leaves the table
        self.table.setMinimumHeight(_TABLE_PX)
        self.table.setAccessibleName("Stages and what each hides")
        self.add = QPushButton("&Add stage", self)
        self.remove = QPushButton("&Remove stage", self)
        self.by_slide = QCheckBox("Stages end slide by slide, not for all slides at once", self)
        self.by_slide.setChecked(project.is_by_slide)
        self.file = QLineEdit(self)
        self.file.setPlaceholderText("Recovery file of your key")
        self.browse = QPushButton("&Save as...", self)
        self.passphrase, self.again = QLineEdit(self), QLineEdit(self)
        for edit in (self.passphrase, self.again):
            edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.file.setAccessibleName("Recovery file of your key")
        self.again.setAccessibleName("Passphrase again")
        self.problem = QLabel(self)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.cancel = buttons.button(QDialogButtonBox.StandardButton.Cancel)
        self.seal = buttons.addButton("Begin study", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_accepted)
        buttons.rejected.connect(self.reject)
        self._lay_out(buttons)
        stages = project.stages or (
            Stage(name="Without AI", hides=("others", "ai", "earlier")),
            Stage(name="With AI", hides=("others",)),
        )
        for stage in stages:
            self.add_stage(stage)
        self.table.itemSelectionChanged.connect(self._show_choice)
        self.add.clicked.connect(self._add_nameless)
        self.remove.clicked.connect(lambda: self.table.removeRow(self.table.currentRow()))
        self._show_choice()
        self.browse.clicked.connect(self._ask_file)
        for edit in (self.file, self.passphrase, self.again):
            edit.textChanged.connect(self.problem.clear)  # what was missing may be there now
        self.setMinimumWidth(_WIDTH_PX)

    def add_stage(self, stage: Stage) -> None:
        """Add a row."""
        row = self.table.rowCount()
        self.table.insertRow(row)
        self.table.setItem(row, _NAME, QTableWidgetItem(stage.name))
        for column, each in enumerate(HIDDEN, 1):
            item = QTableWidgetItem()
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            is_hidden = each in stage.hides
            item.setCheckState(Qt.CheckState.Checked if is_hidden else Qt.CheckState.Unchecked)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"Hide {HIDDEN_TEXTS[each]}")
            self.table.setItem(row, column, item)
        self.table.setItem(row, _READERS, QTableWidgetItem(", ".join(stage.readers)))

    @property
    def stages(self) -> list[Stage]:
        """Return the stages as they stand in the table."""
        return [self._stage(row) for row in range(self.table.rowCount())]

    def tell(self, sentence: str) -> None:
        """Say what is wrong."""
        self.problem.setText(sentence)
        self._allow(True)

    @guarded()
    def reject(self) -> None:
        """Close without a study, but not while one is begun: that cannot be taken back."""
        if self.cancel.isEnabled():
            super().reject()

    # -----------------------------------------------------------------------------------------

    def _add_nameless(self) -> None:
        """Add a stage and ask for its name."""
        self.add_stage(Stage(name=""))
        item = self.table.item(self.table.rowCount() - 1, _NAME)
        if item is not None:
            self.table.setCurrentItem(item)
            self.table.editItem(item)

    def _show_choice(self) -> None:
        """Offer to remove the stage that is selected."""
        has_row = bool(self.table.selectedItems())
        self.remove.setEnabled(has_row)
        self.remove.setToolTip("" if has_row else "Select a stage first")

    def _stage(self, row: int) -> Stage:
        def text(column: int) -> str:
            item = self.table.item(row, column)
            return item.text().strip() if item is not None else ""

        hides = tuple[Hidden, ...](
            each
            for column, each in enumerate(HIDDEN, 1)
            if (item := self.table.item(row, column)) is not None
            and item.checkState() == Qt.CheckState.Checked
        )
        readers = tuple(name.strip() for name in text(_READERS).split(",") if name.strip())
        return Stage(name=text(_NAME), hides=hides, readers=readers)

    def _on_accepted(self) -> None:
        from viewer.studies.blinding import BlindingError, check_stages

        try:
            check_stages(self.stages)
        except BlindingError as error:
            self.tell(str(error))
            return
        recovery: tuple[Path, str] | None = None
        if self.needs_key:
            passphrase = self.passphrase.text()
            if not self.file.text().strip():
                self.tell("Save the recovery file of your key first.")
                return
            if len(passphrase) < SHORTEST_PASSPHRASE:
                self.tell(f"The passphrase needs {SHORTEST_PASSPHRASE} characters or more.")
                return
            if passphrase != self.again.text():
                self.tell("The two passphrases are not the same.")
                return
            recovery = (Path(self.file.text().strip()), passphrase)
        self.problem.setText("Making your key..." if self.needs_key else "Sealing...")
        self._allow(False)
        self.given.emit(self.stages, self.by_slide.isChecked(), recovery)

    def _allow(self, allowed: bool) -> None:
        for button in (self.seal, self.cancel):
            button.setEnabled(allowed)

    def _ask_file(self) -> None:
        ask_new_file(
            self,
            "Save the recovery file of your key",
            lambda path, _: self.file.setText(str(path)),
            formats={ALL_FILES: ".key"},
            stem="study",
        )

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        for widget in (self.add, self.remove):
            row.addWidget(widget)
        row.addStretch(1)
        layout.addWidget(_wrapped(_SENTENCE, self))
        layout.addWidget(self.table)
        layout.addWidget(_wrapped(_LEGEND, self))
        layout.addLayout(row)
        layout.addWidget(self.by_slide)
        if self.needs_key:
            place = QHBoxLayout()
            place.addWidget(self.file, 1)
            place.addWidget(self.browse)
            form = QFormLayout()
            form.addRow("Recovery file:", place)
            form.addRow("Passphrase:", self.passphrase)
            form.addRow("Again:", self.again)
            layout.addWidget(_wrapped(_KEY_SENTENCE, self))
            layout.addLayout(form)
        else:
            for widget in (self.file, self.browse, self.passphrase, self.again):
                widget.hide()
        outer = QVBoxLayout(self)
        for widget in (ScrollColumn(body, self), self.problem, buttons):
            outer.addWidget(widget)
        rest_px = buttons.sizeHint().height() + _REST_PX
        room_px = self.screen().availableGeometry().height() - _REST_PX
        self.resize(_WIDTH_PX, min(layout.totalHeightForWidth(_WIDTH_PX) + rest_px, room_px))


def _wrapped(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setWordWrap(True)
    return label
