"""What was taught in the window becomes one of the models at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import reason_of
from viewer.files.unfinished import unfinished_folder
from viewer.inference.models.model_library import add_model, models_folder
from viewer.inference.teaching.errors import TeachingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle


def add_taught(write: Callable[[Path], ModelBundle]) -> ModelBundle:
    """Have a taught model written into a folder of its own, and add it to the models at hand.

    Raises
    ------
    TeachingError
        It cannot be written.
    BundleError
        It cannot be used.
    """
    try:
        with unfinished_folder(models_folder()) as folder:
            return add_model(write(folder / "model").folder)
    except OSError as error:
        where = error.filename or "the folder of the models"
        raise TeachingError(
            f"Nothing can be written into {where} ({reason_of(error)}): let Coverslip write "
            "there, or make room, and save the model again."
        ) from error
