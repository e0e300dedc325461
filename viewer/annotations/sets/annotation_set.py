"""What a set of annotations is called, whose it is, and under which file names it is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import msgspec

from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from pathlib import Path

MY_ANNOTATIONS, AGENT_SET = "My annotations", "Agent's findings"
SETS_FOLDER = "sets"
SUFFIX, REMOVED_SUFFIX = ".lines", ".removed"
NO_READER = "reader"
"""Whose a set is where the settings name nobody."""

SetKind = Literal["drawn", "imported", "agent", "model", "merged"]
"""Where what is in a set comes from."""
_LONGEST_READER = 120
_READER_CHARACTERS = 60
"""Of a reader's name in the names of files, where it only helps people to find theirs."""


class SetKey(msgspec.Struct, frozen=True):
    """Names a set among those of a slide.

    Attributes
    ----------
    reader
        Whose it is, by pseudonym.
    stage
        During which stage of a study it was drawn; "" outside of any.
    """

    reader: str
    name: str = MY_ANNOTATIONS
    stage: str = ""

    @property
    def file_name(self) -> str:
        """Return how the names of its files begin.

        Names may hold anything and differ in case alone, which some drives do not tell apart.
        """
        whole = "\0".join((self.reader, self.name, self.stage)).encode()
        digest = hashlib.blake2b(whole, digest_size=8).hexdigest()
        reader = reader_file_name(self.reader)[:_READER_CHARACTERS].replace("~", "-")
        return f"{reader}~{digest}~"


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """A set as lists show it.

    Attributes
    ----------
    folder
        The project's, or the data folder where the set belongs to the slide alone.
    identity
        The slide's, as the project names it.
    source
        The file, model or agent that it comes from; "" where it was drawn.
    renames
        Classes that the project renamed, former name and name, in the order in which it did.
    """

    folder: Path
    identity: str
    key: SetKey
    kind: SetKind = "drawn"
    source: str = ""
    renames: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def files_folder(self) -> Path:
        """Return where its files lie; it need not exist."""
        return slide_folder(self.folder, self.identity)


LOCKED = "locked"
"""A property of a set as a whole: nothing in it can be changed while it is not ""."""


def slide_folder(folder: Path, identity: str) -> Path:
    """Return where the sets of a slide lie, in a project's folder or the data folder."""
    return folder / SETS_FOLDER / file_name_of(identity)


def reader_file_name(reader: str) -> str:
    """Return a reader's name as part of a file's name; it may hold anything."""
    return quote(reader or NO_READER, safe=" ").replace(".", "%2E")[:_LONGEST_READER]
