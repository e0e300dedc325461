"""The part of the settings that shows what was opened, exported, sent and imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QTreeWidgetItem

from viewer.audit_log import AuditEntry, AuditVerdict, check_audit, export_audit, read_audit, trail
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural
from viewer.signing.keys import KeyRing
from viewer.ui.file_dialogs import ask_new_file
from viewer.ui.privacy.listed_box import ListedBox
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from viewer.ui.background_runner import BackgroundRunner

_MOST_SHOWN = 1000
_WIDEST_PX = 240
_COLUMNS = ("When", "What", "Subject", "Detail", "Count")


class AuditBox(ListedBox):
    """Lists the newest entries and says whether the log is as it was written."""

    def __init__(self, disk: BackgroundRunner, parent: QWidget) -> None:
        super().__init__("What was done", _COLUMNS, disk, parent)
        self.export = self.add_button("Export as CSV...")
        self.export.clicked.connect(self._ask_place)
        self._disk.run(_read, lambda read: self._show(*read), self._on_failed)

    def export_to(self, path: Path) -> None:
        """Write all entries to a CSV file."""
        self._disk.run(
            lambda: export_audit(path),
            lambda count: self.state.setText(
                f"Wrote {plural(count, 'entry', 'entries')} to {path.name}."
            ),
            lambda error: self.state.setText(unwritable(path, error)),
            keeps=path.name,
        )

    def _show(self, entries: list[AuditEntry], verdict: AuditVerdict, place: str) -> None:
        self.table.clear()
        for entry in entries:
            texts = [
                shown_moment(entry.at_utc),
                entry.what,
                entry.subject,
                entry.detail,
                f"{entry.count:,}",
            ]
            row = QTreeWidgetItem(texts)
            for column, text in enumerate(texts):
                row.setToolTip(column, text)
            self.table.addTopLevelItem(row)
        for column in (0, 1, 2):
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(self.table.columnWidth(column), _WIDEST_PX))
        self.state.setText(f"{audit_sentence(verdict)} {place}")

    def _on_failed(self, error: Exception) -> None:
        self.state.setText(f"What was done cannot be read ({error}).")

    def _ask_place(self) -> None:
        ask_new_file(
            self,
            "Export what was done",
            lambda path, _: self.export_to(path),
            formats={"Tables (*.csv)": ".csv"},
            stem="audit",
        )


def _read() -> tuple[list[AuditEntry], AuditVerdict, str]:
    trail.flush()
    return read_audit(_MOST_SHOWN), check_audit(), KeyRing().place


def audit_sentence(verdict: AuditVerdict) -> str:
    """Return in one sentence whether the list is as it was written."""
    if verdict.problem:
        return f"This list was tampered with: {verdict.problem}"
    count = plural(verdict.lines, "entry", "entries")
    if verdict.unsigned:
        return (
            f"{count}, {verdict.unsigned:,} of them unsigned, which may have been changed or put "
            "in; none of the others is changed or missing."
        )
    return f"{count}, none changed or missing."
