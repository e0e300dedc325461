"""Rows of one JPEG of any size, from the top, decoded by libtiff.

What imagecodecs and Pillow give of a JPEG is all of it. libtiff gives the rows of a strip, so the
data is handed to it as the only strip of a TIFF that exists in no file.
"""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from typing import TYPE_CHECKING

from viewer.limits import IMAGE_DECODING_BYTES
from viewer.slides.readers.jpeg_header import JpegHeader, is_ycbcr, joined, read_jpeg_header
from viewer.slides.readers.jpeg_markers import PADDING_BYTES, is_cut_short
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.native_codecs import native_library
from viewer.slides.readers.tiff.ycbcr import ycck_as_cmyk

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile

FRAME_WITHIN_BYTES = 1 << 20
"""Of its beginning; profiles and thumbnails stand before."""
_NO_SIZE_LIMIT = "LIBTIFF_ALLOW_LARGE_LIBJPEG_MEM_ALLOC"
_JPEG, _PHOTOMETRICS, _YCBCR = 7, {1: 1, 3: 2, 4: 5}, 6
_COLOR_MODE, _AS_RGB = 65538, 1
_FACTORS = (1, 2, 4)
_SAMPLING_AT = 11
"""Of the first component, behind the marker of the frame."""
_UNCUT_INKS = ((1, 1),) * 4
_YCCK = (1, 2)
"""Of Adobe's transform, for four components; libjpeg takes that for three for it."""


def streamable_header(data: bytes, samples: int) -> JpegHeader | None:
    """Return the header of a JPEG that begins so; None where it is not decoded by rows here."""
    header = read_jpeg_header(data)
    is_fit = _is_streamable(header) and len(header.sampling) == samples
    return header if is_fit and _libtiff() is not None else None


def _is_streamable(header: JpegHeader) -> bool:
    """Return whether libtiff gives it by rows: gray, color or inks of 8 bits, cut as usual."""
    if header.precision_bits != 8 or header.is_lossless or not header.sampling:
        return False
    luma, *chroma = header.sampling
    is_cut_as_usual = chroma in ([], [(1, 1)] * 2) and all(factor in _FACTORS for factor in luma)
    return is_cut_as_usual or header.sampling == _UNCUT_INKS


def coefficient_bytes(header: JpegHeader) -> int:
    """Return what libjpeg holds of all of a progressive image: 16 bits a sample."""
    if not header.is_progressive:
        return 0
    across, down = (max(factors) for factors in zip(*header.sampling, strict=True))
    shares = sum(wide * tall / (across * down) for wide, tall in header.sampling)
    return int(2 * header.width_px * header.height_px * shares)


class JpegStream:
    """The rows of a JPEG: red, green and blue, gray, or inks as they are stored; a `RowStream`.

    Parameters
    ----------
    shape
        Rows, columns and samples of what is wanted of it, which may be larger.
    tables
        Of a TIFF, where they stand apart.

    Raises
    ------
    ChunkError
        It cannot be decoded.
    """

    def __init__(
        self,
        file: AnyFile,
        offset: int,
        size: int,
        shape: tuple[int, int, int],
        tables: bytes | None = None,
        *,
        tag_is_rgb: bool = False,
    ) -> None:
        start = read_exactly(file, offset, min(size, FRAME_WITHIN_BYTES))
        header = joined(read_jpeg_header(tables or b""), read_jpeg_header(start))
        tail = min(size, PADDING_BYTES)
        if is_cut_short(read_exactly(file, offset + size - tail, tail)):
            raise ChunkError("its JPEG data is cut short")
        library = _libtiff()
        if not _is_streamable(header) or library is None:
            raise ChunkError("its JPEG is of a kind that cannot be read in parts")
        samples = len(header.sampling)
        has_all = header.height_px >= shape[0] and header.width_px >= shape[1]
        if not has_all or samples != shape[2]:
            size_found = header.height_px, header.width_px, samples
            raise ChunkError(f"its data is of the wrong size {size_found}")
        held_bytes = coefficient_bytes(header)
        if held_bytes > IMAGE_DECODING_BYTES.most:
            raise ChunkError(
                f"its JPEG is progressive, which takes {held_bytes / 1e9:.1f} GB of "
                "memory to decode"
            )
        self.held_bytes = size + held_bytes
        self._row_bytes = shape[1] * samples
        self._row = ctypes.create_string_buffer(header.width_px * samples)
        self._next_row = 0
        is_coded = samples == 3 and is_ycbcr(header, tag_is_rgb)
        self._is_ycck = samples == 4 and header.adobe_transform in _YCCK
        start = start[: header.frame_at + _SAMPLING_AT + 1]
        if samples == 1:
            start = start[:-1] + b"\x11"  # which means the same for one component alone
        head = _head(header, is_coded, size, tables or b"") + start
        self._library = library
        self._file = _VirtualFile(head, file, offset + len(start), size - len(start))
        self._tiff: int | None = library.TIFFClientOpen(b"", b"rm", None, *self._file.functions)
        if not self._tiff:
            raise ChunkError("its JPEG data is damaged")
        if is_coded:
            library.TIFFSetField(ctypes.c_void_p(self._tiff), _COLOR_MODE, ctypes.c_int(_AS_RGB))

    def read(self, rows: int) -> bytes:
        """Return the next rows. Raises ChunkError."""
        pieces: list[bytes] = []
        for _ in range(rows):
            if self._library.TIFFReadScanline(self._tiff, self._row, self._next_row, 0) != 1:
                raise self._file.error or ChunkError("its JPEG data is damaged")
            self._next_row += 1
            pieces.append(self._row.raw[: self._row_bytes])
        data = b"".join(pieces)
        return ycck_as_cmyk(data) if self._is_ycck else data

    def __del__(self) -> None:
        if getattr(self, "_tiff", None):
            self._library.TIFFClose(self._tiff)


