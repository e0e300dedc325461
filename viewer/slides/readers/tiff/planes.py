"""Stored values of any channel, focal plane and time point of a TIFF."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache

from viewer.slides.readers.chunk_windows import ChunkWindows
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.level import LevelChunks
from viewer.slides.readers.tiff.page_tags import sample_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.kept_chunks import KeptChunks
    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.readers.tiff.layout import TiffImage
    from viewer.slides.tile_windows import Window

_KEPT_BYTES = 48 << 20
"""Of lists of where the tiles of a page lie."""
_BYTES_PER_TILE, _BYTES_PER_PAGE = 120, 1 << 14
"""What such a list takes, with what tifffile keeps of it."""


class Planes:
    """Reads values of the pages of a stack at every level.

    Parameters
    ----------
    samples
        How many channels one page holds.
    orientation
        How pages are to be turned, 1 to 8.
    kept
        Of decoded tiles and strips; shared with the pictures of the same slide.
    """

    def __init__(
        self,
        image: TiffImage,
        samples: int,
        orientation: int,
        files: TiffFiles,
        kept: KeptChunks,
    ) -> None:
        self._levels = image.levels
        self._first_place = image.first_place
        self._samples = samples
        self._orientation = orientation
        self._files = files
        self._kept = kept
        self._pages: LRUCache[tuple[int, int, int, int], LevelChunks] = LRUCache(
            _KEPT_BYTES,
            lambda page: page.columns * page.rows * _BYTES_PER_TILE + _BYTES_PER_PAGE,
        )
        self._lock = threading.Lock()

    def read(
        self, level: int, channels: Sequence[int], z: int, t: int, window: Window
    ) -> NDArray[Any]:
        """Return values (channels, height, width) of an upright window.

        Raises
        ------
        ChunkError
            A part of it cannot be read, or the file has no such plane.
        """
        parts: dict[int, NDArray[Any]] = {}
        found: list[NDArray[Any]] = []
        for channel in channels:
            page, sample = divmod(channel, self._samples)
            if page not in parts:
                parts[page] = self._page_window(level, (page, z, t), window)
            found.append(parts[page][..., sample])
        return np.stack(found)

    def chunks(self, level: int, channel: int, z: int, t: int) -> LevelChunks:
        """Return the tiles of the page that holds a channel. Raises ChunkError."""
        return self._page(level, channel // self._samples, z, t)

    def _page_window(self, level: int, place: tuple[int, int, int], window: Window) -> NDArray[Any]:
        chunks = self._page(level, *place)
        windows = ChunkWindows(
            chunks, (level, *place), self._kept, self._orientation, chunks.read_values
        )
        return windows.read(*window)

    def _page(self, level: int, c: int, z: int, t: int) -> LevelChunks:
        key = (level, c, z, t)
        with self._lock:
            known = self._pages.get(key)
            if known is None:
                first = self._levels[level].page
                # The first is at hand, others are read from a file that is open for them alone.
                is_first = (c, z, t) == self._first_place
                page = first if is_first else self._levels[level].page_at(c, z, t)
                if page is None:
                    raise ChunkError("the file does not hold this plane")
                if not is_alike(first, page):
                    raise ChunkError("its plane is of another size or type than the first")
                known = LevelChunks((page,), self._files)
                with contextlib.suppress(ValueError):  # one page of many million tiles
                    self._pages[key] = known
            return known


def is_alike(page: TiffPage, other: TiffPage) -> bool:
    """Return whether two pages have the same size and samples of the same kind."""
    sizes = ((each.imagewidth, each.imagelength, *sample_kind(each)) for each in (page, other))
    return next(sizes) == next(sizes)
