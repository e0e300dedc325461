"""Which sets there are of a slide or of a whole project, by the first lines of their files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from viewer.annotations.sets.annotation_set import (
    REMOVED_SUFFIX,
    SETS_FOLDER,
    AnnotationSet,
    SetKey,
    slide_folder,
)
from viewer.annotations.sets.records import SetHeader, decoded
from viewer.files.kept_lines import append_lines, bodies_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 1 << 16
_BINARY = getattr(os, "O_BINARY", 0)


def sets_of_slide(folder: Path, identity: str) -> list[AnnotationSet]:
    """Return the sets of a slide, by reader, stage and name; without those that were removed.

    Parameters
    ----------
    folder
        The project's, or the data folder for sets that belong to the slide alone.

    Raises
    ------
    OSError
        The folder is there and cannot be read.
    """
    return _ordered(_sets_in(folder, slide_folder(folder, identity)))


def all_sets(folder: Path) -> list[AnnotationSet]:
    """Return the sets of all slides of a project, by slide, reader, stage and name.

    Raises
    ------
    OSError
        The folder is there and cannot be read.
    """
    found: list[AnnotationSet] = []
    try:
        with os.scandir(folder / SETS_FOLDER) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []
    for name in names:
        found += _ordered(_sets_in(folder, folder / SETS_FOLDER / name))
    return found


def remove_set(which: AnnotationSet) -> None:
    """Take a set off all lists; its files stay, so that `restore_set` brings it back.

    Raises OSError.
    """
    append_lines(which.files_folder / f"{which.key.file_name}{REMOVED_SUFFIX}", [b'"removed"'])


def restore_set(which: AnnotationSet) -> None:
    """Bring back a set that was removed. Raises OSError."""
    for path in which.files_folder.glob(f"*{REMOVED_SUFFIX}"):
        if path.name.startswith(which.key.file_name):
            path.unlink(missing_ok=True)


def _sets_in(folder: Path, place: Path) -> Iterator[AnnotationSet]:
    """Yield a set for each beginning of names of files; the first readable header tells whose."""
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    known = {_prefix(name) for name in names if name.endswith(REMOVED_SUFFIX)}
    for name in names:
        prefix = _prefix(name)
        if prefix in known or prefix == name:
            continue
        header = _header_of(os.path.join(place, name))
        if header is None:
            continue
        key = SetKey(header.reader, header.name, header.stage)
        if name.startswith(key.file_name):
            known.add(prefix)
            yield AnnotationSet(folder, header.identity, key, header.kind, header.source)


def _prefix(name: str) -> str:
    """What synced folders add to a name may hold more of the signs that divide it."""
    return "~".join(name.split("~", 2)[:2])


def _header_of(path: str) -> SetHeader | None:
    """Return the first header; None where there is none, as in a torn file."""
    try:
        # A pipe that nobody writes to would hold up a plain open.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except OSError:
        return None
    try:
        data = os.read(descriptor, _HEADER_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    lines = (line for each in data.split(b"\n") for line in decoded(bodies_of(each)))
    return next((line for line in lines if isinstance(line, SetHeader)), None)


def _ordered(sets: Iterator[AnnotationSet]) -> list[AnnotationSet]:
    return sorted(sets, key=lambda each: (each.key.reader, each.key.stage, each.key.name))
