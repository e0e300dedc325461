"""A page of the settings: caches, what may leave the machine, and what was done."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.privacy.audit_box import AuditBox
from viewer.ui.privacy.caches_box import CachesBox
from viewer.ui.privacy.permissions_box import PermissionsBox
from viewer.ui.privacy.policy_box import PolicyBox


class PrivacyPage(QWidget):
    """Reads and changes files in a thread; `shut_down` ends it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._disk = BackgroundRunner("privacy", 1, self)
        self.policy = PolicyBox(self)
        self.caches = CachesBox(self._disk, self)
        self.permissions = PermissionsBox(self._disk, self)
        self.audit = AuditBox(self._disk, self)
        layout = QVBoxLayout(self)
        layout.addWidget(self.policy)
        layout.addWidget(self.permissions, 1)
        layout.addWidget(self.audit, 1)
        layout.addWidget(self.caches)

    def shut_down(self) -> None:
        """End the thread; what was asked for is still done."""
        self._disk.close(finish=True)
