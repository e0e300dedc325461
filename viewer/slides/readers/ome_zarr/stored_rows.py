"""Parts of large Zarr chunks that are stored as they are, read without the rest of the chunk."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.errors import reason_of
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.ngff.arrays import ArrayInfo, ReadKey


class StoredRows:
    """An array whose chunks hold nothing but values, in C order.

    Parameters
    ----------
    dtype
        Of the values, with the byte order in which they are stored.
    """

    def __init__(self, read: ReadKey, info: ArrayInfo, dtype: np.dtype[Any]) -> None:
        self._read, self._info, self._dtype = read, info, dtype

    def read(self, selection: tuple[slice | int, ...]) -> NDArray[Any]:
        """Return values; of a missing chunk the fill value.

        Raises
        ------
        ChunkError
            A chunk cannot be read, or holds fewer values than it should.
        """
        box = [(at, at + 1) if isinstance(at, int) else (at.start, at.stop) for at in selection]
        values = np.full([last - first for first, last in box], self._info.fill_value, self._dtype)
        sides = self._info.chunks
        counted = [
            range(first // side, -(-last // side))
            for (first, last), side in zip(box, sides, strict=True)
        ]
        for chunk in itertools.product(*counted):
            corner = [at * side for at, side in zip(chunk, sides, strict=True)]
            cut = [
                (max(first, at), min(last, at + side))
                for (first, last), at, side in zip(box, corner, sides, strict=True)
            ]
            inside = [(a - at, b - at) for (a, b), at in zip(cut, corner, strict=True)]
            part = self._part(self._info.chunk_key(chunk), inside)
            if part is not None:
                there = (slice(a - at, b - at) for (a, b), (at, _) in zip(cut, box, strict=True))
                values[tuple(there)] = part
        return values[tuple(0 if isinstance(at, int) else slice(None) for at in selection)]

    def _part(self, key: str, box: list[tuple[int, int]]) -> NDArray[Any] | None:
        """Return a part of a chunk, in as few reads as its order allows; None of a missing one."""
        sides = self._info.chunks
        # Behind this axis the part is as wide as the chunk: what lies along it is in one piece.
        along = len(sides) - 1
        while along and box[along] == (0, sides[along]):
            along -= 1
        steps = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
        count = (box[along][1] - box[along][0]) * steps[along]
        pieces = list[bytes]()
        for place in itertools.product(*(range(*ends) for ends in box[:along])):
            corner = (*place, box[along][0])
            first = sum(at * step for at, step in zip(corner, steps, strict=False))
            piece = self._bytes(key, first, count)
            if piece is None:
                return None
            pieces.append(piece)
        shape = [last - first for first, last in box]
        return np.frombuffer(b"".join(pieces), self._dtype).reshape(shape)

    def _bytes(self, key: str, first: int, count: int) -> bytes | None:
        start, end = (at * self._dtype.itemsize for at in (first, first + count))
        try:
            data = self._read(key, start, end)
        except OSError as error:
            raise ChunkError(f"the file cannot be read ({reason_of(error)})") from error
        if data is not None and len(data) < end - start:
            raise ChunkError("its data is damaged (the chunk ends early)")
        return data
