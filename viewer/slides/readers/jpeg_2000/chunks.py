"""JPEG 2000 pictures too large for memory, in squares that are decoded each for itself."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.limits import TILE_BYTES
from viewer.progress import tell_progress
from viewer.slides.readers.chunk_windows import KEPT_BYTES
from viewer.slides.readers.image.chunks import deep_colors
from viewer.slides.readers.jpeg_2000.area_code import area_code
from viewer.slides.readers.jpeg_2000.areas import AreaDecoder
from viewer.slides.readers.jpeg_2000.code import CodePlace
from viewer.slides.readers.sample_colors import FULL_SCALE_BITS
from viewer.slides.readers.shared_file import shared_file
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.overview import factor_of, halvings
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_2000.area_code import AreaCode
    from viewer.slides.source import RgbImage

_CHUNK_PX, _OVERVIEW_CHUNK_PX = 1024, 512
_OVERSHOOT = 1.3
_MOST_LOOKED_AT = 4
"""Squares, the brightest of all, that tell whether a value of a reduced size is none of theirs."""


def area_chunks(path: Path) -> AreaChunks | None:
    """Return a JPEG 2000 by areas; None where it is of a kind that is not read so.

    Those are the kinds of `area_code`, and a tile whose code memory has no room for beside the
    squares that are kept.

    Raises
    ------
    OSError
        It cannot be read.
    ChunkError
        It is damaged, or divided too finely.
    """
    file = shared_file(path)
    code = area_code(CodePlace(file, 0, file.size_bytes))
    if code is None or code.tile_bytes + KEPT_BYTES > TILE_BYTES.most:
        return None
    return AreaChunks(code)


class AreaChunks:
    """A picture in squares; fulfils `RgbChunks`.

    Attributes
    ----------
    range
        What is shown as black and white, where that is not all that the bits allow.
    is_range_of_reduced
        Whether a smaller size was looked through for it, which has less of both.
    """

    way = "by areas"
    is_large = True
    parts_per_chunk = 1

    def __init__(self, code: AreaCode) -> None:
        self._code = code
        self.width_px, self.height_px = code.sides()
        self.chunk_width_px = self.chunk_height_px = _CHUNK_PX
        self.columns, self.rows = -(-self.width_px // _CHUNK_PX), -(-self.height_px // _CHUNK_PX)
        self.orientation = UPRIGHT
        AreaDecoder(code.place)  # which says whether its header is damaged
        self._reduction = halvings(factor_of(self))
        self._has_reduced = code.is_reduced(self._reduction)
        self._deep = self.reduced() if code.is_stretched and self._has_reduced else None
        self._colors = deep_colors(self._seen(), code.dtype, code.samples, code.bits, code.channels)
        self.range = self._colors.range
        is_all = self.range == code.all_values
        self.is_range_of_reduced = self._deep is not None and not is_all

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square, uint8 (height, width, 3), opacity over white. Raises ChunkError."""
        return self.rgb(self._square(column, row))

    def _seen(self) -> Iterator[NDArray[Any]]:
        """Yield what is looked through for the darkest and the brightest value."""
        if self._deep is not None:
            yield self._without_overshoot(self._deep)
        elif self._code.is_stretched:
            for row, column in itertools.product(range(self.rows), range(self.columns)):
                tell_progress(row / self.rows)
                yield self._square(column, row)

    def _without_overshoot(self, reduced: NDArray[Any]) -> NDArray[Any]:
        """Return a reduced size without values that the picture does not hold.

        Wavelets reach beyond the values at an edge, by up to a quarter of the step. Where that
        needs more bits, all of the picture would be shown darker.
        """
        most = int(reduced.max(initial=0))
        fewer = next((n for n in FULL_SCALE_BITS if most >> n == 1), 0)
        if reduced.dtype.kind != "u" or not fewer or most > _OVERSHOOT * (1 << fewer):
            return reduced
        if _has_patch(reduced >> fewer > 0):
            return reduced
        side = max(1, _CHUNK_PX >> self._reduction)
        most_of = {
            (column, row): reduced[row * side :, column * side :][:side, :side].max(initial=0)
            for row, column in itertools.product(range(self.rows), range(self.columns))
        }
        beyond = sorted(
            (each for each in most_of if most_of[each] >> fewer), key=most_of.__getitem__
        )
        for column, row in beyond[-_MOST_LOOKED_AT:]:
            with suppress(ChunkError):  # a damaged square is hatched where it is shown
                if self._square(column, row).max() >> fewer:
                    return reduced
        return np.minimum(reduced, reduced.dtype.type((1 << fewer) - 1))

    def _square(self, column: int, row: int) -> NDArray[Any]:
        left, top = column * _CHUNK_PX, row * _CHUNK_PX
        width, height = min(_CHUNK_PX, self.width_px - left), min(_CHUNK_PX, self.height_px - top)
        return self._code.read(left, top, width, height)

    def rgb(self, samples: NDArray[Any]) -> RgbImage:
        """Return samples as they are shown."""
        return self._colors.rgb(samples)

    def reduced(self) -> NDArray[Any]:
        """Return all of it in the size of the overview. Raises ChunkError."""
        return self._code.reduced(self._reduction)

    def overview(self) -> _Reduced | None:
        """Return a reduced level, made when it is first read; None where wavelets reduce nothing.

        Then levels are made of squares, and a picture of a few of them is there meanwhile: all of
        them together take minutes.
        """
        if not self._has_reduced:
            return None
        return _Reduced(self, self._code.sides(self._reduction), self._deep)


def _has_patch(marked: NDArray[np.bool_]) -> bool:
    """Return whether 3 x 3 pixels of a sample are marked, (height, width, samples)."""
    across = marked[:, 2:] & marked[:, 1:-1] & marked[:, :-2]
    return bool((across[2:] & across[1:-1] & across[:-2]).any())


class _Reduced:
    """The picture as its wavelets reduce it, decoded at once; fulfils `RgbChunks`."""

    parts_per_chunk = 1

    def __init__(
        self, picture: AreaChunks, size_px: tuple[int, int], samples: NDArray[Any] | None
    ) -> None:
        self._picture = picture
        self._samples = samples
        self._why = ""
        self._lock = threading.Lock()
        self.width_px, self.height_px = size_px
        self.chunk_width_px = self.chunk_height_px = _OVERVIEW_CHUNK_PX

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square, uint8 (height, width, 3). Raises ChunkError."""
        with self._lock:
            if self._why:
                raise ChunkError(self._why)
            if self._samples is None:
                try:
                    self._samples = self._picture.reduced()
                except ChunkError as error:
                    self._why = str(error)
                    raise
        left, top, side = column * _OVERVIEW_CHUNK_PX, row * _OVERVIEW_CHUNK_PX, _OVERVIEW_CHUNK_PX
        return self._picture.rgb(self._samples[top : top + side, left : left + side])
