"""How far work is that leaves the window free."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressDialog, QWidget

_STEPS = 1000
STEP = 1 / _STEPS
"""The smallest share that shows."""
_PATIENCE_MS = 600
"""Work that is done sooner shows no progress."""
_WIDTH_PX = 360


class ProgressDialog(QProgressDialog):
    """Shows progress and Cancel, by itself where the work takes long, until `finish`."""

    def __init__(self, title: str, sentence: str, window: QWidget) -> None:
        super().__init__(sentence, "&Cancel", 0, _STEPS, window)
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.setMinimumDuration(_PATIENCE_MS)
        self.setMinimumWidth(_WIDTH_PX)
        self.setAutoReset(False)
        self.setAutoClose(False)
        self.setValue(0)

    def show_share(self, share: float) -> None:
        """Show which share is done, 0 to 1."""
        self.setValue(min(int(share * _STEPS), _STEPS - 1))

    def finish(self) -> None:
        """Close it without canceling anything: the work is done, failed or was stopped."""
        self.canceled.disconnect()
        self.close()
        self.deleteLater()
