"""The rows of a WebP of any size, from the top, decoded by libwebp into memory that is given back.

libwebp wants room for the whole picture. Of that room rows take memory only until they are read,
and so does the code behind them, where it is lossless.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import cache
from typing import TYPE_CHECKING, Final

from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.native_codecs import native_library
from viewer.slides.readers.tiff.sequential_rows import RowStream, SequentialRows

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid

_ORDERS = {3: 0, 4: 1}
"""libwebp's numbers of RGB and RGBA, by their bytes."""

_DONE, _SUSPENDED, _NO_MEMORY = 0, 5, 1
_STEP_BYTES, _BEHIND_BYTES = 1 << 16, 16 << 20
"""Of code that is given at once, and of what stays behind that: decoding goes back some rows."""

_MOST_PIXELS_PER_BYTE = 1024
"""Of lossless code; a few bytes of more would be all of the picture, for which there is no room."""

_LOSSLESS = b"VP8L"
_HEAD_BYTES, _FIRST_CHUNK_AT = 1 << 20, 12


def can_stream_webp(file: AnyFile, size: int, pixels: int) -> bool:
    """Return whether a WebP can be decoded by rows here. Raises OSError."""
    if _libwebp() is None:
        return False
    return pixels <= _MOST_PIXELS_PER_BYTE * size or not _is_lossless(file.read(0, _HEAD_BYTES))


class WebpRows(SequentialRows):
    """Gives rows of a WebP of one frame as RGB or RGBA; for any thread, one at a time."""

    def __init__(self, grid: StripGrid, file: AnyFile, samples: int) -> None:
        super().__init__(grid, file)
        self._samples = samples

    def _opened(self, strip: int) -> RowStream:
        library, grid = _libwebp(), self._grid
        assert library is not None
        width = grid.row_bytes // self._samples
        shape = (grid.height_px, width, self._samples)
        return _WebpStream(library, self._file, grid.byte_counts[strip], shape)


class _WebpStream:
    def __init__(
        self, library: ctypes.CDLL, file: AnyFile, size: int, shape: tuple[int, int, int]
    ) -> None:
        height, width, samples = shape
        self._library = library
        self._file = file
        self._is_lossless = _is_lossless(file.read(0, _HEAD_BYTES))
        self._row_bytes = width * samples
        self._code, self._pixels = _Room(size), _Room(height * self._row_bytes)
        self._given = self._row = 0
        # What lossless pixels may repeat lies in a picture of its own; opacity takes two planes.
        beside = 4 if self._is_lossless else 2 if samples == 4 else 0
        self.held_bytes: Final = beside * height * width + (_BEHIND_BYTES if beside == 4 else size)
        self._decoder: int | None = library.WebPINewRGB(
            _ORDERS[samples], self._pixels.start, self._pixels.size, self._row_bytes
        )
        if not self._decoder:
            raise ChunkError("there is not enough memory to decode it")

    def read(self, rows: int) -> bytes:
        """Return the next rows. Raises ChunkError."""
        wanted = self._row + rows
        while self._rows_done() < wanted:
            size = min(_STEP_BYTES, self._code.size - self._given)
            self._code.write(self._given, read_exactly(self._file, self._given, size))
            self._given += size
            status = self._library.WebPIUpdate(self._decoder, self._code.start, self._given)
            if status == _NO_MEMORY:
                raise ChunkError("there is not enough memory to decode it")
            if status not in (_DONE, _SUSPENDED):
                raise ChunkError("its data is damaged")
            if not size and self._rows_done() < wanted:
                raise ChunkError("its compressed data ends too soon")
            if self._is_lossless and self._rows_done():
                self._code.give_back(self._given - _BEHIND_BYTES)
        data = self._pixels.read(self._row * self._row_bytes, rows * self._row_bytes)
        self._row = wanted
        self._pixels.give_back(self._row * self._row_bytes)
        return data

    def _rows_done(self) -> int:
        done = ctypes.c_int(0)
        found = self._library.WebPIDecGetRGB(self._decoder, ctypes.byref(done), None, None, None)
        return done.value if found else 0

    def __del__(self) -> None:
        if getattr(self, "_decoder", None):
            self._library.WebPIDelete(self._decoder)


class _Room:
    """Memory that is taken page by page as it is written to, and given back from its start on."""

    def __init__(self, size: int) -> None:
        self.size = size
        is_private = hasattr(mmap, "MAP_ANONYMOUS")  # which pages are given back of
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if is_private else {}
        self._memory = mmap.mmap(-1, size, **flags)
        self._view = (ctypes.c_char * size).from_buffer(self._memory)
        self.start = ctypes.addressof(self._view)
        self._given_back = 0

    def write(self, at: int, data: bytes) -> None:
        self._memory[at : at + len(data)] = data

    def read(self, at: int, size: int) -> bytes:
        return self._memory[at : at + size]

    def give_back(self, end: int) -> None:
        """Let go of the whole pages before `end`, which are not used again."""
        end = end // mmap.PAGESIZE * mmap.PAGESIZE
        if end > self._given_back and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED, self._given_back, end - self._given_back)
            self._given_back = end


def _is_lossless(head: bytes) -> bool:
    """Return whether the first chunk of pixels in a RIFF file is of lossless code."""
    at = _FIRST_CHUNK_AT
    while at + 8 <= len(head) and head[at : at + 4] not in (_LOSSLESS, b"VP8 ", b"ALPH"):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return head[at : at + 4] == _LOSSLESS


@cache
def _libwebp() -> ctypes.CDLL | None:
    library = native_library("webp")
    if library is None or not hasattr(library, "WebPINewRGB"):
        return None
    library.WebPINewRGB.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    ]  # fmt: skip
    library.WebPINewRGB.restype = ctypes.c_void_p
    library.WebPIUpdate.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    number = ctypes.POINTER(ctypes.c_int)
    library.WebPIDecGetRGB.argtypes = [ctypes.c_void_p, number, number, number, number]
    library.WebPIDecGetRGB.restype = ctypes.c_void_p
    library.WebPIDelete.argtypes = [ctypes.c_void_p]
    return library
