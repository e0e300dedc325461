"""The part of the settings that lists what may leave the machine, and takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTreeWidgetItem

from viewer.agents.permission import Permission, PermissionBook
from viewer.audit_log import AuditEntry, read_audit, sent_parts, trail
from viewer.ui.privacy.listed_box import ListedBox
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtWidgets import QWidget

    from viewer.ui.background_runner import BackgroundRunner

_COLUMNS = ("Study", "To", "Allowed", "Slides", "Sent")
_MOST_NAMED = 3
_PERMISSION = Qt.ItemDataRole.UserRole


class _Sent(msgspec.Struct, frozen=True):
    """What went to a host for a study."""

    requests: int
    pictures: int
    last_utc: str
    slides: tuple[str, ...]

    @classmethod
    def of(cls, permission: Permission, entries: Iterable[AuditEntry]) -> _Sent:
        found = [
            (entry, parts)
            for entry in entries
            if entry.what == "sent"
            and entry.subject == permission.host
            and (parts := sent_parts(entry.detail)).get("study") == permission.study
        ]
        slides = dict.fromkeys(parts["slide"] for _, parts in found if "slide" in parts)
        return cls(
            len(found),
            sum(entry.count for entry, _ in found),
            max((entry.at_utc for entry, _ in found), default=""),
            tuple(slides),
        )


class PermissionsBox(ListedBox):
    """A row for each study and host that pictures may go to."""

    def __init__(self, disk: BackgroundRunner, parent: QWidget) -> None:
        super().__init__("What may leave this machine", _COLUMNS, disk, parent)
        self.state.setText("Nothing may leave this machine.")
        self.withdraw = self.add_button("Take back")
        self.withdraw.setToolTip("Nothing more is sent, also by an agent that is at work")
        self.withdraw.clicked.connect(self._withdraw)
        self.table.itemSelectionChanged.connect(self._enable)
        self._enable()
        self._refresh()

    def _refresh(self) -> None:
        self._disk.run(_read, self._show, lambda error: self.state.setText(str(error)))

    def _show(self, found: list[tuple[Permission, _Sent]]) -> None:
        self.table.clear()
        for permission, sent in found:
            named = ", ".join(sent.slides[:_MOST_NAMED])
            more = len(sent.slides) - _MOST_NAMED
            slides = f"{named} and {more:,} more" if more > 0 else named or "all of the study"
            last = (
                f", last {shown_moment(sent.last_utc, to_seconds=False)}" if sent.last_utc else ""
            )
            figures = f"{sent.pictures:,} pictures in {sent.requests:,} requests{last}"
            given = shown_moment(permission.given_utc, to_seconds=False)
            texts = [permission.study, permission.host, given, slides]
            row = QTreeWidgetItem([*texts, figures if sent.requests else "nothing yet"])
            row.setData(0, _PERMISSION, permission)
            row.setToolTip(3, "\n".join(sent.slides))
            self.table.addTopLevelItem(row)
        self.state.setText(
            "Pictures of slides may go to these hosts." if found else "No host was allowed yet."
        )
        self._enable()

    def _withdraw(self) -> None:
        chosen = [row.data(0, _PERMISSION) for row in self.table.selectedItems()]

        def take_back() -> None:
            for permission in chosen:
                PermissionBook().withdraw(permission.study, permission.host)

        self._disk.run(
            take_back,
            lambda _: self._refresh(),
            lambda error: self.state.setText(f"It cannot be taken back ({error})."),
        )

    def _enable(self) -> None:
        self.withdraw.setEnabled(bool(self.table.selectedItems()))


def _read() -> list[tuple[Permission, _Sent]]:
    trail.flush()
    entries = read_audit()
    return [(each, _Sent.of(each, entries)) for each in PermissionBook().all()]
