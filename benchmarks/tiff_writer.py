"""Writes pyramidal tiled BigTIFF files from tiles that are already compressed.

Other writers store every tile that they are given. This one is told which tile goes where, so a
mosaic of a few hundred distinct tiles is compressed once, and a file can be as large as a slide
of a scanner or, with `share_tiles`, keep each distinct tile once and point at it many times.

Layout: BigTIFF as described at https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHORT, LONG, RATIONAL, LONG8, ASCII, UNDEFINED = 3, 4, 5, 16, 2, 7
_FORMATS = {SHORT: "H", LONG: "I", RATIONAL: "II", LONG8: "Q"}

RGB, YCBCR = 2, 6
JPEG, APERIO_JPEG2000_RGB = 7, 33005
_CENTIMETER = 3
_UM_PER_CM = 10_000


class Encoding(msgspec.Struct, frozen=True):
    """How the tiles of a file are compressed.

    Attributes
    ----------
    compression, photometric
        The values of these TIFF tags.
    jpeg_tables
        The stream of tables that all tiles share, or None.
    chroma_subsampling
        Horizontal and vertical, for YCbCr; or None.
    """

    compression: int
    photometric: int
    jpeg_tables: bytes | None = None
    chroma_subsampling: tuple[int, int] | None = None


class MosaicLevel(msgspec.Struct, frozen=True):
    """One level of the pyramid: distinct compressed tiles, and which of them lies where.

    Attributes
    ----------
    grid
        Integers (rows, columns), each an index into `tiles`.
    """

    width_px: int
    height_px: int
    tile_px: int
    tiles: Sequence[bytes]
    grid: NDArray[np.intp]


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture in one piece: a whole JPEG stream with its chroma halved both ways."""

    width_px: int
    height_px: int
    stream: bytes


class _Tag(msgspec.Struct):
    code: int
    type: int
    count: int
    value: bytes


class _Directory(msgspec.Struct):
    tags: list[_Tag] = msgspec.field(default_factory=list[_Tag])

    def numbers(self, code: int, kind: int, *values: int) -> None:
        per_value = len(_FORMATS[kind])
        packed = struct.pack(f"<{_FORMATS[kind] * (len(values) // per_value)}", *values)
        self.tags.append(_Tag(code, kind, len(values) // per_value, packed))

    def array(self, code: int, values: NDArray[np.uint64]) -> None:
        self.tags.append(_Tag(code, LONG8, values.size, values.astype("<u8").tobytes()))

    def octets(self, code: int, kind: int, value: bytes) -> None:
        self.tags.append(_Tag(code, kind, len(value), value))


def write_pyramid(
    file: BinaryIO,
    levels: Sequence[MosaicLevel],
    encoding: Encoding,
    *,
    description: str,
    mpp_um: float,
    thumbnail: Thumbnail | None = None,
    share_tiles: bool = False,
) -> None:
    """Writes a whole file, finest level first, from the beginning of an empty `file`.

    With a `thumbnail` the file is laid out as Aperio's scanners do: the thumbnail comes second and
    no level is marked as a reduction of the first (tag NewSubfileType). The directories come last,
    so a file that was cut short has none and is seen to be broken.
    """
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    directories: list[_Directory] = []
    store = _store_shared if share_tiles else _store_each
    for level in levels:
        offsets, counts = store(file, level)
        level_mpp_um = mpp_um * levels[0].width_px / level.width_px
        directory = _describe(level.width_px, level.height_px, encoding, description, level_mpp_um)
        directory.numbers(254, LONG, int(bool(directories) and thumbnail is None))
        directory.numbers(322, LONG, level.tile_px)
        directory.numbers(323, LONG, level.tile_px)
        directory.array(324, offsets)
        directory.array(325, counts)
        directories.append(directory)
    if thumbnail is not None:
        directories.insert(1, _store_thumbnail(file, thumbnail, description))
    link_at = 8
    for directory in directories:
        link_at = _write_directory(file, directory, link_at)


def _describe(
    width_px: int,
    height_px: int,
    encoding: Encoding,
    description: str,
    mpp_um: float | None = None,
) -> _Directory:
    """Return what all kinds of directories say of their picture."""
    directory = _Directory()
    directory.numbers(256, LONG, width_px)
    directory.numbers(257, LONG, height_px)
    directory.numbers(258, SHORT, 8, 8, 8)  # BitsPerSample
    directory.numbers(259, SHORT, encoding.compression)
    directory.numbers(262, SHORT, encoding.photometric)
    directory.octets(270, ASCII, description.encode("ascii") + b"\0")
    directory.numbers(277, SHORT, 3)  # SamplesPerPixel
    directory.numbers(284, SHORT, 1)  # PlanarConfiguration: contiguous
    if mpp_um is not None:
        pixels_per_cm = round(_UM_PER_CM / mpp_um)
        directory.numbers(282, RATIONAL, pixels_per_cm, 1)
        directory.numbers(283, RATIONAL, pixels_per_cm, 1)
        directory.numbers(296, SHORT, _CENTIMETER)
    if encoding.jpeg_tables is not None:
        directory.octets(347, UNDEFINED, encoding.jpeg_tables)
    if encoding.chroma_subsampling is not None:
        directory.numbers(530, SHORT, *encoding.chroma_subsampling)
    return directory


def _store_thumbnail(file: BinaryIO, thumbnail: Thumbnail, description: str) -> _Directory:
    """Return a picture of a single strip."""
    encoding = Encoding(JPEG, YCBCR, None, (2, 2))
    directory = _describe(thumbnail.width_px, thumbnail.height_px, encoding, description)
    directory.numbers(273, LONG8, file.tell())
    directory.numbers(278, LONG, thumbnail.height_px)
    directory.numbers(279, LONG8, len(thumbnail.stream))
    file.write(thumbnail.stream)
    return directory


def _store_each(
    file: BinaryIO, level: MosaicLevel
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Every place in the grid gets its own copy of its tile, row by row as scanners write."""
    sizes = np.array([len(tile) for tile in level.tiles], np.uint64)
    counts = sizes[level.grid.ravel()]
    offsets = file.tell() + np.cumsum(counts) - counts
    for row in level.grid:
        file.write(b"".join([level.tiles[index] for index in row]))
    return offsets.astype(np.uint64), counts


def _store_shared(
    file: BinaryIO, level: MosaicLevel
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return each distinct tile is stored once and all its places point at it."""
    sizes = np.array([len(tile) for tile in level.tiles], np.uint64)
    starts = file.tell() + np.cumsum(sizes) - sizes
    file.write(b"".join(level.tiles))
    places = level.grid.ravel()
    return starts.astype(np.uint64)[places], sizes[places]


def _write_directory(file: BinaryIO, directory: _Directory, link_at: int) -> int:
    """Writes one directory and links it at `link_at`; returns where the next one is linked."""
    entries: list[bytes] = []
    for tag in sorted(directory.tags, key=lambda tag: tag.code):
        value = tag.value
        if len(value) > 8:
            value = struct.pack("<Q", file.tell())
            file.write(tag.value)
        entries.append(struct.pack("<HHQ8s", tag.code, tag.type, tag.count, value))
    start = file.tell()
    file.write(struct.pack("<Q", len(entries)) + b"".join(entries) + struct.pack("<Q", 0))
    end = file.tell()
    file.seek(link_at)
    file.write(struct.pack("<Q", start))
    file.seek(end)
    return end - 8
