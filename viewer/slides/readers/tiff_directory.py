"""The directories of a TIFF, with the lists of their tiles as arrays.

tifffile makes a Python number of each of them, which for a slide of half a million tiles takes as
long as all the rest of opening it, and tens of megabytes.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec
import numpy as np

from viewer.errors import CoverslipError
from viewer.limits import open_regular
from viewer.slides.tiff_words import LONG_NDPI_BYTES, tiff_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES = {
    1: "u1",
    3: "u2",
    4: "u4",
    6: "i1",
    7: "u1",
    8: "i2",
    9: "i4",
    13: "u4",
    16: "u8",
    18: "u8",
}
"""Numbers only: BYTE, SHORT, LONG, SBYTE, UNDEFINED, SSHORT, SLONG, IFD, LONG8, IFD8."""
_MOST_DIRECTORIES = 1000
_MOST_TAGS = 4096
_MOST_VALUES = 1 << 28
_MOST_TEXT = 4096

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT = 277, 284, 322, 323
_TILE_OFFSETS, _TILE_BYTE_COUNTS, _SAMPLE_FORMAT, _JPEG_TABLES = 324, 325, 339, 347
_DEPTH, _SUBFILE, _ORIENTATION = 32997, 254, 274
_DESCRIPTION, _ASCII = 270, 2
_ICC_PROFILE, _BYTE, _UNDEFINED = 34675, 1, 7
_UNSIGNED = 1
_PICTURE_TAGS = (
    (_WIDTH, 0), (_HEIGHT, 0), (_PHOTOMETRIC, 2), (_SAMPLES, 1), (_SUBFILE, 0), (_TILE_WIDTH, 0)
)  # fmt: skip
"""With what they are where they are missing."""


class TiffDirectoryError(CoverslipError):
    """Bytes that are no directory of a TIFF."""


class Directory(msgspec.Struct, frozen=True):
    """One picture of the file; the names are tifffile's for its pages."""

    imagewidth: int
    imagelength: int
    tilewidth: int
    tilelength: int
    compression: int
    photometric: int
    samplesperpixel: int
    planarconfig: int
    imagedepth: int
    subfiletype: int
    orientation: int
    dtype: np.dtype[np.uint8] | None
    jpegtables: bytes | None
    dataoffsets: NDArray[np.int64]
    databytecounts: NDArray[np.int64]

    @property
    def is_tiled(self) -> bool:
        return self.tilewidth > 0 and self.tilelength > 0


def read_directories(path: Path, most_values: int = _MOST_VALUES) -> list[Directory]:
    """Return all directories of the chain, in order.

    Raises
    ------
    TiffDirectoryError
        A directory is damaged, or a tag has more values than `most_values`.
    OSError
        The file cannot be read.
    """
    with open_regular(path) as file:
        reader = _Reader(file, most_values)
        return [_directory(reader.tags(entries)) for entries in reader.directories()]


def read_description(path: Path, most_bytes: int) -> bytes:
    """Return the text of the first directory; of a longer one its beginning, b"" without one.

    Raises
    ------
    TiffDirectoryError
        The file is no TIFF, or its directory is damaged.
    OSError
        The file cannot be read.
    """
    return read_texts(path, [_DESCRIPTION], most_bytes).get(_DESCRIPTION, b"")


def read_texts(path: Path, codes: Sequence[int], most_bytes: int) -> dict[int, bytes]:
    """Return texts of the first directory by the codes of their tags, each as `read_description`.

    Raises as that does.
    """
    with open_regular(path) as file:
        return _Reader(file).texts(codes, most_bytes)


def first_numbers(path: Path, code: int) -> list[int]:
    """Return the first number of a tag in each directory of the chain that has it.

    Also of Hamamatsu's NDPI of more than 4 GiB, as long as the number stands in the directory.
    Raises as `read_directories`.
    """
    with open_regular(path) as file:
        reader = _Reader(file, is_ndpi=True)
        return [
            number for entries in reader.directories() for number in reader.numbers(entries, code)
        ]


