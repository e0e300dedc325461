"""Strips and tiles so large that they are read a few rows at a time."""

from __future__ import annotations

import copy
import threading
import zlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from viewer.slides.readers.large_chunks import LARGE_BYTES, part_rows
from viewer.slides.readers.tiff.compressed_rows import LzmaRows, ZstdRows, can_stream_zstd
from viewer.slides.readers.tiff.errors import ChunkError, DamagedStreamError, read_exactly
from viewer.slides.readers.tiff.jpeg_rows import JpegRows
from viewer.slides.readers.tiff.jpeg_stream import FRAME_WITHIN_BYTES, streamable_header
from viewer.slides.readers.tiff.lzw_rows import LzwRows, is_blocks
from viewer.slides.readers.tiff.packbits_rows import PackBitsRows
from viewer.slides.readers.tiff.page_tags import bits_per_sample, numbers
from viewer.slides.readers.tiff.sequential_rows import SEQUENTIAL_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.slides.readers.shared_file import AnyFile

LARGE_STRIP_BYTES = 16 << 20
"""Decoded strips from this size on are read in parts, where their codec allows; tiles, which are
no wider than what is shown of them, from `LARGE_BYTES` on."""

_SNAPSHOT_BYTES = 4 << 20
_HANGS_ON_CHUNKS = ("decode", "chunks", "chunked", "hash")
"""What tifffile works out once for a page."""

JPEG = (COMPRESSION.JPEG, COMPRESSION.ALT_JPEG, COMPRESSION.JPEG_LOSSY)
_DEFLATE = (COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE)
_ZSTD = (COMPRESSION.ZSTD, COMPRESSION.ZSTD_DEPRECATED)
_JPEG_COLORS = {
    1: (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE),
    3: (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR),
    4: (PHOTOMETRIC.SEPARATED,),
}
"""By the samples of JPEGs that are decoded by rows."""
_SUBSAMPLING = 530
_INPUT_BYTES = 1 << 14
_MOST_SNAPSHOTS = 256
"""Of a decompressor's state, about 50 KB each."""


class StripRows(Protocol):
    """Gives uncompressed bytes of rows within one strip that the file stores."""

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        """Return rows counted from the strip's top. Raises ChunkError."""
        ...


