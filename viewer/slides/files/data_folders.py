"""Folders of data beside the file of a slide, which go by its name, and links among its files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unicodedata import normalize

from viewer.slides.errors import SlideAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


def renamed_folder(
    path: Path,
    candidates: Iterable[Path],
    folder_of: Callable[[Path], Path],
    holds: Callable[[Path], bool],
) -> Path | None:
    """Return the one folder that may hold the data of a slide; None where there is none.

    Parameters
    ----------
    candidates
        Folders beside the file.
    folder_of
        Gives the folder that belongs to a file of this kind.
    holds
        Says whether there is data in a folder.
    """
    folders = list(candidates)
    wanted = _alike(folder_of(path).name)
    same = [each for each in folders if _alike(each.name) == wanted]
    # The others are of slides of their own, unless the file was renamed.
    slides = [each for each in path.parent.iterdir() if each.suffix.lower() == path.suffix.lower()]
    taken = {_alike(folder_of(each).name) for each in slides}
    left = same or [each for each in folders if _alike(each.name) not in taken]
    found = [each for each in left if holds(each)]
    return found[0] if len(found) == 1 else None


def renamed_sentence(path: Path, folder: Path, other: Path) -> str:
    """Return what to do where the data of a slide is in another folder than its own."""
    if normalize("NFC", folder.name) == normalize("NFC", other.name):
        return (
            f"The data of {path.name} is not found under its name: that of the folder {other.name} "
            "looks the same, but is of other Unicode characters, as from a Mac; copy the name of "
            "the file to the folder."
        )
    return (
        f"The data of {path.name} is not found under its name: if it is in the folder "
        f"{other.name}, rename that to {folder.name}."
    )


def check_links(path: Path, files: Sequence[Path], error: Exception) -> None:
    """Say that a slide did not open since a file of it is a link, where one leads elsewhere.

    What lies beside a slide is not trusted to say what else is read: links of it are not followed.

    Raises
    ------
    SlideAccessError
        One does; it is `error` in other words.
    """
    for file in files:
        # One that is the whole slide is followed.
        is_its_own = file == path and not (len(files) > 1 and isinstance(error, SlideAccessError))
        if is_its_own or not file.is_symlink():
            continue
        real = os.path.realpath(file)
        if os.path.dirname(real) != os.path.realpath(file.parent) and os.access(real, os.R_OK):
            which = "it" if file == path else f"{file.name}, which belongs to it,"
            raise SlideAccessError(
                path,
                f"{path.name} is not opened: {which} is a link to a file elsewhere, and such links "
                "are not followed among the files of a slide; put the file itself in its place.",
            ) from error


def _alike(name: str) -> str:
    return normalize("NFC", name).casefold()
