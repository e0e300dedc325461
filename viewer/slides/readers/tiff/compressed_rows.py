"""Rows of large strips that zstd or LZMA compressed, decompressed as a stream."""

from __future__ import annotations

import ctypes
import lzma
from functools import cache
from typing import TYPE_CHECKING

from viewer.slides.readers.tiff.errors import ChunkError, DamagedStreamError, read_exactly
from viewer.slides.readers.tiff.native_codecs import native_library
from viewer.slides.readers.tiff.sequential_rows import RowStream, SequentialRows

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid

_INPUT_BYTES = 1 << 17


class _Input:
    """The compressed data of a strip, piece by piece."""

    def __init__(self, grid: StripGrid, file: AnyFile, strip: int) -> None:
        self._file = file
        self._at, self._end = grid.offsets[strip], grid.offsets[strip] + grid.byte_counts[strip]

    def piece(self) -> bytes:
        """Return what comes next; nothing at the end. Raises ChunkError."""
        size = min(_INPUT_BYTES, self._end - self._at)
        data = read_exactly(self._file, self._at, size) if size else b""
        self._at += size
        return data


class LzmaRows(SequentialRows):
    """Gives rows of strips of LZMA; for any thread, one at a time."""

    def _opened(self, strip: int) -> RowStream:
        return _LzmaStream(_Input(self._grid, self._file, strip), self._grid.row_bytes)


class _LzmaStream:
    held_bytes = 64 << 20
    """The dictionary of the strongest preset."""

    def __init__(self, given: _Input, row_bytes: int) -> None:
        self._given = given
        self._row_bytes = row_bytes
        self._state = lzma.LZMADecompressor(memlimit=1 << 28)

    def read(self, rows: int) -> bytes:
        wanted = rows * self._row_bytes
        pieces: list[bytes] = []
        while wanted:
            data = self._given.piece() if self._state.needs_input else b""
            try:
                piece = self._state.decompress(data, wanted)
            except (lzma.LZMAError, EOFError) as error:
                raise DamagedStreamError(f"its data is damaged ({error})") from error
            if not piece and not data:
                raise DamagedStreamError("its compressed data ends too soon")
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)


class _Buffer(ctypes.Structure):
    """What libzstd calls ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = (
        ("start", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("at", ctypes.c_size_t),
    )


@cache
def _zstd() -> ctypes.CDLL | None:
    library = native_library("zstd")
    if library is None or not hasattr(library, "ZSTD_decompressStream"):
        return None
    library.ZSTD_createDStream.restype = ctypes.c_void_p
    library.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
    library.ZSTD_sizeof_DStream.argtypes = [ctypes.c_void_p]
    library.ZSTD_sizeof_DStream.restype = ctypes.c_size_t
    buffer = ctypes.POINTER(_Buffer)
    library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, buffer, buffer]
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library


def can_stream_zstd() -> bool:
    """Return whether zstd can be decompressed piece by piece here."""
    return _zstd() is not None


class ZstdRows(SequentialRows):
    """Gives rows of strips of zstd; for any thread, one at a time."""

    def _opened(self, strip: int) -> RowStream:
        library = _zstd()
        assert library is not None
        return _ZstdStream(library, _Input(self._grid, self._file, strip), self._grid.row_bytes)


class _ZstdStream:
    def __init__(self, library: ctypes.CDLL, given: _Input, row_bytes: int) -> None:
        self._library = library
        self._given = given
        self._row_bytes = row_bytes
        self._state: int | None = library.ZSTD_createDStream()
        if not self._state:
            raise ChunkError("there is not enough memory to decode it")
        self._piece = b""
        self._input = _Buffer()

    @property
    def held_bytes(self) -> int:
        return int(self._library.ZSTD_sizeof_DStream(self._state))

    def read(self, rows: int) -> bytes:
        wanted = rows * self._row_bytes
        pixels = ctypes.create_string_buffer(wanted)
        output = _Buffer(ctypes.addressof(pixels), wanted, 0)
        while output.at < wanted:
            before = output.at
            if self._input.at == self._input.size:
                self._piece = self._given.piece()
                start = ctypes.cast(ctypes.c_char_p(self._piece), ctypes.c_void_p)
                self._input = _Buffer(start, len(self._piece), 0)
            status = self._library.ZSTD_decompressStream(
                self._state, ctypes.byref(output), ctypes.byref(self._input)
            )
            if self._library.ZSTD_isError(status):
                reason = self._library.ZSTD_getErrorName(status).decode()
                raise DamagedStreamError(f"its data is damaged ({reason})")
            if not self._piece and output.at == before:
                raise DamagedStreamError("its compressed data ends too soon")
        return pixels.raw

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.ZSTD_freeDStream(self._state)
