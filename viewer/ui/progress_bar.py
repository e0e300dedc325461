"""A progress bar that is painted together with all else."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar

from viewer.canvas.qt_guard import guarded


class ProgressBar(QProgressBar):
    """Shows how far something is.

    Qt's own paints itself at once, and with it whatever else of the window waits to be painted:
    a slide was painted twice for each step.
    """

    @guarded()
    def setValue(self, value: int) -> None:
        """Show another value with the next painting."""
        self.setUpdatesEnabled(False)
        super().setValue(value)
        self.setUpdatesEnabled(True)
