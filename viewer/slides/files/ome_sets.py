"""The files that an OME-TIFF names as holders of its other planes, and of its description."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from unicodedata import normalize

from viewer.limits import open_regular
from viewer.slides.readers.tiff_directory import TiffDirectoryError, read_description

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_FILES = 256
"""Of one set."""
DESCRIPTION_BYTES = 16 << 20
TIFF_SUFFIXES = (".tif", ".tiff", ".tf2", ".tf8", ".btf")
DESCRIPTION_SUFFIXES = (*TIFF_SUFFIXES, ".ome", ".xml")

_NAMES = re.compile(rb'\s(FileName|MetadataFile)="([^"]{1,999})"')


def ome_set(path: Path) -> tuple[Path, ...]:
    """Return the other files of the OME-TIFF at `path`, those that lie beside it; () for others.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return ()
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for kind, name in _named_in(here):
            beside = file_beside(path, name)
            if len(found) < MOST_FILES and beside not in found and beside.is_file():
                found[beside] = None
                if kind == b"MetadataFile":
                    waiting.append(beside)
    found.pop(path, None)
    return tuple(found)


def is_beside(name: str, suffixes: tuple[str, ...] = TIFF_SUFFIXES) -> bool:
    """Return whether a name that a file gives is that of a file in its own folder."""
    is_plain = name == PurePosixPath(name).name == PureWindowsPath(name).name
    return is_plain and "\0" not in name and name.lower().endswith(suffixes)


def file_beside(path: Path, name: str) -> Path:
    """Return a file beside another by its name, which need not exist.

    Macs and old archives write letters with accents as two characters, where others write one.
    """
    forms = dict.fromkeys((name, normalize("NFC", name), normalize("NFD", name)))
    found = (path.with_name(form) for form in forms)
    return next((each for each in found if each.is_file()), path.with_name(name))


def description_of(path: Path) -> bytes:
    """Return the text of a file of XML, or of a TIFF's first directory; b"" for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if path.suffix.lower() in TIFF_SUFFIXES:
        try:
            return read_description(path, DESCRIPTION_BYTES)
        except TiffDirectoryError:
            return b""
    with open_regular(path) as file:
        return file.read(DESCRIPTION_BYTES)


def _named_in(path: Path) -> Iterator[tuple[bytes, str]]:
    """Yield what is named in a description, in its order: which kind of file, and its name."""
    for kind, name in dict.fromkeys(_NAMES.findall(description_of(path))):
        text = html.unescape(name.decode("utf-8", "replace"))
        if is_beside(text, DESCRIPTION_SUFFIXES if kind == b"MetadataFile" else TIFF_SUFFIXES):
            yield kind, text
