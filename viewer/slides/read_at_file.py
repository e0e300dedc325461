"""Bytes that can be had from any place, as an open file for libraries that want one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer


class ReadAtFile(io.RawIOBase):
    """Open for reading, at its beginning.

    Parameters
    ----------
    read
        Gives bytes from a place on, fewer at the end.
    size_bytes
        Of all that can be read.
    """

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        super().__init__()
        self._read, self._size_bytes = read, size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}
        self._at = max(0, base[whence] + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        data = self._read(self._at, len(target))
        target[: len(data)] = data
        self._at += len(data)
        return len(data)