def read_icc_profile(path: Path, most_bytes: int, *, is_ndpi: bool = False) -> bytes:
    """Return the color profile of the directory with the most pixels, which is the full size.

    Of a longer one its beginning, b"" without one. Raises as `read_directories`.
    """
    with open_regular(path) as file:
        reader = _Reader(file, is_ndpi=is_ndpi)
        largest_px, found = -1, b""
        for entries in reader.directories():
            sides = (reader.numbers(entries, code) for code in (_WIDTH, _HEIGHT))
            pixels = math.prod(side[0] if side else 0 for side in sides)
            if pixels > largest_px:
                largest_px, found = pixels, reader.data(entries, _ICC_PROFILE, most_bytes)
        return found


class PictureTags(NamedTuple):
    """What a directory says of its picture; the profile is b"" where it has none.

    A picture in strips has tiles of no width.
    """

    width_px: int
    height_px: int
    photometric: int
    samples: int
    subfile: int
    tile_width_px: int
    description: bytes
    icc_profile: bytes


def read_picture_tags(
    path: Path, sizes_px: Collection[tuple[int, int]], most_bytes: int, *, is_ndpi: bool = False
) -> list[PictureTags]:
    """Return what each directory of the chain says of its picture.

    Profiles are read for pictures of some sizes, up to `most_bytes` of all; texts are cut, too.
    Raises as `read_directories`.
    """
    found: list[PictureTags] = []
    room = most_bytes
    with open_regular(path) as file:
        reader = _Reader(file, is_ndpi=is_ndpi)
        for entries in reader.directories():
            width_px, height_px, photometric, samples, subfile, tile_width_px = (
                next(iter(reader.numbers(entries, code)), default)
                for code, default in _PICTURE_TAGS
            )
            text = reader.texts_of(entries, (_DESCRIPTION,), _MOST_TEXT).get(_DESCRIPTION, b"")
            is_wanted = (width_px, height_px) in sizes_px
            try:
                profile = reader.data(entries, _ICC_PROFILE, room if is_wanted else 0)
            except TiffDirectoryError:
                profile = b""  # it ends behind the file, and costs nothing but itself
            room -= len(profile)
            said = (width_px, height_px, photometric, samples, subfile, tile_width_px)
            found.append(PictureTags(*said, text, profile))
    return found


class _Entry(NamedTuple):
    """A tag; its values are `inline` where that has room for them, else at `offset`."""

    code: int
    kind: int
    length: int
    inline: bytes
    offset: int


