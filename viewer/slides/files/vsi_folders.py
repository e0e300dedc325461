"""The folder that holds the data of a .vsi of Olympus, which itself holds a photograph alone."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.errors import IncompleteSlideError
from viewer.slides.files.data_folders import renamed_folder, renamed_sentence

if TYPE_CHECKING:
    from pathlib import Path

_SCAN_FOLDER = re.compile(r"stack1\d{4,}", re.IGNORECASE)
_MAGIC = b"SIS\0"
_HEADER = struct.Struct("<4s8xI16xQI")
"""Of an .ets: the coordinates of a tile, where the list of tiles is, and how many it names."""
_ENTRY_BYTES, _COORDINATE_BYTES = 16, 4
"""Of a tile in that list: without what is only filling, and for each of its coordinates."""


def is_vsi(path: Path) -> bool:
    """Return whether a file is called as those slides are."""
    return path.suffix.lower() == ".vsi"


def vsi_folder(path: Path) -> Path:
    """Return the folder where the data of a .vsi lies."""
    return path.with_name(f"_{path.stem}_")


def check_vsi(path: Path) -> None:
    """Refuse a .vsi without all its data: what is left may be the slide's glass with its label.

    Raises
    ------
    IncompleteSlideError
        The folder of its name holds none; where another may, that is said. Or a file in it is
        empty or cut short, which might be the scan beside the overview that can be read.
    OSError
        The folder that it lies in, or a file of its data, cannot be read.
    """
    data_folder = vsi_folder(path)
    for file in sorted(data_folder.rglob("*.ets")):
        if not _is_whole(file):
            raise IncompleteSlideError(
                path,
                f"The data of {path.name} is damaged: {file.relative_to(data_folder)} in its "
                f"folder {data_folder.name} is empty or cut short. Copy the folder again, or move "
                "that file away to see the rest.",
            )
    if _holds_ets(data_folder):
        return
    sentence = (
        f"The data of {path.name} is missing: copy its folder {data_folder.name}, with the "
        ".ets files, to the same place."
    )
    others = [each for each in path.parent.iterdir() if re.fullmatch("_.+_", each.name)]
    if other := renamed_folder(path, others, vsi_folder, _holds_ets):
        sentence = renamed_sentence(path, data_folder, other)
    raise IncompleteSlideError(path, sentence)


def overview_note(path: Path) -> str:
    """Return a sentence where the data of a .vsi may be that of its overview alone; else "".

    Scanners keep scans in folders such as stack10001 and the overview in stack1, where programs
    for cameras keep what they have.
    """
    folders = {file.parent.name for file in vsi_folder(path).rglob("*.ets")}
    if any(_SCAN_FOLDER.fullmatch(name) for name in folders):
        return ""
    return (
        f"This may be the overview alone: the folder {vsi_folder(path).name} holds "
        f"{' and '.join(sorted(folders))}, and scans lie in folders such as stack10001. Copy the "
        "folder again if the scan is missing."
    )


def _is_whole(file: Path) -> bool:
    """Return whether a file of data begins as one, and is as long as its list of tiles tells."""
    with open_regular(file) as opened:
        head = opened.read(_HEADER.size)
    if len(head) < _HEADER.size or head[:4] != _MAGIC:
        return False
    _, coordinates, table_at, tiles = _HEADER.unpack(head)
    entry_bytes = _ENTRY_BYTES + _COORDINATE_BYTES * coordinates
    return table_at + entry_bytes * tiles <= file.stat().st_size


def _holds_ets(folder: Path) -> bool:
    return next(folder.rglob("*.ets"), None) is not None
