"""The folder with the data of a MIRAX slide, and the file in it that says what lies where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.errors import IncompleteSlideError
from viewer.slides.files.data_folders import renamed_folder, renamed_sentence

if TYPE_CHECKING:
    from pathlib import Path

MIRAX_DESCRIPTION = "Slidedat.ini"
_MOST_BYTES = 4 << 20


def is_mirax(path: Path) -> bool:
    """Return whether a file is called as those slides are; it holds a small picture alone."""
    return path.suffix.lower() == ".mrxs"


def mirax_folder(path: Path) -> Path:
    """Return the folder where the data of a .mrxs lies."""
    return path.with_suffix("")


def check_mirax(path: Path) -> None:
    """Refuse a .mrxs without its data; where another folder may hold it, that is said.

    Raises
    ------
    IncompleteSlideError
        The folder of its name holds none.
    OSError
        The folder that it lies in cannot be read.
    """
    folder = mirax_folder(path)
    if _holds_mirax(folder):
        return
    other = renamed_folder(path, path.parent.iterdir(), mirax_folder, _holds_mirax)
    raise IncompleteSlideError(
        path,
        renamed_sentence(path, folder, other)
        if other is not None
        else f"The data of {path.name} is missing: copy its folder {folder.name}, with "
        f"{MIRAX_DESCRIPTION} and the .dat files, to the same place.",
    )


def mirax_values(folder: Path) -> dict[tuple[str, str], str]:
    """Return the values of the description in the folder of a MIRAX slide, by group and key.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open_regular(folder / MIRAX_DESCRIPTION) as file:
        text = file.read(_MOST_BYTES).decode("utf-8-sig", "replace")
    found: dict[tuple[str, str], str] = {}
    group = ""
    for line in text.splitlines():
        if line.startswith("["):
            group = line.strip("[] \t")
        elif "=" in line:
            key, _, value = line.partition("=")
            found[group, key.strip()] = value.strip()
    return found


def _holds_mirax(folder: Path) -> bool:
    return (folder / MIRAX_DESCRIPTION).is_file()