class _Reader:
    """Reads directories, one after the other."""

    def __init__(
        self, file: BinaryIO, most_values: int = _MOST_VALUES, *, is_ndpi: bool = False
    ) -> None:
        self._file = file
        self._most_values = most_values
        head = self.bytes_at(0, 16)
        is_long_ndpi = is_ndpi and file.seek(0, 2) >= LONG_NDPI_BYTES
        words = tiff_words(head, is_long_ndpi=is_long_ndpi)
        if words is None:
            raise TiffDirectoryError("it does not begin like a TIFF")
        self._words = words
        self.next_at: int = struct.unpack_from(words.next, head, words.first_at)[0]

    def bytes_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise TiffDirectoryError(f"it ends before {offset + size}")
        return data

    def directories(self) -> Iterator[list[_Entry]]:
        """Yield the tags of each directory of the chain."""
        seen: set[int] = set()
        while self.next_at and self.next_at not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(self.next_at)
            yield self.entries()

    def tags(self, entries: Sequence[_Entry]) -> dict[int, NDArray[np.integer]]:
        """Code -> values, of the tags that hold numbers."""
        tags: dict[int, NDArray[np.integer]] = {}
        for each in entries:
            if each.kind in _TYPES and each.code not in tags:
                tags[each.code] = self._values(each)
        return tags

    def numbers(self, entries: Sequence[_Entry], wanted: int) -> list[int]:
        """Return the first number of a tag, where it stands in the directory itself; else []."""
        return [
            int(self._values(each)[0])
            for each in entries
            if each.code == wanted and each.kind in _TYPES and each.length == 1
        ]

    def data(self, entries: Sequence[_Entry], wanted: int, most_bytes: int) -> bytes:
        """Return the bytes of a tag, cut at `most_bytes`; b"" where there is none."""
        kinds = (_BYTE, _UNDEFINED)
        found = (each for each in entries if each.code == wanted and each.kind in kinds)
        return next((self._cut(each, most_bytes) for each in found), b"")

    def texts(self, wanted: Sequence[int], most_bytes: int) -> dict[int, bytes]:
        """Return tags of text of the next directory that are there, each cut at `most_bytes`."""
        return self.texts_of(self.entries(), wanted, most_bytes)

    def texts_of(
        self, entries: Sequence[_Entry], wanted: Sequence[int], most_bytes: int
    ) -> dict[int, bytes]:
        """Return the same of a directory that is at hand."""
        found: dict[int, bytes] = {}
        for each in entries:
            if each.code in wanted and each.code not in found and each.kind == _ASCII:
                found[each.code] = self._cut(each, most_bytes)
        return found

    def entries(self) -> list[_Entry]:
        """Return the tags of the next directory, and step on."""
        words, at = self._words, self.next_at
        head_size = struct.calcsize(words.entry_count)
        (count,) = struct.unpack(words.entry_count, self.bytes_at(at, head_size))
        if count > _MOST_TAGS:
            raise TiffDirectoryError(f"a directory of {count} tags")
        each = struct.Struct(f"{words.entry}{struct.calcsize(words.word)}s")
        end = count * each.size + struct.calcsize(words.next)
        upper_size = 4 * count if words.is_long else 0
        data = self.bytes_at(at + head_size, end + upper_size)
        (self.next_at,) = struct.unpack_from(words.next, data, count * each.size)
        uppers = struct.unpack(f"{words.order}{upper_size // 4}I", data[end:]) or (0,) * count
        offset = struct.Struct(words.word)
        tags = zip(each.iter_unpack(data[: count * each.size]), uppers, strict=True)
        return [
            _Entry(code, kind, length, inline, offset.unpack(inline)[0] | upper << 32)
            for (code, kind, length, inline), upper in tags
        ]

    def _cut(self, entry: _Entry, most_bytes: int) -> bytes:
        size = min(entry.length, most_bytes)
        is_here = entry.length <= len(entry.inline)
        return entry.inline[:size] if is_here else self.bytes_at(entry.offset, size)

    def _values(self, entry: _Entry) -> NDArray[np.integer]:
        dtype = np.dtype(self._words.order + _TYPES[entry.kind])
        size = dtype.itemsize * entry.length
        if entry.length > self._most_values:
            raise TiffDirectoryError(f"a tag of {entry.length} values")
        if size <= len(entry.inline):
            return np.frombuffer(entry.inline, dtype, entry.length)
        return np.frombuffer(self.bytes_at(entry.offset, size), dtype)


def _directory(tags: dict[int, NDArray[np.integer]]) -> Directory:
    def one(code: int, default: int) -> int:
        values = tags.get(code)
        return int(values[0]) if values is not None and len(values) else default

    def many(code: int) -> NDArray[np.int64]:
        return tags.get(code, np.zeros(0, np.int64)).astype(np.int64)

    bits, formats = tags.get(_BITS, np.ones(1, np.int64)), tags.get(_SAMPLE_FORMAT)
    is_unsigned = formats is None or bool((formats == _UNSIGNED).all())
    tables = tags.get(_JPEG_TABLES)
    return Directory(
        one(_WIDTH, 0),
        one(_HEIGHT, 0),
        one(_TILE_WIDTH, 0),
        one(_TILE_HEIGHT, 0),
        one(_COMPRESSION, 1),
        one(_PHOTOMETRIC, 0),
        one(_SAMPLES, 1),
        one(_PLANAR, 1),
        one(_DEPTH, 1),
        one(_SUBFILE, 0),
        one(_ORIENTATION, 1),
        np.dtype(np.uint8) if is_unsigned and bool((bits == 8).all()) else None,
        tables.tobytes() if tables is not None else None,
        many(_TILE_OFFSETS),
        many(_TILE_BYTE_COUNTS),
    )
