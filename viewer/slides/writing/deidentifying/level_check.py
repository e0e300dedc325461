"""Whether an image that no text calls a level shows what the slide does, or a label maybe."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.errors import SlideLostError, TileError
from viewer.slides.opener import open_slide
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.same_content import shows_the_same
from viewer.slides.tile_windows import paste, touched

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.source import SlideSource


class LevelCheck:
    """Compares images of a slide with its level 0, which it opens when it is first asked."""

    def __init__(self, slide: Path) -> None:
        self._slide = slide
        self._source: SlideSource | None = None
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def shows_the_slide(self, page: TiffPage) -> bool:
        """Return whether a page is read as a level and shows what level 0 does.

        Raises
        ------
        SlideError
            The slide cannot be opened.
        """
        if self._source is None:
            self._source = open_slide(self._slide)
            self._stack.callback(self._source.close)
        size_px = (page.imagewidth, page.imagelength)
        levels = self._source.levels
        found = [
            index
            for index, level in enumerate(levels)
            if (level.width_px, level.height_px) == size_px and level.stored_tiles_per_tile == 1
        ]
        if len(found) != 1 or found[0] == 0:
            return False
        return shows_the_same(_LevelWindow(self._source, 0), _LevelWindow(self._source, found[0]))


class _LevelWindow:
    """Reads gray windows of a level."""

    is_expensive = False

    def __init__(self, source: SlideSource, index: int) -> None:
        self._source = source
        self._index = index

    @property
    def size_px(self) -> tuple[int, int]:
        level = self._source.levels[self._index]
        return level.width_px, level.height_px

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> NDArray[np.float32]:
        """Return the means of red, green and blue. Raises ChunkError for a damaged tile."""
        level = self._source.levels[self._index]
        canvas = np.full((height_px, width_px), np.nan, np.float32)
        for row in touched(y_px, height_px, level.tile_height_px, level.rows):
            for column in touched(x_px, width_px, level.tile_width_px, level.columns):
                try:
                    tile = self._source.read_tile(self._index, column, row)
                except SlideLostError:
                    raise
                except TileError as error:
                    raise ChunkError(str(error)) from error
                gray = tile.astype(np.float32).mean(axis=2)
                left, top = column * level.tile_width_px, row * level.tile_height_px
                paste(canvas, gray, left - x_px, top - y_px)
        return canvas
