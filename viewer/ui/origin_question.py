"""Asks from where a file counts on a slide with bounds, where it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton

from viewer.annotations.formats.problems import AnnotationFileError
from viewer.ui.annotations.simple_dialogs import open_dialog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace


class UnstatedOriginError(AnnotationFileError):
    """A file that may count from the bounds of the slide or from its corner."""


def check_origin(path: Path, place: SlidePlace, origin: Origin | None) -> None:
    """Raise UnstatedOriginError where somebody has to say from where a file counts.

    For worker threads. Raises AnnotationFileError where the file cannot be read.
    """
    from viewer.annotations.formats.exchange import unstated_origin

    if origin is None and any(place.bounds_px) and unstated_origin(path):
        raise UnstatedOriginError(f"{path.name} does not say from where its places count.")


def ask_origin(parent: QWidget, name: str, answered: Callable[[Origin], object]) -> None:
    """Ask from where the places of a file count; a file of QuPath counts from the bounds."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(f"Open {name}")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"{name} does not say from where its places count, and this slide has bounds.")
    box.setInformativeText("QuPath counts from the bounds, OpenSlide from the corner of the slide.")

    def offer(text: str, answer: Origin) -> QPushButton:
        button = box.addButton(text, QMessageBox.ButtonRole.AcceptRole)
        button.clicked.connect(lambda: answered(answer))
        return button

    box.setDefaultButton(offer("From the &bounds (QuPath)", "bounds"))
    offer("From the &corner (OpenSlide)", "slide")
    box.addButton(QMessageBox.StandardButton.Cancel)
    open_dialog(box)
