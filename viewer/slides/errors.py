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
    """The file is a slide that is cut short or damaged."""


class IncompleteSlideError(SlideError):
    """A slide of several files of which some are missing."""


class NoSuchImageError(SlideError):
    """The file holds images, but not the one asked for."""


def damaged_image(path: Path, name: str, error: Exception) -> DamagedSlideError:
    """Return the error of an associated image that cannot be read."""
    return DamagedSlideError(
        path,
        f"The {name} image of {path.name} cannot be read ({error}); the slide itself may still be "
        "good.",
    )


def check_image(path: Path, image: int | None, count: int = 1) -> None:
    """Check that a file of `count` images has the one asked for; None is any of them.

    Raises
    ------
    NoSuchImageError
        It has not.
    """
    if image is not None and not 0 <= image < count:
        held = "one, number 0" if count == 1 else f"{count:,} images, numbered 0 to {count - 1:,}"
        raise NoSuchImageError(path, f"{path.name} has no image {image}: it holds {held}.")


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


class SlideLostError(SlideError, TileError):
    """Nothing more of a slide that is open can be read; `str()` is one sentence."""

    def __init__(self, path: Path, sentence: str) -> None:
        Exception.__init__(self, sentence)
        self.path = path
        self.level, self.column, self.row = -1, -1, -1
        self.reason = sentence


class SlideChangedError(SlideLostError):
    """The file is no longer the one that was opened, so nothing more of it is shown."""

    def __init__(self, path: Path) -> None:
        from viewer.slides.remote.address import is_address

        place = "its server" if is_address(path) else "the disk"
        super().__init__(
            path,
            f"{path.name} was changed on {place} while it was open: open it again to see it as it "
            "is now.",
        )


def part_unreadable(error: TileError) -> str:
    """Return the sentence on a part of a slide that cannot be read, where a tile tells nothing."""
    if isinstance(error, (SlideLostError, SlideAwayError)):
        return str(error)
    return f"A part of the slide cannot be read: {error.reason}."


class SlideAwayError(TileError):
    """A tile that cannot be had now, since the slide's server is silent; it is worth to ask again.

    `str()` is one sentence on the server.
    """

    def __init__(self, level: int, column: int, row: int, sentence: str) -> None:
        super().__init__(level, column, row, sentence)
        self.args = (sentence,)


def too_large_tiles(path: Path, width_px: int, height_px: int) -> str:
    """Return the sentence on a slide that is stored in tiles too large to be read one by one."""
    return (
        f"{path.name} is stored in tiles of {width_px:,} x {height_px:,} pixels, too large to be "
        "read one by one; convert it once to a pyramidal TIFF, for example with "
        "`vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`."
    )


def slide_error(kind: str, path: Path, sentence: str) -> SlideError:
    """Return an error of the class of that name, as it was raised in another process."""
    if kind == SlideChangedError.__name__:
        return SlideChangedError(path)
    return _BY_NAME.get(kind, SlideError)(path, sentence)


_BY_NAME = {
    each.__name__: each
    for each in (
        DamagedSlideError,
        IncompleteSlideError,
        NoSuchImageError,
        SlideAccessError,
        SlideIsFolderError,
        SlideNotFoundError,
        UnsupportedSlideError,
    )
}
