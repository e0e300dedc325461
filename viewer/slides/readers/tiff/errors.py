"""What can go wrong with one tile or strip, and the reading that notices a file cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile


class ChunkError(CoverslipError):
    """One tile or strip that cannot be read; `str()` says why."""


class DamagedStreamError(ChunkError):
    """Data that cannot be decompressed from some place on; nothing behind it can be, either."""


def read_exactly(file: AnyFile, offset: int, size: int) -> bytes:
    """Return `size` bytes at `offset`.

    Raises
    ------
    ChunkError
        The file cannot be read, or ends before.
    """
    try:
        data = file.read(offset, size)
    except OSError as error:
        raise ChunkError(f"the file cannot be read ({error})") from error
    if len(data) != size:
        raise ChunkError("the file ends before the tile does")
    return data