class StripGrid(msgspec.Struct, frozen=True):
    """The strips of one page, or its tiles, which are strips beside each other.

    Attributes
    ----------
    row_bytes
        Of one row of a strip, uncompressed.
    offsets, byte_counts
        Of each strip in the file.
    columns
        How many strips lie beside each other.
    """

    height_px: int
    strip_rows: int
    row_bytes: int
    offsets: tuple[int, ...]
    byte_counts: tuple[int, ...]
    columns: int = 1

    @property
    def strips_per_plane(self) -> int:
        return -(-self.height_px // self.strip_rows) * self.columns

    def is_stored(self, strip: int) -> bool:
        """Return whether the file holds anything of a strip."""
        return self.byte_counts[strip] != 0 and self.offsets[strip] != 0


class RowAccess:
    """Presents large strips as many small ones without compression.

    Parameters
    ----------
    part_rows
        Of a small strip.
    """

    def __init__(self, grid: StripGrid, source: StripRows, part_rows: int) -> None:
        self._grid = grid
        self._source = source
        self._part_rows = part_rows
        self._lost: dict[int, tuple[int, str]] = {}
        """The first row of a strip's first part that is damaged, and why."""

    def read(self, part: int) -> bytes | None:
        """Return the bytes of a part, None where the file stores nothing there.

        Raises
        ------
        ChunkError
            They cannot be read.
        """
        grid = self._grid
        parts_per_plane = -(-grid.height_px // self._part_rows) * grid.columns
        plane, part = divmod(part, parts_per_plane)
        part_row, column = divmod(part, grid.columns)
        row, end = part_row * self._part_rows, (part_row + 1) * self._part_rows
        end = min(end, grid.height_px)
        pieces: list[bytes] = []
        while row < end:
            strip_row, first = divmod(row, grid.strip_rows)
            rows = min(end - row, grid.strip_rows - first)
            strip = plane * grid.strips_per_plane + strip_row * grid.columns + column
            if not grid.is_stored(strip):
                return None  # of such strips no part lies in another, too
            pieces.append(self._rows(strip, first, rows))
            row += rows
        return b"".join(pieces)

    def _rows(self, strip: int, first: int, rows: int) -> bytes:
        # All above the damage would be decompressed anew for each part below it.
        lost = self._lost.get(strip)
        if lost is not None and lost[0] <= first:
            raise ChunkError(lost[1])
        try:
            return self._source.read(strip, first, rows)
        except DamagedStreamError as error:
            self._lost[strip] = first, str(error)
            raise


def in_parts(page: TiffPage, file: AnyFile, *, has_gaps: bool) -> tuple[TiffPage, RowAccess] | None:
    """Cut the page's strips or tiles into parts, where they are large and their codec allows.

    The page that is returned speaks of the parts as if they were its strips or tiles, so that
    tifffile decodes them like any others.

    Parameters
    ----------
    has_gaps
        Whether the file does not store all of them.
    """
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    width = page.tilewidth if page.is_tiled else page.imagewidth
    row_bytes = -(-width * samples * bits_per_sample(page) // 8)
    rows = page.tilelength if page.is_tiled else page.rowsperstrip or page.imagelength
    # What lies below the image is in the file, but is not read.
    strip_rows = rows if page.is_tiled else min(rows, page.imagelength)
    size_bytes = strip_rows * row_bytes
    if page.imagedepth > 1 or size_bytes < (LARGE_BYTES if page.is_tiled else LARGE_STRIP_BYTES):
        return None
    source = _source(page, file, samples)
    if source is None or (source.is_sequential and size_bytes < SEQUENTIAL_BYTES):
        return None
    grid = StripGrid(
        page.imagelength,
        strip_rows,
        row_bytes,
        tuple(page.dataoffsets),
        tuple(page.databytecounts),
        -(-page.imagewidth // width),
    )
    parted = copy.copy(page)
    for known in _HANGS_ON_CHUNKS:
        parted.__dict__.pop(known, None)
    rows = part_rows(strip_rows, row_bytes, is_exact=has_gaps)
    if page.is_tiled:
        parted.tilelength = rows
    else:
        parted.rowsperstrip = rows
    if page.compression in JPEG:
        parted.predictor = 1
        if samples == 3:
            parted.photometric, parted.subsampling = PHOTOMETRIC.RGB, None
    parted.compression = COMPRESSION.NONE
    return parted, RowAccess(grid, source.opened(grid, file), rows)


class _Source(NamedTuple):
    """What gives the rows of a page's strips.

    Attributes
    ----------
    is_sequential
        Whether only from the top of a strip.
    """

    opened: Callable[[StripGrid, AnyFile], StripRows]
    is_sequential: bool = False


def _source(page: TiffPage, file: AnyFile, samples: int) -> _Source | None:
    """Return what gives rows of the page's codec, where it does."""
    if page.compression in JPEG:
        head = _first_bytes(page, file, FRAME_WITHIN_BYTES)
        has_rows = page.photometric in _JPEG_COLORS.get(samples, ()) and page.dtype == np.uint8
        if not has_rows or streamable_header(head, samples) is None:
            return None
        tag_is_rgb = page.photometric == PHOTOMETRIC.RGB
        rows = partial(JpegRows, tables=page.jpegtables, samples=samples, tag_is_rgb=tag_is_rgb)
        return _Source(rows, is_sequential=True)
    is_cut = numbers(page, _SUBSAMPLING) != (1, 1)
    if page.photometric == PHOTOMETRIC.YCBCR and (is_cut or page.planarconfig != 1):
        return None
    if page.compression == COMPRESSION.NONE:
        return _Source(_StoredRows)
    if page.fillorder != 1:
        return None
    if page.compression in _DEFLATE:
        return _Source(_DeflatedRows)
    if page.compression == COMPRESSION.PACKBITS:
        return _Source(PackBitsRows)
    if page.compression == COMPRESSION.LZMA:
        return _Source(LzmaRows, is_sequential=True)
    if page.compression in _ZSTD and can_stream_zstd():
        return _Source(ZstdRows, is_sequential=True)
    # LZW before TIFF 6 had the lowest bit first.
    is_lzw = page.compression == COMPRESSION.LZW and is_blocks(_first_bytes(page, file, 2))
    return _Source(LzwRows) if is_lzw else None


def _first_bytes(page: TiffPage, file: AnyFile, most: int) -> bytes:
    """Return the beginning of the first strip or tile that the file holds."""
    pairs = zip(page.dataoffsets, page.databytecounts, strict=False)
    stored = ((int(offset), int(size)) for offset, size in pairs if offset and size)
    offset, size = next(stored, (0, 0))
    return file.read(offset, min(most, size))


class _StoredRows:
    """Rows that lie in the file as they are."""

    def __init__(self, grid: StripGrid, file: AnyFile) -> None:
        self._grid = grid
        self._file = file

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        grid = self._grid
        offset = grid.offsets[strip] + first_row * grid.row_bytes
        return read_exactly(self._file, offset, rows * grid.row_bytes)


class _Decompressor(Protocol):
    """What `zlib.decompressobj` gives."""

    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
    def copy(self) -> _Decompressor: ...


class _Position(msgspec.Struct, frozen=True):
    """Where decompression stands in a strip: the row that comes next, and the unread input."""

    row: int
    state: _Decompressor
    input_at: int


class _DeflatedRows:
    """Rows of deflated strips, with states of the decompressor kept to go back to."""

    def __init__(self, grid: StripGrid, file: AnyFile) -> None:
        self._grid = grid
        self._file = file
        self._lock = threading.Lock()
        self._cursors: dict[int, _Position] = {}
        self._snapshots: dict[tuple[int, int], _Position] = {}
        strips = len(grid.offsets)
        rows = strips * grid.strip_rows
        self._snapshot_rows = max(-(-rows // _MOST_SNAPSHOTS), _SNAPSHOT_BYTES // grid.row_bytes, 1)

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        with self._lock:
            position = self._start(strip, first_row)
            while position.row < first_row:
                step = self._snapshot_rows - position.row % self._snapshot_rows
                _, position = self._inflate(strip, position, min(step, first_row - position.row))
            data, position = self._inflate(strip, position, rows)
            self._cursors[strip] = position
            return data

    def _start(self, strip: int, row: int) -> _Position:
        """Return the nearest known position at or before a row."""
        known = [_Position(0, zlib.decompressobj(), 0)]
        known += [kept for (of, at), kept in self._snapshots.items() if of == strip and at <= row]
        cursor = self._cursors.pop(strip, None)
        if cursor is not None and cursor.row <= row:
            known.append(cursor)
        best = max(known, key=lambda position: position.row)
        # A snapshot stays as it is; what goes on is a copy.
        return best if best is cursor else _Position(best.row, best.state.copy(), best.input_at)

    def _inflate(self, strip: int, position: _Position, rows: int) -> tuple[bytes, _Position]:
        wanted = rows * self._grid.row_bytes
        state, at = position.state, position.input_at
        pieces: list[bytes] = []
        while wanted:
            size = min(_INPUT_BYTES, self._grid.byte_counts[strip] - at)
            # Without input left there may still be output that did not fit last time.
            data = read_exactly(self._file, self._grid.offsets[strip] + at, size) if size else b""
            try:
                piece = state.decompress(data, wanted)
            except zlib.error as error:
                raise DamagedStreamError(f"its data is damaged ({error})") from error
            at += size - len(state.unconsumed_tail)
            if not piece and (state.eof or not size):
                raise DamagedStreamError("its compressed data ends too soon")
            pieces.append(piece)
            wanted -= len(piece)
        reached = _Position(position.row + rows, state, at)
        self._keep(strip, reached)
        return b"".join(pieces), reached

    def _keep(self, strip: int, position: _Position) -> None:
        place = (strip, position.row // self._snapshot_rows)
        key = (strip, position.row)
        if any(of == strip and at // self._snapshot_rows == place[1] for of, at in self._snapshots):
            return
        self._snapshots[key] = _Position(position.row, position.state.copy(), position.input_at)
