"""Transparency masks: directories of one bit a pixel that say where another one's image ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from tifffile import TIFF

from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import ChunkWindows
from viewer.slides.readers.tiff.chunks import PageChunks
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.readers.tiff.layout import TiffImage

_MASK = 4
"""Bit of the tag NewSubfileType."""

_KEPT_BYTES = 16 << 20
_MOST_CHUNK_PX = 1 << 27
_NOT_APPLIED = "Its transparency mask cannot be read and is not applied."


def is_mask(page: TiffPage) -> bool:
    """Return whether a directory is a transparency mask and no image of its own."""
    return bool(page.subfiletype & _MASK)


class TransparencyMask:
    """Tells where the image of the same size is clear."""

    def __init__(self, page: TiffPage, files: TiffFiles) -> None:
        self._page = PageChunks(page, files.of(page))
        kept = KeptChunks(_KEPT_BYTES)
        self._windows = ChunkWindows(self._page, 0, kept, UPRIGHT, self._chunk)

    def is_clear(self, left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
        """Return where a window of the stored image is transparent, (height, width).

        Raises
        ------
        ChunkError
            The mask cannot be read there.
        """
        return self._windows.read(left, top, width, height)[..., 0] == 0

    def _chunk(self, column: int, row: int) -> NDArray[Any]:
        stored = self._page.read(column, row)
        if stored is not None:
            return stored
        wide, tall = self._page.chunk_width_px, self._page.chunk_height_px
        width = min(wide, self._page.width_px - column * wide)
        height = min(tall, self._page.height_px - row * tall)
        return np.zeros((height, width, 1), np.uint8)


def with_masks(image: TiffImage, masks: Sequence[TiffPage]) -> TiffImage:
    """Return an image whose levels know the masks of their size, the first of each size.

    One that cannot be read is not applied, and that is said.
    """
    by_size = {(mask.imagewidth, mask.imagelength): mask for mask in reversed(masks)}
    found = [by_size.get(level.size_px) for level in image.levels]
    usable = [mask if mask is not None and _is_usable(mask) else None for mask in found]
    levels = tuple(
        replace(level, mask=mask) for level, mask in zip(image.levels, usable, strict=True)
    )
    hidden = image.hidden if found == usable else (*image.hidden, _NOT_APPLIED)
    return replace(image, levels=levels, hidden=hidden)


def _is_usable(mask: TiffPage) -> bool:
    width, height = mask.imagewidth, min(mask.rowsperstrip or mask.imagelength, mask.imagelength)
    if mask.is_tiled:
        width, height = mask.tilewidth, mask.tilelength
    has_data = len(mask.dataoffsets) > 0 and len(mask.databytecounts) > 0
    return has_data and mask.compression in TIFF.DECOMPRESSORS and width * height <= _MOST_CHUNK_PX
