"""What is sealed in a study, opened by its owner: for this account, or for everybody."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import SUFFIX
from viewer.annotations.sets.listing import all_sets
from viewer.annotations.sets.records import (
    SealedLine,
    SetLine,
    decoded,
    encoded,
    sealed_about,
    unsealed_line,
)
from viewer.files.atomic_write import atomic_write
from viewer.files.kept_lines import GrowingFiles, line_of
from viewer.studies.answers import open_answers
from viewer.studies.project import unsealing
from viewer.studies.project_file import change_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer

_OPENED = "+opened"
"""In the name of a file that holds the opened lines of another: it counts as one of the set's."""


class Unsealed(msgspec.Struct, frozen=True):
    """How much of a study is sealed, and how much of that a key opens.

    Attributes
    ----------
    sets, edits, answers
        What opens; edits are lines of sets.
    closed
        Lines that stay sealed: damaged, brought from another file, or sealed to another key.
    """

    sets: int
    edits: int
    answers: int
    closed: int


def unseal_study(folder: Path, sealer: Sealer, *, publish: bool) -> Unsealed:
    """Open all that is sealed, and count it.

    Nobody's own files are touched: opened lines go to files beside them.

    Parameters
    ----------
    sealer
        With the owner's key.
    publish
        Whether to write what opens in plain, so that whoever can read the folder can read it; the
        project seals and hides nothing from then on.

    Raises
    ------
    OSError
        Something cannot be read or written.
    ProjectError
        The project cannot be changed.
    """
    sets = edits = closed = 0
    for which in all_sets(folder):
        opened, left = _open_set(which, sealer, publish=publish)
        sets += opened > 0
        edits += opened
        closed += left
    answers, left = open_answers(folder, sealer, publish=publish)
    if publish:
        change_project(folder, unsealing())
    return Unsealed(sets, edits, answers, closed + left)


def _open_set(which: AnnotationSet, sealer: Sealer, *, publish: bool) -> tuple[int, int]:
    """Return how many lines of a set open, and how many do not."""
    opening = _Opening(sealer, sealed_about(which.identity, which.key))
    for path in sorted(which.files_folder.iterdir()):
        if not path.name.startswith(which.key.file_name) or _OPENED in path.name:
            continue
        if not any(isinstance(line, SealedLine) for line in _lines(path)):
            continue
        plain = opening.plain_lines(path)
        if publish and (first := next(plain, None)) is not None:
            stem = path.name.removesuffix(SUFFIX)
            with atomic_write(path.with_name(f"{stem}{_OPENED}{SUFFIX}"), kept=True) as file:
                file.writelines(line_of(encoded(line)) for line in chain([first], plain))
        deque(plain, maxlen=0)
    return opening.opened, opening.closed


class _Opening(msgspec.Struct):
    """Opens the sealed lines of files, and counts them."""

    sealer: Sealer
    about: bytes
    opened: int = 0
    closed: int = 0

    def plain_lines(self, path: Path) -> Iterator[SetLine]:
        """Yield what can be read of a file, a line at a time: sets grow to gigabytes."""
        for line in _lines(path):
            if not isinstance(line, SealedLine):
                yield line
            elif (body := unsealed_line(line, self.sealer, self.about)) is not None:
                self.opened += 1
                yield body
            else:
                self.closed += 1


def _lines(path: Path) -> Iterator[SetLine]:
    return decoded(GrowingFiles().each(path))
