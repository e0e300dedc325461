"""The part of the settings that deletes what can be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton

from viewer.caches import cached_bytes, delete_caches
from viewer.ui.opened_dialog import confirm

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from viewer.ui.background_runner import BackgroundRunner

_MIB = 1 << 20


class CachesBox(QGroupBox):
    """Tells what the caches take, and deletes them when asked to.

    Parameters
    ----------
    disk
        Runs what takes long; it belongs to the dialog.
    """

    def __init__(self, disk: BackgroundRunner, parent: QWidget) -> None:
        super().__init__("Caches", parent)
        self._disk = disk
        self.summary = QLabel("Tiles made here and results of models.", self)
        self.summary.setWordWrap(True)
        self.delete = QPushButton("Delete all caches...", self)
        self.delete.setToolTip("Made again where they are needed; annotations and sessions stay")
        self.delete.clicked.connect(self._ask)
        layout = QHBoxLayout(self)
        layout.addWidget(self.summary, 1)
        layout.addWidget(self.delete)
        self._measure()

    def _measure(self) -> None:
        self._disk.run(cached_bytes, self._show, lambda error: self.summary.setText(str(error)))

    def _show(self, size_bytes: int) -> None:
        self.summary.setText(
            f"Tiles made here and results of models: {size_bytes / _MIB:,.1f} MiB. "
            "They may show tissue of patients."
        )

    def _ask(self) -> None:
        confirm(
            self,
            "Delete all caches",
            "Delete all kept tiles and results of models?",
            "They are made again where they are needed, which takes its time. Annotations, "
            "sessions, answers and settings stay.",
            "Delete",
            self._delete,
        )

    def _delete(self) -> None:
        self.delete.setEnabled(False)
        self._disk.run(delete_caches, self._on_deleted, self._on_failed)

    def _on_deleted(self, freed_bytes: int) -> None:
        self.delete.setEnabled(True)
        self.summary.setText(f"{freed_bytes / _MIB:,.1f} MiB were deleted.")

    def _on_failed(self, error: Exception) -> None:
        self.delete.setEnabled(True)
        self.summary.setText(f"The caches cannot be deleted ({error}): close other windows first.")
