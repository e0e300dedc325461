"""Where a batch runs: on this computer, or on a Ray cluster with a store that its nodes reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from viewer.cohort.batch import LOCAL, BatchWhere
from viewer.ui.widgets import LetteredCombo

if TYPE_CHECKING:
    from viewer.cohort.batch import Batch

_CLUSTER = "cluster"
_MOST_GPUS, _STEP_GPUS = 8.0, 0.25


class WhereFields(QWidget):
    """Asks for the place; what only a cluster needs is shown for one."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.kind = LetteredCombo(self)
        self.kind.setAccessibleName("What runs the batch")
        self.kind.addItem("This computer", LOCAL)
        self.kind.addItem("A Ray cluster", _CLUSTER)
        self.address = QLineEdit(self)
        self.address.setPlaceholderText("ray://HOST:10001")
        self.address.setAccessibleName("Address of the cluster")
        self.store = QLineEdit(self)
        self.store.setPlaceholderText("Folder, or s3://bucket")
        self.store.setAccessibleName("Store of the results")
        self.store.setToolTip("All nodes keep what they find there, and the window reads it")
        self.gpus = QDoubleSpinBox(self)
        self.gpus.setAccessibleName("GPUs a slide")
        self.gpus.setRange(0.0, _MOST_GPUS)
        self.gpus.setSingleStep(_STEP_GPUS)
        self.gpus.setSpecialValueText("none: CPUs")
        self._of_cluster = QWidget(self)
        form = QFormLayout(self._of_cluster)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Address:", self.address)
        form.addRow("Store:", self.store)
        form.addRow("GPUs a slide:", self.gpus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.kind)
        layout.addWidget(self._of_cluster)
        self.setFocusProxy(self.kind)
        self.kind.currentIndexChanged.connect(lambda _: self._show_kind())
        self._show_kind()

    @property
    def is_cluster(self) -> bool:
        """Return whether a cluster is to run the batch."""
        return self.kind.currentData() == _CLUSTER

    @property
    def place(self) -> BatchWhere:
        """Return what runs the batch; the address as it was typed."""
        if not self.is_cluster:
            return BatchWhere()
        return BatchWhere(on=self.address.text().strip(), gpus_per_task=self.gpus.value())

    @property
    def store_name(self) -> str:
        """Return the store as it was typed; "" on this computer, which keeps results itself."""
        return self.store.text().strip() if self.is_cluster else ""

    def show_batch(self, batch: Batch) -> None:
        """Show where an earlier batch ran."""
        where = batch.where
        self.kind.setCurrentIndex(self.kind.findData(LOCAL if where.on == LOCAL else _CLUSTER))
        if where.on != LOCAL:
            self.address.setText(where.on)
            self.store.setText(batch.settings.store)
            self.gpus.setValue(where.gpus_per_task)

    def _show_kind(self) -> None:
        self._of_cluster.setVisible(self.is_cluster)
