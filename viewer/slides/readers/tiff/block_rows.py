"""Rows of large strips whose compressed data can be decoded block by block, from known places."""

from __future__ import annotations

import bisect
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid

_INDEX_BYTES = 4 << 20
"""Of pixels between places to which reading can go back."""


class Place(NamedTuple):
    """Where a block begins.

    Attributes
    ----------
    pixels_at
        The first byte of its pixels.
    bit
        Where it stands in the compressed data.
    """

    pixels_at: int
    bit: int


class Block(NamedTuple):
    """A block that is decoded, with the place of the one behind it; None at the end."""

    strip: int
    place: Place
    pixels: bytes
    following: Place | None


class BlockRows(ABC):
    """Gives rows of strips; for any thread, one at a time."""

    def __init__(self, grid: StripGrid, file: AnyFile) -> None:
        self._grid = grid
        self._file = file
        self._lock = threading.Lock()
        self._places: dict[int, list[Place]] = {}
        self._last: Block | None = None

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        """Return rows counted from the strip's top.

        Raises
        ------
        ChunkError
            They cannot be read or decoded.
        """
        row_bytes = self._grid.row_bytes
        start, end = first_row * row_bytes, (first_row + rows) * row_bytes
        pieces: list[bytes] = []
        with self._lock:
            block = self._nearest(strip, start)
            while True:
                at = block.place.pixels_at
                pieces.append(block.pixels[max(start - at, 0) : max(end - at, 0)])
                if at + len(block.pixels) >= end:
                    self._last = block
                    return b"".join(pieces)
                if block.following is None:
                    raise ChunkError("its compressed data ends too soon")
                block = self._known(strip, block.following)

    def _nearest(self, strip: int, pixels_at: int) -> Block:
        """Return the last known block that begins at or before a byte of pixels."""
        places = self._places.setdefault(strip, [Place(0, 0)])
        place = places[bisect.bisect_right(places, pixels_at, key=lambda each: each.pixels_at) - 1]
        last = self._last
        is_near = (
            last is not None
            and last.strip == strip
            and place.pixels_at <= last.place.pixels_at <= pixels_at
        )
        return last if last is not None and is_near else self._known(strip, place)

    def _known(self, strip: int, place: Place) -> Block:
        """Decode a block, and remember the place behind it."""
        pixels, bit = self._decoded(strip, place.bit)
        if bit is None:
            return Block(strip, place, pixels, None)
        if not pixels:
            raise ChunkError("its data is damaged (codes without pixels)")
        following = Place(place.pixels_at + len(pixels), bit)
        places = self._places[strip]
        if following.pixels_at >= places[-1].pixels_at + _INDEX_BYTES:
            places.append(following)
        return Block(strip, place, pixels, following)

    @abstractmethod
    def _decoded(self, strip: int, bit: int) -> tuple[bytes, int | None]:
        """Return the pixels of a block and where the next begins, None where it is the last.

        Raises
        ------
        ChunkError
            It cannot be read or decoded.
        """
