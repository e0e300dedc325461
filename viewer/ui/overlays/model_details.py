"""A dialog with what a model says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle


class ModelDetailsDialog(QDialog):
    """Stays open beside the slide; its texts can be selected and copied."""

    def __init__(self, model: ModelBundle, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Model {model.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, text in model_details(model):
            value = QLabel(text, self)
            value.setTextFormat(Qt.TextFormat.PlainText)
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setAccessibleName(name)
            form.addRow(f"{name}:", value)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        close.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addStretch(1)
        layout.addWidget(close)
        self.resize(520, 360)


def model_details(model: ModelBundle) -> list[tuple[str, str]]:
    """Return what there is to know of a model before it runs, by name."""
    about = model.description
    rows = [
        ("Name", f"{about.name}, version {about.version}"),
        ("What it does", about.about),
        ("Task", about.task),
        ("Classes", ", ".join(name for name, _ in model.colors)),
        ("Pixel size", f"{about.mpp_um:g} µm"),
        ("Trained on", about.training.text if about.training is not None else ""),
        ("License", about.license),
        ("Citation", about.citation),
        ("Weights, SHA-256", about.sha256),
        ("Folder", str(model.folder)),
    ]
    return [(name, text) for name, text in rows if text]
