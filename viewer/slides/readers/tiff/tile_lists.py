"""The lists of where a page's tiles lie, as packed numbers.

tifffile makes a Python number of each entry, which for an image of millions of tiles takes longer
than all the rest of opening it, and a hundred megabytes.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFileError, TiffTag

from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

_LISTS = frozenset((273, 279, 324, 325))
"""Offsets and byte counts, of strips and of tiles."""
_TYPECODES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""SHORT, LONG, IFD, LONG8 and IFD8."""
_MOST = np.iinfo(np.int64).max
_MANY = 1024
"""Shorter lists are left to tifffile."""

_read_value = TiffTag._read_value  # pyright: ignore[reportPrivateUsage]


def as_int64(values: Sequence[int]) -> NDArray[np.int64]:
    """Return the values as an array. Raises ChunkError where one lies beyond all files."""
    if not isinstance(values, array):
        return np.asarray(values, np.int64)
    numbers = np.frombuffer(values, f"u{values.itemsize}")
    if len(numbers) and numbers.max() > _MOST:
        raise ChunkError("the list of its tiles is damaged")
    return numbers.view(np.int64) if numbers.itemsize == 8 else numbers.astype(np.int64)


def cut_note(pages: Iterable[TiffPage]) -> str:
    """Return a sentence where tiles or strips of pages lie beyond the end of their file, or ""."""
    lost = count = 0
    for page in pages:
        offsets, sizes = as_int64(page.dataoffsets), as_int64(page.databytecounts)
        known = min(len(offsets), len(sizes))
        offsets, sizes = offsets[:known], sizes[:known]
        is_stored = (offsets > 0) & (sizes > 0)
        count += np.count_nonzero(is_stored)
        lost += np.count_nonzero(is_stored & (offsets > page.parent.filehandle.size - sizes))
    if not lost:
        return ""
    return f"The file is cut short: {lost:,} of its {count:,} tiles or strips end beyond it."


def _read_packed(
    parent: Any, offset: int, code: int, dtype: int, count: int, valueoffset: int, /
) -> Any:
    """Read the value of a tag; of a long list an array, which acts like tifffile's tuple."""
    typecode = _TYPECODES.get(dtype)
    if code not in _LISTS or typecode is None or count <= _MANY:
        return _read_value(parent, offset, code, dtype, count, valueoffset)
    file = parent.filehandle
    if valueoffset + count * array(typecode).itemsize > file.size:
        return _read_value(parent, offset, code, dtype, count, valueoffset)  # which refuses it
    numbers = array(typecode, (0,)) * count
    file.seek(valueoffset)
    if file.readinto(numbers) != count * numbers.itemsize:
        raise TiffFileError("the file ends before the list of its tiles does")
    if (parent.tiff.byteorder == "<") != (sys.byteorder == "little"):
        numbers.byteswap()
    return numbers


# An array of numpy would not do: tifffile asks whether a list is true. There is no other place
# to say how a tag is read without losing those whose value lies within the directory.
TiffTag._read_value = staticmethod(_read_packed)  # pyright: ignore[reportPrivateUsage]
