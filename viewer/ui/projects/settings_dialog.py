"""What a project asks for: how names tell cases, and what is checked before a slide is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from viewer.ui.item_views import be_table
from viewer.ui.opened_dialog import ok_cancel
from viewer.ui.widgets import show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.studies.project import Project

_USUAL, _PATTERN, _NONE = "usual", "pattern", "none"
_MAGNIFICATIONS = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0)
_FIRST_PATTERN = "{case} {block} {stain}"
_MOST_EXAMPLES = 8
_HINT = (
    "Write {case}, {block} and {stain} where the name has them and * for anything, or a regular "
    "expression with groups of these names, such as (?P<case>S\\d+-\\d+)."
)


class ProjectSettingsDialog(QDialog):
    """Shows what a rule makes of the project's own names while it is typed."""

    def __init__(self, project: Project, names: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings of the project")
        self._names = [*names[:_MOST_EXAMPLES]]
        self.cases = QComboBox(self)
        self.cases.addItem("By usual names of cases", _USUAL)
        self.cases.addItem("By a pattern", _PATTERN)
        self.cases.addItem("Do not group", _NONE)
        self.pattern = QLineEdit(self)
        self.pattern.setAccessibleName("Pattern of names")
        hint = QLabel(_HINT, self)
        hint.setWordWrap(True)
        hint.setProperty("dim", "true")
        self.examples = QTreeWidget(self)
        be_table(self.examples, "Examples", ["Name", "Case", "Block", "Stain"])
        self.examples.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        self.problem.setProperty("notice", "warning")
        self.tissue = QComboBox(self)
        self.tissue.addItem("Not checked", 0.0)
        known = {*_MAGNIFICATIONS, project.check_tissue_at} - {0.0}
        for magnification in sorted(known):
            self.tissue.addItem(f"Show tissue not seen at {magnification:g}x", magnification)
        self.buttons = ok_cancel(self)
        form = QFormLayout(self)
        form.addRow("Cases:", self.cases)
        form.addRow("Pattern:", self.pattern)
        form.addRow(hint)
        form.addRow(self.examples)
        form.addRow(self.problem)
        form.addRow("Before a slide is done:", self.tissue)
        form.addRow(self.buttons)
        self.setMinimumWidth(560)
        self._show(project)
        self.cases.currentIndexChanged.connect(lambda _: self._refresh())
        self.pattern.textChanged.connect(lambda _: self._refresh())
        self._refresh()

    @property
    def case_rule(self) -> str:
        """Return the rule as projects keep it."""
        from viewer.studies.cases import NO_CASES

        kind = self.cases.currentData()
        return {_USUAL: "", _NONE: NO_CASES}.get(kind, self.pattern.text().strip())

    @property
    def check_tissue_at(self) -> float:
        return self.tissue.currentData()

    def _show(self, project: Project) -> None:
        from viewer.studies.cases import NO_CASES

        rule = project.case_rule
        kind = _USUAL if not rule else _NONE if rule == NO_CASES else _PATTERN
        self.cases.setCurrentIndex(self.cases.findData(kind))
        self.pattern.setText(rule if kind == _PATTERN else _FIRST_PATTERN)
        self.tissue.setCurrentIndex(max(0, self.tissue.findData(project.check_tissue_at)))

    def _refresh(self) -> None:
        """What the rule finds in names of the project, and in others that are usual."""
        from viewer.studies.cases import EXAMPLES, CaseRuleError, place_by_name

        self.pattern.setEnabled(self.cases.currentData() == _PATTERN)
        self.examples.clear()
        problem = ""
        try:
            for name in (*self._names, *EXAMPLES):
                place = place_by_name(self.case_rule, name)
                row = QTreeWidgetItem([name, place.case, place.block, place.stain])
                self.examples.addTopLevelItem(row)
            if self.cases.currentData() == _PATTERN and not self.case_rule:
                problem = "Type a pattern."
        except CaseRuleError as error:
            problem = str(error)
        show_or_hide(self.problem, problem)
        ok: QPushButton = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(not problem)
