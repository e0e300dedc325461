"""The folder that holds the data of a .vsi of Olympus, which itself holds a photograph alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.slides.errors import IncompleteSlideError

if TYPE_CHECKING:
    from pathlib import Path


def is_vsi(path: Path) -> bool:
    """Return whether a file is called as those slides are."""
    return path.suffix.lower() == ".vsi"


def vsi_folder(path: Path) -> Path:
    """Return the folder where the data of a .vsi lies."""
    return path.with_name(f"_{path.stem}_")


def check_vsi(path: Path) -> None:
    """Refuse a .vsi without its data: what it shows would be the slide's glass with its label.

    Raises
    ------
    IncompleteSlideError
        The folder of its name holds none; where another may, that is said.
    OSError
        The folder that it lies in cannot be read.
    """
    data_folder = vsi_folder(path)
    if _holds_ets(data_folder):
        return
    sentence = (
        f"The data of {path.name} is missing: copy its folder {data_folder.name}, with the "
        ".ets files, to the same place."
    )
    if other := _renamed_vsi_folder(path, data_folder):
        sentence = (
            f"The data of {path.name} is not found under its name: if it is in the folder "
            f"{other.name}, rename that to {data_folder.name}."
        )
    raise IncompleteSlideError(path, sentence)


def _renamed_vsi_folder(path: Path, data_folder: Path) -> Path | None:
    """Return the one folder beside a .vsi that may hold its data; None where there is none."""
    others = [each for each in path.parent.iterdir() if re.fullmatch("_.+_", each.name)]
    same = [each for each in others if each.name.casefold() == data_folder.name.casefold()]
    # The others are of slides of their own, unless the .vsi was renamed.
    slides = {each.stem.casefold() for each in path.parent.iterdir() if is_vsi(each)}
    left = same or [each for each in others if each.name[1:-1].casefold() not in slides]
    found = [each for each in left if _holds_ets(each)]
    return found[0] if len(found) == 1 else None


def _holds_ets(folder: Path) -> bool:
    return next(folder.rglob("*.ets"), None) is not None
