"""The content of a result file: outlines or scores that were made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.overlays.result_map import ResultMap


class ResultFileError(CoverslipError):
    """A file without results for this slide; `str()` is one sentence."""


class FileVectors(msgspec.Struct, frozen=True):
    """The vectors of an encoder in a file.

    Attributes
    ----------
    length
        Of a vector.
    side_um
        Of the tiles that were embedded.
    encoder
        What made them; "" where the file does not say.
    """

    length: int
    side_um: float
    encoder: str


class ResultFile(msgspec.Struct, frozen=True):
    """What a result file holds.

    Attributes
    ----------
    found
        Outlines, or vectors of scores.
    colors
        Name and color of each class or score.
    troubles
        What is missing, a sentence each.
    is_score_sure
        Whether the first of the scores is one by its name; else somebody is to be asked.
    vectors
        About the vectors of an encoder, where `found` holds these.
    title, told
        Name and description, where not those of a file: of what was made here from other results.
    """

    path: Path
    found: ResultMap
    colors: list[tuple[str, str]]
    troubles: list[str]
    is_score_sure: bool = True
    vectors: FileVectors | None = None
    title: str = ""
    told: str = ""

    @property
    def key(self) -> str:
        return f"file {self.path}"

    @property
    def name(self) -> str:
        return self.title or self.path.name

    @property
    def about(self) -> str:
        return self.told or "Read from a file, for this slide alone."

    @property
    def place(self) -> Path:
        return self.path

    @property
    def task(self) -> Literal["instances", "scores", "embedding"]:
        if self.vectors is not None:
            return "embedding"
        return "scores" if self.found.as_objects is None else "instances"


def troubles_of(path: Path, left_out: Sequence[str], beside: int) -> list[str]:
    """Sentences about what is left out: unreadable things, and things beside the slide."""
    troubles: list[str] = []
    if left_out:
        shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
        troubles.append(f"{len(left_out)} of {path.name} are left out: {shown}.")
    if beside:
        troubles.append(f"{beside} of {path.name} lie beside the slide and are left out.")
    return troubles
