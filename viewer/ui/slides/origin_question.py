"""Asks from where a file counts on a slide with bounds, where it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.formats.problems import AnnotationFileError
from viewer.ui.annotations.simple_dialogs import ask_choice

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
    choices: dict[str, Origin] = {
        "From the &bounds (QuPath)": "bounds",
        "From the &corner (OpenSlide)": "slide",
    }
    ask_choice(
        parent,
        f"Open {name}",
        f"{name} does not say from where its places count, and this slide has bounds.",
        "QuPath counts from the bounds, OpenSlide from the corner of the slide.",
        choices,
        "bounds",
        answered,
    )
