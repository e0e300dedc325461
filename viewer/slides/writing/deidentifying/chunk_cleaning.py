"""Tiles and strips of a TIFF without texts, and how many bytes their pixels take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.limits import COPIED_TILE_BYTES
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.jpeg2000_streams import without_comments
from viewer.slides.writing.jpeg_streams import (
    StreamError,
    end_of_header,
    is_only_a_scan,
    without_texts,
)
from viewer.slides.writing.lossless_streams import (
    without_rest_of_deflate,
    without_rest_of_lzw,
    without_rest_of_zstd,
)

if TYPE_CHECKING:
    from tifffile import TiffPage

    from viewer.slides.writing.deidentifying.report import Report

NONE, JPEG = 1, 7
_LZW, _ZSTD, _DEFLATE = 5, 50000, (8, 32946)
_JPEG2000 = (33003, 33004, 33005, 34712)


class ChunkCleaner:
    """Takes texts out of tiles, strips and tables, and tells of it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._known_header = b""

    def cleaned(self, data: bytes, compression: int, pixel_bytes: int) -> bytes:
        """Return the bytes of a tile without texts; the same bytes where it holds none.

        Parameters
        ----------
        pixel_bytes
            What it unpacks to.

        Raises
        ------
        WritingError, LimitError
            It is damaged, too large, or compressed in a way that cannot be looked through.
        """
        if compression == NONE or (
            compression == JPEG and is_only_a_scan(data, self._known_header)
        ):
            return data
        if compression in (_LZW, _ZSTD, *_DEFLATE):
            COPIED_TILE_BYTES.check(pixel_bytes, "")
        try:
            clean = self._without_texts(data, compression, pixel_bytes)
        except StreamError as error:
            raise WritingError(f"One of its tiles is damaged ({error}).") from error
        if clean is not data:
            self._report.remove("texts within tiles")
        return clean

    def cleaned_tables(self, data: bytes) -> bytes:
        """Return the tables that JPEG tiles share without texts. Raises WritingError."""
        try:
            clean = without_texts(data)
        except StreamError as error:
            raise WritingError(f"The tables of its tiles are damaged ({error}).") from error
        if len(clean) != len(data):
            self._report.remove("texts within tables of tiles")
        return clean

    def _without_texts(self, data: bytes, compression: int, pixel_bytes: int) -> bytes:
        if compression == JPEG:
            clean = without_texts(data)
            if clean is data:
                self._known_header = data[: end_of_header(data)]
            return clean if len(clean) != len(data) else data
        if compression in _JPEG2000:
            return without_comments(data)
        if compression in _DEFLATE:
            return without_rest_of_deflate(data, pixel_bytes)
        if compression == _ZSTD:
            return without_rest_of_zstd(data, pixel_bytes)
        if compression == _LZW:
            return without_rest_of_lzw(data, pixel_bytes)
        raise WritingError(
            f"Its tiles are compressed in a way (TIFF compression {int(compression)}) that "
            "may hold texts that cannot be found here; convert it instead."
        )


def pixel_bytes(page: TiffPage, index: int) -> int:
    """Return how many bytes a tile or strip of a page has when it is not compressed."""
    width, height = page.imagewidth, page.imagelength
    if page.is_tiled:
        width, height = page.tilewidth, page.tilelength
    elif rows := page.rowsperstrip:
        strips = max(-(-height // rows), 1)
        height = min(rows, height - index % strips * rows)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    depth = page.tiledepth if page.is_tiled else page.imagedepth
    return -(-width * samples * page.bitspersample // 8) * height * max(depth, 1)