class _VirtualFile:
    """A head in memory with data of a file behind it, as libtiff reads files."""

    def __init__(self, head: bytes, file: AnyFile, offset: int, size: int) -> None:
        self._head = head
        self._file = file
        self._offset = offset
        self._end = len(head) + size
        self._at = 0
        self.error: ChunkError | None = None
        self.functions = (
            _Transfer(self._read),
            _Transfer(_not_written),
            _Seek(self._seek),
            _Close(_closed),
            _Size(self._size),
            None,
            None,
        )

    def _read(self, _: int | None, target: int, size: int) -> int:
        head = self._head[self._at : self._at + size]
        size = min(size, self._end - self._at)
        try:
            start = self._offset + self._at - len(self._head)
            ctypes.memmove(target, head, len(head))
            done = len(head)
            while done < size:
                piece = read_exactly(self._file, start + done, min(size - done, 1 << 22))
                ctypes.memmove(target + done, piece, len(piece))
                done += len(piece)
        except ChunkError as error:
            self.error = error
            return 0
        self._at += done
        return done

    def _size(self, _: int | None) -> int:
        return self._end

    def _seek(self, _: int | None, offset: int, whence: int) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at


def _not_written(_: int | None, _source: int, _size: int) -> int:
    return 0


def _closed(_: int | None) -> int:
    return 0


def _head(header: JpegHeader, is_coded: bool, size: int, tables: bytes) -> bytes:
    """Return a BigTIFF up to its only strip, which follows."""
    samples = len(header.sampling)
    photometric = _YCBCR if is_coded else _PHOTOMETRICS[samples]
    entries: list[tuple[int, int, int, bytes]] = [
        (256, 4, 1, struct.pack("<I", header.width_px)),
        (257, 4, 1, struct.pack("<I", header.height_px)),
        (258, 3, samples, struct.pack(f"<{samples}H", *[8] * samples)),
        (259, 3, 1, struct.pack("<H", _JPEG)),
        (262, 3, 1, struct.pack("<H", photometric)),
        (273, 16, 1, b""),
        (277, 3, 1, struct.pack("<H", samples)),
        (278, 4, 1, struct.pack("<I", header.height_px)),
        (279, 16, 1, struct.pack("<Q", size)),
        (284, 3, 1, struct.pack("<H", 1)),
    ]
    if tables:
        entries.append((347, 7, len(tables), tables))
    if is_coded:
        entries.append((530, 3, 2, struct.pack("<2H", *header.sampling[0])))
    behind = 16 + 8 + 20 * len(entries) + 8
    start = behind + (len(tables) if len(tables) > 8 else 0)
    lines = [b"II" + struct.pack("<3HQQ", 43, 8, 0, 16, len(entries))]
    for tag, kind, count, value in entries:
        if tag == 273:
            value = struct.pack("<Q", start)
        elif len(value) > 8:
            value = struct.pack("<Q", behind)
        lines.append(struct.pack("<HHQ", tag, kind, count) + value.ljust(8, b"\0"))
    lines.append(bytes(8) + (tables if len(tables) > 8 else b""))
    return b"".join(lines)


_Transfer = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t)
_Seek = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Size = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)


@cache
def _libtiff() -> ctypes.CDLL | None:
    library = native_library("tiff")
    if library is None or not hasattr(library, "TIFFClientOpen"):
        return None
    if not library.TIFFIsCODECConfigured(_JPEG):
        return None
    # What a progressive JPEG may take is bounded here.
    os.environ.setdefault(_NO_SIZE_LIMIT, "1")
    functions = [_Transfer, _Transfer, _Seek, _Close, _Size, ctypes.c_void_p, ctypes.c_void_p]
    library.TIFFClientOpen.argtypes = [
        ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, *functions
    ]  # fmt: skip
    library.TIFFClientOpen.restype = ctypes.c_void_p
    library.TIFFReadScanline.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint16
    ]  # fmt: skip
    library.TIFFClose.argtypes = [ctypes.c_void_p]
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        getattr(library, name)(None)
    return library
