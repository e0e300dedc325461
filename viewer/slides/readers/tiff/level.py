"""One level of a TIFF: chunks of one page, or of several that hold a color each, as RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.readers.sample_colors import ColorModel
from viewer.slides.readers.tiff.chunks import all_colors
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.jpeg_2000_tiles import AreaTiles
from viewer.slides.readers.tiff.masks import TransparencyMask
from viewer.slides.readers.tiff.parted import page_chunks
from viewer.slides.readers.turning import UPRIGHT, is_orientation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.readers.jpeg_tiles import DirectTiles, TilePlaces
    from viewer.slides.readers.sample_colors import SampleColors
    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_CLEAR_GLASS = 255
_ORIENTATION = 274
_SEEN_PX = 1 << 25
"""Of large tiles by areas, what is looked through for the darkest and the brightest value."""
_FEW_SQUARES = 4


class LevelChunks:
    """Chunks of a level, as stored or as RGB; fulfils `RgbChunks`.

    Attributes
    ----------
    orientation
        How the page is to be turned, 1 to 8.
    chunk_bytes, part_bytes
        Of what is decoded at once, and of the part of it that is read at once.
    decoding_bytes
        What the decoder takes for that.
    colors
        How samples become RGB; set before `read_rgb`.
    """

    def __init__(
        self, pages: Sequence[TiffPage], files: TiffFiles, mask: TiffPage | None = None
    ) -> None:
        self._files = files
        self._mask = TransparencyMask(mask, files) if mask is not None else None
        self._pages = tuple(page_chunks(page, files.of(page)) for page in pages)
        self._is_beside = any(files.of(page) is not files.main for page in pages)
        first = self._pages[0]
        self.width_px, self.height_px = first.width_px, first.height_px
        self.chunk_width_px, self.chunk_height_px = first.chunk_width_px, first.chunk_height_px
        self.columns, self.rows = first.columns, first.rows
        self.parts_per_chunk = max(page.parts_per_chunk for page in self._pages)
        self.chunk_bytes = sum(page.chunk_bytes for page in self._pages)
        self.part_bytes = sum(page.part_bytes for page in self._pages)
        self.decoding_bytes = max(self.chunk_bytes, *(page.decoding_bytes for page in self._pages))
        self.colors: SampleColors | None = None
        self._samples = sum(page.samplesperpixel for page in pages)
        self._dtype = pages[0].dtype or np.dtype(np.uint8)
        stored = pages[0].tags.valueof(_ORIENTATION)
        self.orientation: int = stored if is_orientation(stored) else UPRIGHT

    @property
    def direct_tiles(self) -> DirectTiles | None:
        """Return where the tiles lie, if they are JPEG whose pixels are shown as decoded."""
        colors = self.colors
        if colors is None or colors.model is not ColorModel.RGB or len(self._pages) != 1:
            return None
        if self._mask is not None or self._is_beside:
            return None
        is_as_decoded = colors.range is None and colors.alpha is None and not colors.is_inverted
        return self._pages[0].direct_tiles if is_as_decoded else None

    @property
    def places(self) -> list[TilePlaces]:
        """Return where the tiles or strips lie, as they are stored; [] where they are turned."""
        is_upright = self.orientation == UPRIGHT and not self._is_beside
        return [grid for page in self._pages for grid in page.places] if is_upright else []

    @property
    def stored(self) -> NDArray[np.bool_] | None:
        """Return which chunks the file stores, (rows, columns); None if unknown."""
        return self._pages[0].stored

    def ranges(self, chunks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the ranges of the file that hold chunks, column and row of each."""
        wanted = list(chunks)
        return [each for page in self._pages for each in page.ranges(wanted)]

    def read(self, column: int, row: int) -> NDArray[Any] | None:
        """Return a chunk's samples of all pages, (height, width, samples); None for a gap.

        Raises
        ------
        ChunkError
            A part cannot be read.
        """
        if len(self._pages) == 1:
            return self._pages[0].read(column, row)
        parts = [page.read(column, row) for page in self._pages]
        return None if all(part is None for part in parts) else all_colors(parts)

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a chunk as it is shown, uint8 (height, width, 3).

        A gap is clear glass, and so is what the mask leaves out.

        Raises
        ------
        ChunkError
            It cannot be read.
        """
        samples = self.read(column, row)
        if samples is None:
            width = min(self.chunk_width_px, self.width_px - column * self.chunk_width_px)
            height = min(self.chunk_height_px, self.height_px - row * self.chunk_height_px)
            return np.full((height, width, 3), _CLEAR_GLASS, np.uint8)
        assert self.colors is not None
        image = self.colors.rgb(samples)
        if self._mask is not None:
            left, top = column * self.chunk_width_px, row * self.chunk_height_px
            is_clear = self._mask.is_clear(left, top, image.shape[1], image.shape[0])
            if is_clear.any():
                image = np.where(is_clear[..., np.newaxis], np.uint8(_CLEAR_GLASS), image)
        return image

    def can_be_reduced(self, times: int) -> bool:
        """Return whether `reduced` gives all tiles with both sides halved so many times.

        The means of a palette's entries are none of its colors, and a mask has a size of its own.
        """
        page, colors = self._pages[0], self.colors
        if len(self._pages) > 1 or self._mask is not None or not isinstance(page, AreaTiles):
            return False
        if colors is None or colors.model is ColorModel.PALETTE:
            return False
        return page.can_be_reduced(times)

    def reduced(self, times: int) -> Iterator[tuple[Window, RgbImage | ChunkError]]:
        """Yield where each tile lies on the reduced page, and how it is shown there.

        It is uint8 (height, width, 3), or why it cannot be read.
        """
        (page,), colors = self._pages, self.colors
        assert isinstance(page, AreaTiles)
        assert colors is not None
        for window, found in page.reduced(times):
            if found is None:
                yield window, np.full((window[3], window[2], 3), _CLEAR_GLASS, np.uint8)
            else:
                yield window, found if isinstance(found, ChunkError) else colors.rgb(found)

    def read_values(self, column: int, row: int) -> NDArray[Any]:
        """Return a chunk's stored values, (height, width, samples); a gap is 0.

        Raises
        ------
        ChunkError
            It cannot be read.
        """
        values = self.read(column, row)
        if values is None:
            width = min(self.chunk_width_px, self.width_px - column * self.chunk_width_px)
            height = min(self.chunk_height_px, self.height_px - row * self.chunk_height_px)
            return np.zeros((height, width, self._samples), self._dtype)
        return values.view(np.uint8) if values.dtype.kind == "b" else values

    def _halvings_to_see(self) -> int:
        """Return how often sides are halved of tiles of which squares take long; 0 of others."""
        page = self._pages[0]
        pixels = self.width_px * self.height_px
        if len(self._pages) > 1 or not isinstance(page, AreaTiles) or pixels <= _SEEN_PX:
            return 0
        fewest = next(times for times in range(3, 32) if pixels >> 2 * times <= _SEEN_PX)
        return fewest if page.can_be_reduced(fewest) else 0

    def expect(self, chunks: Iterable[tuple[int, int]]) -> None:
        """Fetch at once what will be read of a file on a server, column and row of each chunk."""
        self._files.main.expect(self.ranges(chunks))

    def spread(self, most: int) -> Iterator[NDArray[Any]]:
        """Give up to `most` chunks spread over the level; gaps and unreadable ones are left out.

        Of many squares of large tiles that take long, all in a smaller size is given instead, with
        a few of them.
        """
        count = self.columns * self.rows
        page, times = self._pages[0], self._halvings_to_see()
        if times and most > _FEW_SQUARES and isinstance(page, AreaTiles):
            most = _FEW_SQUARES
            for _, tile in page.reduced(times):
                if isinstance(tile, np.ndarray):
                    yield tile
        step = max(1.0, count / most)
        places = [divmod(int(number * step), self.columns) for number in range(min(count, most))]
        # Column by column, as parts of a large tile lie below each other.
        places.sort(key=lambda place: (place[1], place[0]))
        self.expect((column, row) for row, column in places)
        for row, column in places:
            try:
                samples = self.read(column, row)
            except ChunkError:
                continue
            if samples is not None:
                yield samples
