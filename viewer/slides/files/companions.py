"""Files that OpenSlide opens beside the one of a slide, pipes and devices among them."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.errors import UnsupportedSlideError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VMS_MACRO = "MacroImage"
"""The key of the macro in a VMS or VMU."""
_INI_BYTES = 1 << 16
_LONGEST_NAME = 255


def check_companions(path: Path) -> None:
    """Refuse a MIRAX or VMS slide of which a file is a pipe or device.

    Raises
    ------
    UnsupportedSlideError
        One is.
    OSError
        The file or its folder cannot be read.
    """
    match path.suffix.lower():
        case ".mrxs" if path.with_suffix("").is_dir():
            check_no_pipes(path, path.with_suffix("").iterdir())
        case ".vms" | ".vmu":
            check_no_pipes(path, values_in(path))
        case _:
            pass


def check_no_pipes(path: Path, others: Iterable[Path]) -> None:
    """Refuse a slide where a pipe or device is among the files that OpenSlide opens with it.

    Raises
    ------
    UnsupportedSlideError
        One is.
    """
    for other in others:
        try:
            mode = other.stat().st_mode  # once, as there can be hundreds of thousands
        except OSError:
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UnsupportedSlideError(
                path,
                f"{path.name} is not opened: {other.name} beside it is a pipe or device, which "
                "could hold up the reading; move it away.",
            )


def values_in(path: Path, word: str = "") -> list[Path]:
    """Return what lies or could lie beside `path` by the values of its keys with a word in them."""
    with open_regular(path) as file:
        text = file.read(_INI_BYTES).decode("utf-8", "replace")
    # One expression for all took half a minute where there is no line and no equals sign.
    lines = (line.partition("=") for line in re.split(r"[\r\n]+", text))
    names = dict.fromkeys(value.strip() for key, _, value in lines if word in key)
    return [path.with_name(name) for name in names if name and _is_plain(name)]


def _is_plain(name: str) -> bool:
    is_name = not re.search(r"[/\\\0]", name) and name not in (".", "..")
    return is_name and len(name.encode()) <= _LONGEST_NAME
