"""Where a written slide goes: never over its source, never over anything unasked."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from viewer.policy import policy
from viewer.slides.files.slide_files import home_of, slide_files
from viewer.slides.files.slide_folders import folder_kind
from viewer.slides.remote.address import foreign_address_problem, is_address
from viewer.slides.writing.errors import OutputExistsError, WritingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PSEUDONYM_BYTES = 5
_DOUBLE_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.zarr")


def new_pseudonym() -> str:
    """Return a name that tells nothing of the slide, another at each call."""
    return f"slide-{token_hex(_PSEUDONYM_BYTES)}"


def in_folder(out: Path, suffix: str) -> Path:
    """Return `out`, or where it is a folder a new name in it that tells nothing of the slide."""
    if not out.is_dir():
        return out
    while True:
        path = out / f"{new_pseudonym()}{suffix}"
        if not os.path.lexists(path):
            return path


def ending(slide: Path) -> str:
    """Return the ending of a slide's name, such as .svs or .ome.tif, in small letters."""
    name = slide.name.lower()
    return next((each for each in _DOUBLE_ENDINGS if name.endswith(each)), slide.suffix.lower())


def check_place(source: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse a place that is the source's, that is taken, or that has no folder.

    Links are followed: the same file by another name is the same file.

    Raises
    ------
    OutputExistsError
        Something is there.
    WritingError
        It is a file of the source, or cannot be written to.
    """
    is_foreign = not out.parent.exists() and foreign_address_problem(out)
    if is_address(str(out)) or is_foreign:
        raise WritingError("OUT is an address: slides are written to folders of this machine only.")
    files: tuple[Path, ...] = ()
    if not is_address(source):
        source = home_of(source)
        files = (source,) if source.is_dir() else slide_files(source)
    if _is_of_source(files, out) or (source.is_dir() and _is_within(out, source)):
        raise WritingError(
            f"{out} lies in the place of the slide itself, which is never changed: choose "
            "another place."
        )
    allowed = policy()
    if not allowed.allows_path(Path(os.path.realpath(out))):
        refusal = f"The administrator's policy allows no files at {out}"
        raise WritingError(f"{refusal}{allowed.only_in}.")
    folder = Path(os.path.realpath(out)).parent
    if any(_is_within(folder, data) for data in _data_folders(source, files)):
        raise WritingError(f"{folder} belongs to the slide itself: choose another place.")
    if not folder.is_dir():
        raise WritingError(f"There is no folder {folder}: make it, or choose another place.")
    if not os.access(folder, os.W_OK):
        raise WritingError(f"{out.name} cannot be written in {folder}: choose another place.")
    if os.path.lexists(out) and not overwrite:
        raise OutputExistsError(
            f"{out} exists already: choose another name, or have it replaced (on the command "
            "line, --overwrite)."
        )
    if out.is_dir() and folder_kind(out) is None and any(out.iterdir()):
        raise OutputExistsError(
            f"{out} is a folder with other files in it, which is never replaced: choose another "
            "name."
        )


def _data_folders(source: Path, files: Sequence[Path]) -> set[Path]:
    """Return the folders of which all belongs to the slide, such as that of a MIRAX."""
    return {file.parent for file in files if file.parent != source.parent}


def _is_of_source(files: Sequence[Path], out: Path) -> bool:
    """Return whether a place is one of the files, or a folder that holds one."""
    if not os.path.lexists(out):
        return False
    for file in files:
        if out.exists() and os.path.samefile(out, file):
            return True
        if out.is_dir() and _is_within(file, out):
            return True
    return False


def _is_within(path: Path, folder: Path) -> bool:
    real, holder = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return real == holder or holder in real.parents
