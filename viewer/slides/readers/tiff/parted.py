"""Large tiles and strips as many small ones: what is decoded as a whole is handed out in rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.readers.large_chunks import LARGE_BYTES, large_chunks, part_rows
from viewer.slides.readers.tiff.chunks import PageChunks
from viewer.slides.readers.tiff.jpeg_2000_tiles import area_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.readers.jpeg_tiles import TilePlaces
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.jpeg_2000_tiles import AreaTiles


def page_chunks(page: TiffPage, file: AnyFile) -> PageChunks | PartedChunks | AreaTiles:
    """Return the chunks of a page, in parts or squares where they are large. Raises ChunkError."""
    whole = PageChunks(page, file)
    areas = area_tiles(whole)
    if areas is not None:
        return areas
    return PartedChunks(whole) if whole.plane_bytes > LARGE_BYTES else whole


class PartedChunks:
    """Parts of the chunks of a page; as `PageChunks`, for any thread.

    A chunk is held as it is stored, each plane of samples by itself: what is made of its samples
    is made of a part.
    """

    direct_tiles = stored = None

    def __init__(self, whole: PageChunks) -> None:
        self._whole = whole
        self.width_px, self.height_px = whole.width_px, whole.height_px
        self.chunk_width_px = whole.chunk_width_px
        row_bytes = -(-whole.chunk_bytes // whole.chunk_height_px)
        self.chunk_height_px = part_rows(whole.chunk_height_px, row_bytes, is_exact=whole.has_gaps)
        self.columns, self.rows = whole.columns, -(-self.height_px // self.chunk_height_px)
        self.parts_per_chunk = -(-whole.chunk_height_px // self.chunk_height_px)
        self.chunk_bytes, self.decoding_bytes = whole.chunk_bytes, whole.decoding_bytes
        self.part_bytes = row_bytes * self.chunk_height_px

    @property
    def places(self) -> list[TilePlaces]:
        """Return where the whole tiles or strips lie."""
        return self._whole.places

    def ranges(self, chunks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the ranges of the file that hold parts, column and row of each."""
        rows = self.chunk_height_px, self._whole.chunk_height_px
        stored = {(column, row * rows[0] // rows[1]): None for column, row in chunks}
        return self._whole.ranges(stored)

    def read(self, column: int, row: int) -> NDArray[Any] | None:
        """Return a part, (height, width, samples); None where nothing is stored.

        Raises
        ------
        ChunkError
            It cannot be read or decoded.
        """
        top = row * self.chunk_height_px
        end = min(top + self.chunk_height_px, self.height_px)
        pieces: list[NDArray[Any] | None] = []
        while top < end:
            stored_row, first = divmod(top, self._whole.chunk_height_px)
            rows = min(end - top, self._whole.chunk_height_px - first)
            planes = [
                self._piece(plane, column, stored_row, first, rows)
                for plane in range(self._whole.planes)
            ]
            pieces.append(self._whole.joined(planes))
            top += rows
        if len(pieces) == 1:
            return pieces[0]
        # Of chunks that are not stored no part lies in another, too.
        stored = [piece for piece in pieces if piece is not None]
        return np.concatenate(stored) if len(stored) == len(pieces) else None

    def _piece(
        self, plane: int, column: int, stored_row: int, first: int, rows: int
    ) -> NDArray[Any] | None:
        whole = self._whole
        decode = partial(whole.read_plane, plane, column, stored_row)
        key = (whole, plane, column, stored_row)
        with large_chunks().chunk(key, whole.plane_bytes, decode) as image:
            return None if image is None else image[first : first + rows].copy()
