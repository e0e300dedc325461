"""Whose the annotations in the home are that bear no reader's name in the name of their file.

Versions before 0.2 kept one file a slide, whoever read. It is what the first reader with a
pseudonym calls "my annotations"; any other reader of the same account has files of their own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from viewer.access import OWNER_FILE
from viewer.annotations.sets.annotation_set import reader_file_name
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import data_folder
from viewer.limits import read_kept

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "annotations-reader"
_READER_CHARACTERS = 60


def home_reader() -> str:
    """Return the reader whose the unnamed files are; "" while nobody's. Raises OSError."""
    try:
        return read_kept(_path()).decode()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def claim_home(reader: str) -> None:
    """Make the unnamed files those of a reader, where they are nobody's. Raises OSError."""
    if reader and not home_reader():
        atomic_write_bytes(_path(), reader.encode(), mode=OWNER_FILE)


def is_home_reader(reader: str) -> bool:
    """Return whether the unnamed files are a reader's, or may become so. Raises OSError."""
    return not reader or home_reader() in ("", reader)


def readers_end(reader: str) -> str:
    """Return what the names of a reader's files end with before their suffix.

    Nothing for whom the unnamed files belong to. Names may differ in case alone, which some
    drives do not tell apart. Raises OSError.
    """
    if is_home_reader(reader):
        return ""
    digest = hashlib.blake2b(reader.encode(), digest_size=6).hexdigest()
    return f"~{reader_file_name(reader)[:_READER_CHARACTERS]}~{digest}"


def _path() -> Path:
    return data_folder() / _FILE
