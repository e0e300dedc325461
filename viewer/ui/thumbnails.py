"""Small pictures of slides, made in worker threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.errors import SlideError, TileError
from viewer.slides.opener import open_slide
from viewer.ui.images import fitted, to_image

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QSize
    from PySide6.QtGui import QImage

    from viewer.slides.source import RgbImage, SlideSource

SLIDE_SUFFIXES = frozenset(
    [
        ".svs",
        ".svslide",
        ".ndpi",
        ".mrxs",
        ".scn",
        ".bif",
        ".vms",
        ".vmu",
        ".tif",
        ".tiff",
        ".qptiff",
        ".czi",
        ".zvi",
        ".dcm",
        ".png",
        ".jpg",
        ".jpeg",
        ".jp2",
    ]
)
_MOST_TILES = 64
"""A coarsest level of more tiles than this is not read for a thumbnail."""


def slides_in(folder: Path) -> list[Path]:
    """The files of a folder that look like slides by their names, in the order of the names.

    Raises
    ------
    OSError
        The folder cannot be listed.
    """
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SLIDE_SUFFIXES and not path.name.startswith(".")
    ]
    return sorted((path for path in files if path.is_file()), key=_natural_order)


def thumbnail(path: Path, size: QSize) -> QImage:
    """A picture of the whole slide that fits `size`.

    Raises
    ------
    SlideError
        The slide does not open.
    TileError
        It opens, and its coarsest level cannot be read.
    """
    source = open_slide(path)
    try:
        return fitted(to_image(_overview(source)), size)
    finally:
        source.close()


def _overview(source: SlideSource) -> RgbImage:
    """The thumbnail that the file holds, else the coarsest level put together."""
    if "thumbnail" in source.info.associated:
        try:
            return source.read_associated("thumbnail")
        except SlideError:
            pass
    index = len(source.levels) - 1
    level = source.levels[index]
    if level.columns * level.rows > _MOST_TILES:
        raise TileError(index, 0, 0, "the slide has no small level to make a thumbnail from")
    picture = np.full((level.height_px, level.width_px, 3), 255, np.uint8)
    for row in range(level.rows):
        for column in range(level.columns):
            tile = source.read_tile(index, column, row)
            y, x = row * level.tile_height_px, column * level.tile_width_px
            picture[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return picture


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """So that slide 2 comes before slide 10."""
    words: list[tuple[int, str]] = []
    word = ""
    for letter in path.name.casefold():
        if word and letter.isdigit() != word[-1].isdigit():
            words.append(_word_order(word))
            word = ""
        word += letter
    words.append(_word_order(word))
    return words


def _word_order(word: str) -> tuple[int, str]:
    return (int(word), "") if word.isdecimal() else (1 << 62, word)
