"""The folder of data that a training or measuring program is given."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def folder_with(*parts: str) -> Callable[[str], Path]:
    """Return a type of argparse: a folder that has these parts, each a path or a pattern."""

    def checked(text: str) -> Path:
        folder = Path(text)
        if not folder.is_dir():
            raise ArgumentTypeError(f"{text} is no folder")
        missing = [part for part in parts if not any(folder.glob(part))]
        if missing:
            raise ArgumentTypeError(f"{text} lacks {', '.join(missing)}: give the folder with it")
        return folder

    return checked
