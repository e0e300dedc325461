"""What is said of a slide that the system does not let us read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import reason_of
from viewer.slides.errors import SlideAccessError, SlideError, SlideNotFoundError
from viewer.slides.remote.address import foreign_address_problem

if TYPE_CHECKING:
    from pathlib import Path


def access_error(path: Path, error: OSError) -> SlideError:
    """Return the error of a slide for one of the system, with what to do."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            if problem := foreign_address_problem(path):
                return SlideNotFoundError(path, problem)
            return SlideNotFoundError(
                path, f"There is no file {path}; check its name, and that its drive is connected."
            )
        case PermissionError():
            return SlideAccessError(
                path,
                f"You have no permission to read {path.name}; ask its owner, or copy it to a "
                "folder of yours.",
            )
        case _:
            return SlideAccessError(
                path,
                f"{path.name} cannot be read ({reason_of(error)}); check that its drive or "
                "network share is connected and try again.",
            )
