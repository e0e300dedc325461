"""What can go wrong with a slide, one class a kind, each with the values it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from pathlib import Path


class SlideError(CoverslipError):
    """A slide that cannot be used; `str()` is one sentence: what is wrong and what to do."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


class SlideNotFoundError(SlideError):
    """There is nothing at the path."""


class SlideIsFolderError(SlideError):
    """The path is a folder without a slide in it."""


class SlideAccessError(SlideError):
    """The system refuses to let us read the file."""


class UnsupportedSlideError(SlideError):
    """The file is no slide, or of a kind that nothing here reads."""


class DamagedSlideError(SlideError):
    """The file is a slide that is cut short or spoilt."""


class IncompleteSlideError(SlideError):
    """A slide of several files of which some are missing."""


class NoSuchImageError(SlideError):
    """The file holds images, but not the one asked for."""


class TileError(CoverslipError):
    """One tile that cannot be read; the slide's other tiles may still be good.

    `str()` is one sentence with the reason.
    """

    def __init__(self, level: int, column: int, row: int, reason: str) -> None:
        super().__init__(f"Tile {column}, {row} of level {level} cannot be read: {reason}")
        self.level = level
        self.column = column
        self.row = row
        self.reason = reason


class SlideChangedError(SlideError, TileError):
    """The file is no longer the one that was opened, so nothing more of it is shown."""

    def __init__(self, path: Path) -> None:
        sentence = (
            f"{path.name} was changed on the disk while it was open: open it again to see it as it "
            "is now."
        )
        Exception.__init__(self, sentence)
        self.path = path
        self.level, self.column, self.row = -1, -1, -1
        self.reason = sentence
