"""Asks for the address of a slide on a server, and says who is contacted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from viewer.egress import is_local
from viewer.slides.remote.address import (
    SCHEMES,
    address_problem,
    is_address,
    slide_path,
    without_secrets,
)

if TYPE_CHECKING:
    from pathlib import Path

_HINT = (
    "An address of a tiled TIFF, an OME-Zarr or a DICOM series: https://, s3://, gs:// or az://."
)
_WIDTH_PX = 520


class AddressDialog(QDialog):
    """Nothing is contacted before it is accepted; its button names the server."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open address")
        self.setMinimumWidth(_WIDTH_PX)
        self.address = QLineEdit(self)
        self.address.setAccessibleName("Address of the slide")
        self.address.setPlaceholderText("https://")
        self.told = QLabel(_HINT, self)
        self.told.setWordWrap(True)
        self.told.setProperty("dim", "true")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel, self
        )
        self.open_button = buttons.button(QDialogButtonBox.StandardButton.Open)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for widget in (self.address, self.told, buttons):
            layout.addWidget(widget)
        self.address.textChanged.connect(lambda _: self._tell())
        self._tell()

    @property
    def path(self) -> Path:
        """Return the slide that is meant; a signature in the address is in no part of it."""
        return slide_path(self.address.text().strip())

    def _tell(self) -> None:
        """Say which server would be contacted, and what others could see."""
        typed = self.address.text().strip()
        is_whole = is_address(typed)
        self.open_button.setEnabled(is_whole)
        if not is_whole:
            known = "Addresses begin with " + ", ".join(f"{scheme}://" for scheme in SCHEMES) + "."
            self.told.setText(known if typed and "://" in typed else _HINT)
            return
        if problem := address_problem(typed):
            self.open_button.setEnabled(False)
            self.told.setText(problem)
            return
        plain = without_secrets(typed)
        parts = urlsplit(plain)
        sentences = [f"Coverslip will contact {_server(parts.scheme, parts.netloc)}."]
        if parts.scheme == "http" and not is_local(plain):
            sentences.append("Over http others on the network can see and change the slide.")
        if plain.rstrip("/") != typed.rstrip("/"):
            sentences.append(
                "What follows the name of the slide is used for this run only and is kept nowhere."
            )
        self.told.setText(" ".join(sentences))


def _server(scheme: str, netloc: str) -> str:
    stores = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
    return f"{stores[scheme]} for the bucket {netloc}" if scheme in stores else netloc
