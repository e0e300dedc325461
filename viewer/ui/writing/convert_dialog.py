"""Asks how a slide is converted, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QWidget,
)

from viewer.ui.file_dialogs import ask_place
from viewer.ui.opened_dialog import answer_buttons

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDINGS = {"ome-tiff": ".ome.tif", "ome-zarr": ".ome.zarr", "dicom": ""}
_FORMATS = (
    ("OME-TIFF", "ome-tiff", "One file. JPEG tiles are copied as they are."),
    ("OME-Zarr", "ome-zarr", "A folder, without loss, several times as large."),
    ("DICOM", "dicom", "A folder with a file a level. JPEG tiles are copied as they are."),
)
_QUALITY = 90
_LIST_HEIGHT_PX = 120


class ConvertDialog(QDialog):
    """Read the properties after it was accepted.

    Parameters
    ----------
    slide
        The file or folder that is converted.
    channels
        Names; empty where the slide is RGB.
    has_region
        Whether a region is selected.
    """

    def __init__(
        self, slide: Path, channels: Sequence[str], parent: QWidget, *, has_region: bool
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Convert slide")
        self.format = QComboBox(self)
        for name, kind, _ in _FORMATS:
            self.format.addItem(name, kind)
        self._about = QLabel(self)
        self._about.setWordWrap(True)
        self.area = QComboBox(self)
        self.area.addItem("Whole slide", False)
        if has_region:
            self.area.addItem("Selected region", True)
        self.quality = QSpinBox(self)
        self.quality.setRange(1, 100)
        self.quality.setValue(_QUALITY)
        self.quality.setToolTip("Of JPEG, for tiles that cannot be copied")
        self.channel_list = QListWidget(self)
        self.channel_list.setMaximumHeight(_LIST_HEIGHT_PX)
        for name in channels:
            item = QListWidgetItem(name, self.channel_list)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
        self.place = QLineEdit(self)
        self.place.setAccessibleName("File or folder to write")
        browse = QPushButton("Browse...", self)
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where = QHBoxLayout()
        where.addWidget(self.place, 1)
        where.addWidget(browse)
        self.replace = QCheckBox("Replace what is there", self)
        self._says = QLabel(self)
        self._says.setWordWrap(True)
        buttons, self.convert = answer_buttons(self, "Convert")
        form = QFormLayout(self)
        form.addRow("Format:", self.format)
        form.addRow("", self._about)
        form.addRow("Area:", self.area)
        if channels:
            form.addRow("Channels:", self.channel_list)
        form.addRow("JPEG quality:", self.quality)
        form.addRow("Write to:", where)
        form.addRow("", self.replace)
        form.addRow(self._says)
        form.addRow(buttons)
        self.channel_list.setVisible(bool(channels))
        self.setMinimumWidth(520)
        self._stem = slide.with_name(slide.name.split(".")[0] or slide.name)
        self.format.currentIndexChanged.connect(self._show_place)
        self.place.textChanged.connect(lambda _: self._show())
        self.channel_list.itemChanged.connect(lambda _: self._show())
        self.replace.toggled.connect(lambda _: self._show())
        self._show_place()

    @property
    def kind(self) -> str:
        return self.format.currentData()

    @property
    def out(self) -> Path:
        return Path(self.place.text().strip()).expanduser()

    @property
    def is_region(self) -> bool:
        return bool(self.area.currentData())

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names that are checked; empty where all are."""
        items = [self.channel_list.item(row) for row in range(self.channel_list.count())]
        chosen = [each for each in items if each.checkState() == Qt.CheckState.Checked]
        return () if len(chosen) == len(items) else tuple(each.text() for each in chosen)

    def _show_place(self) -> None:
        """Propose a name with the ending of the format, beside the slide."""
        ending = _ENDINGS[self.kind]
        self.place.setText(f"{self._stem}-converted{ending}")
        self._about.setText(_FORMATS[self.format.currentIndex()][2])
        self.quality.setEnabled(self.kind != "ome-zarr")

    def _show(self) -> None:
        """Say what is missing; the button waits for it."""
        text, ending = self.place.text().strip(), _ENDINGS[self.kind]
        has_channel = not self.channel_list.count() or any(
            self.channel_list.item(row).checkState() == Qt.CheckState.Checked
            for row in range(self.channel_list.count())
        )
        trouble = ""
        if not text:
            trouble = "Give the name of what is written."
        elif ending and not text.lower().endswith((ending, ".ome.tiff", ".zarr")):
            trouble = f"The name has to end in {ending}."
        elif not has_channel:
            trouble = "Check a channel."
        is_there = bool(text) and self.out.exists()
        self.replace.setVisible(is_there)
        if not trouble and is_there and not self.replace.isChecked():
            trouble = "Something of that name exists."
        self._says.setText(trouble)
        self.convert.setEnabled(not trouble)

    def _browse(self) -> None:
        ask_place(self, "Write to", lambda path: self.place.setText(str(path)), self.out)
