"""The content key: the one name under which anything of a slide is kept.

It is the same for a slide that was moved, copied or renamed, and another for a file that differs in
its size, in any tag or header, or in a tile that was looked at. Reading all of a slide of many
gigabytes would take minutes, so at most 4 MiB are read: all of a small file, else all directories
of a TIFF, tiles of each of them, both ends, and places spread over the file.
"""

from __future__ import annotations

import struct
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING

from viewer.slides.czi_descriptions import czi_descriptions
from viewer.slides.readers.shared_file import shared_file
from viewer.slides.remote.address import RemotePath, is_dicom_address
from viewer.slides.remote.ranged import ranges_of
from viewer.slides.remote.tiff_walk import fetch_directories
from viewer.slides.tiff_words import ITEM_BYTES, LONG_NDPI_BYTES, tiff_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from viewer.slides.remote.ranged import RangedBytes
    from viewer.slides.tiff_words import TiffWords

MOST_BYTES = 4 << 20
"""What is read of a slide at most."""

_PREFIX = "s1-"
"""Says how the key was made; another way would have another prefix."""
_WHOLE_BYTES = 3 << 20
"""A file of this size or less is read as a whole."""
_END_BYTES = 1 << 16
_HEAD_BYTES, _TAIL_BYTES = 3 << 19, 1 << 19
"""The same of files without directories that are read: all that is said of an image stands there,
before its pixels or behind them."""
_SAMPLES = 96
_SAMPLE_BYTES = 1 << 13
_TILES = 96
_TILE_BYTES = 1 << 12
_DIRECTORY_BYTES = 2 << 20
"""For directories and what their tags hold; tiles, ends and samples have the rest."""
_VALUE_BYTES = 1 << 19
"""Of the value of one tag; longer ones share what is left, and of what has no room there its
beginning, middle and end are read."""
_LIST_BYTES = 1 << 15
"""The same for the lists of tiles, which can be longer than all the rest."""
_MOST_DIRECTORIES = 4096
_BLOCK_BYTES = 1 << 12

_ZIP_MAGIC, _ZIP_END, _ZIP64_END = b"PK\3\4", b"PK\5\6", b"PK\6\6"
_IN_ZIP64 = 0xFFFFFFFF

_OFFSET_TAGS = {273: 279, 324: 325}
"""Where strips and tiles lie, and the tag that has their sizes."""
_DIRECTORY_TAGS = frozenset((330, 34665, 34853, 40965))
"""Directories within directories: SubIFDs, EXIF, GPS, interoperability."""


def slide_key(path: Path, image: str = "") -> str:
    """Return the content key of a slide, which is also a safe name for files; for worker threads.

    Parameters
    ----------
    image
        Which image of a file with several; empty for the one that the file opens with.

    Raises
    ------
    OSError
        A file of the slide cannot be read.
    """
    from viewer.slides.files.slide_files import home_of, slide_files
    from viewer.slides.remote.dicom_keys import far_series_outline
    from viewer.slides.zarr_key import far_zarr_outline, zarr_manifest

    path = home_of(path)  # what a link leads to is called the same
    files = slide_files(path)
    digest = blake2b(digest_size=20, person=b"coverslip slide")
    if isinstance(path, RemotePath) and path.folder is not None:
        outline = far_series_outline if is_dicom_address(path) else far_zarr_outline
        for data in outline(path.folder.objects):
            digest.update(data)
    elif path.is_dir():
        for data in zarr_manifest(path, files):
            digest.update(data)
    elif len(files) == 1:
        _expect_outline(files[0])
        for data in _outline(_Part(files[0], MOST_BYTES)):
            digest.update(data)
    else:
        for entry in _manifest(path, files):
            digest.update(entry)
    digest.update(image.encode())
    return f"{_PREFIX}{digest.hexdigest()}"


def combined_key(keys: Iterable[str]) -> str:
    """Return the key of slides that are shown as one; another order is another slide."""
    digest = blake2b("\n".join(keys).encode(), digest_size=20, person=b"slides combined")
    return f"{_PREFIX}{digest.hexdigest()}"


def is_slide_key(name: str) -> bool:
    """Return whether a name is a content key, and not one of an earlier version or import."""
    digits = name.removeprefix(_PREFIX)
    return digits != name and len(digits) == 40 and set(digits) <= set("0123456789abcdef")


def file_name_of(identity: str) -> str:
    """Return the name, without a suffix, under which something of a slide is kept.

    A content key is such a name. Other names stand in sessions and projects that come from
    elsewhere: they can hold anything.
    """
    if is_slide_key(identity):
        return identity
    return blake2b(identity.encode(), digest_size=16).hexdigest()


class _Part:
    """A file of which a bounded number of bytes is read."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._file = shared_file(path)
        self.left_bytes = most_bytes
        self.size_bytes = self._file.size_bytes
        self._block_at, self._block = -1, b""

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes there; fewer at the end of the file or of what may be read."""
        size = min(size, self.left_bytes, self.size_bytes - offset)
        if offset < 0 or size <= 0:
            return b""
        self.left_bytes -= size
        return self._file.read(offset, size)

    def read_near(self, offset: int, size: int) -> bytes:
        """Return the same, in blocks: values of tags lie side by side."""
        start = offset - self._block_at
        if self._block_at < 0 or start < 0 or start + size > len(self._block):
            if size > _BLOCK_BYTES:
                return self.read(offset, size)
            self._block_at, start = offset, 0
            self._block = self.read(offset, _BLOCK_BYTES)
        return self._block[start : start + size]


class _Wanting(_Part):
    """Notes what would be read of a slide on a server, and reads only what is at hand."""

    def __init__(self, path: Path, ranges: RangedBytes) -> None:
        super().__init__(path, MOST_BYTES)
        self._ranges = ranges
        self.wanted: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        size = min(size, self.left_bytes, self.size_bytes - offset)
        if offset >= 0 and size > 0 and not self._ranges.has([(offset, size)]):
            self.left_bytes -= size
            self.wanted.append((offset, size))
            return bytes(size)
        return super().read(offset, size)


def _expect_outline(path: Path) -> None:
    """Fetch at once, of a slide on a server, all that its outline is made of."""
    ranges = ranges_of(path)
    if ranges is None:
        return
    fetch_directories(ranges)
    part = _Wanting(path, ranges)
    deque(_outline(part), maxlen=0)
    ranges.expect(part.wanted)


def _outline(part: _Part) -> Iterator[bytes]:
    """Yield what tells one file from another, in a fixed order."""
    size = part.size_bytes
    yield size.to_bytes(8, "little")
    if size <= _WHOLE_BYTES:
        yield part.read(0, size)
        return
    has_directories = False
    for data in (*_directories(part), _archive_directory(part)):
        has_directories |= bool(data)
        yield data
    head_bytes, tail_bytes = _END_BYTES, _END_BYTES
    if not has_directories:
        yield from czi_descriptions(part)
        head_bytes, tail_bytes = _HEAD_BYTES, _TAIL_BYTES
    yield part.read(0, head_bytes)
    yield part.read(size - tail_bytes, tail_bytes)
    for index in range(_SAMPLES):
        yield part.read(size * (index + 1) // (_SAMPLES + 1), _SAMPLE_BYTES)


def _archive_directory(part: _Part) -> bytes:
    """Return the directory of a Zip archive: names, sizes and checksums of all that it holds.

    Nothing of other files; of a long directory its beginning.
    """
    if part.read(0, 4) != _ZIP_MAGIC:
        return b""
    tail = part.read(part.size_bytes - _END_BYTES, _END_BYTES)
    at = tail.rfind(_ZIP_END)
    if at < 0 or at + 22 > len(tail):
        return b""
    size, offset = struct.unpack_from("<II", tail, at + 12)
    if offset == _IN_ZIP64:
        at = tail.rfind(_ZIP64_END)
        if at < 0 or at + 56 > len(tail):
            return b""
        size, offset = struct.unpack_from("<QQ", tail, at + 40)
    return part.read(offset, min(size, _DIRECTORY_BYTES))


def _manifest(path: Path, files: tuple[Path, ...]) -> list[bytes]:
    """Return an entry for each file: its name, its size, its ends and some of its middle.

    The main file is renamed with the folder of its data, and DICOM files can have any names: those
    names are left out. So are those of OME-TIFFs, any of which opens the same images.
    """
    from viewer.slides.files.ome_sets import TIFF_SUFFIXES
    from viewer.slides.files.slide_files import dicom_series

    is_tiff = path.suffix.lower() in TIFF_SUFFIXES
    has_names = not is_tiff and dicom_series(path) is None
    entries: list[bytes] = []
    for file, most_bytes in _shares(files):
        name = file.name if has_names and file != path else ""
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=20)
        part = _Part(file, most_bytes)
        size = part.size_bytes
        digest.update(size.to_bytes(8, "little"))
        if size <= most_bytes:
            digest.update(part.read(0, size))
        else:
            for data in _directories(part) if is_tiff else ():
                digest.update(data)
            piece = max(1, part.left_bytes // 4)
            head = piece if is_tiff else 2 * piece  # what is said of an image stands before it
            digest.update(part.read(0, head))
            for offset in (max(head, (size - piece) // 2), max(head, size - piece)):
                digest.update(part.read(offset, piece))
        entries.append(digest.digest())
    return sorted(entries)


def _shares(files: tuple[Path, ...]) -> Iterator[tuple[Path, int]]:
    """Yield files with how much is read of each: all of small ones, such as descriptions."""
    left = MOST_BYTES - (1 << 18)
    share, of_size = 0, -1
    in_order = sorted((file.stat().st_size, file) for file in files)
    for index, (size, file) in enumerate(in_order):
        if size != of_size:  # those of one size share alike, whatever their names
            share, of_size = left // (len(files) - index), size
        yield file, share
        left -= min(size, share)


# Directories of a TIFF --------------------------------------------------------------------------


def _directories(part: _Part) -> Iterator[bytes]:
    """Yield all directories of a TIFF with the values of their tags, then tiles of each of them.

    Nothing here is trusted: what is no directory ends the walk, the rest of the file still counts.
    """
    head = part.read(0, 16)
    # A large file may be Hamamatsu's NDPI, by its words a classic TIFF.
    words = tiff_words(head, is_long_ndpi=part.size_bytes >= LONG_NDPI_BYTES)
    if words is None or len(head) < 16:
        return
    most_bytes = min(_DIRECTORY_BYTES, part.left_bytes // 2)
    kept, part.left_bytes = part.left_bytes - most_bytes, most_bytes
    walk = _Walk(part, words)
    yield from walk.entries(struct.unpack_from(words.next, head, words.first_at)[0])
    yield from walk.long_values()
    part.left_bytes += kept
    lists = walk.lists
    for offsets, counts in lists:
        for tile in range(max(1, _TILES // len(lists))):
            yield walk.tile(offsets, counts, tile / max(1, _TILES // len(lists)))


_List = tuple[int, int, int]
"""A list of numbers in the file: where it is, how many there are, bytes each."""


class _Walk:
    """Through directories, the chain of them and those within them."""

    def __init__(self, part: _Part, words: TiffWords) -> None:
        self._part = part
        self._words = words
        self.lists: list[tuple[_List, _List]] = []
        self._long: list[tuple[int, int]] = []
        """Where long values are, and how long: they are read behind all others."""

    def entries(self, first: int) -> Iterator[bytes]:
        """Yield the bytes of the directory at `first`, of its values, and of all it leads to."""
        waiting, seen = deque([first]), set[int]()
        while waiting and len(seen) < _MOST_DIRECTORIES:
            at = waiting.popleft()
            if at == 0 or at in seen:
                continue
            seen.add(at)
            try:
                yield from self._directory(at, waiting)
            except struct.error:
                continue  # cut short: what is no directory has no values

    def tile(self, offsets: _List, counts: _List, share: float) -> bytes:
        """Return the middle of the tile that lies at a share of 0 to 1 of the list."""
        index = int(share * min(offsets[1], counts[1]))
        offset, size = self._number(offsets, index), self._number(counts, index)
        taken = min(size, _TILE_BYTES)
        return self._part.read(offset + (size - taken) // 2, taken)

    def _number(self, numbers: _List, index: int) -> int:
        at, _, size = numbers
        order = "little" if self._words.order == "<" else "big"
        return int.from_bytes(self._part.read_near(at + index * size, size), order)

    def _directory(self, at: int, waiting: deque[int]) -> Iterator[bytes]:
        part, words = self._part, self._words
        head, word = struct.calcsize(words.entry_count), struct.calcsize(words.word)
        (count,) = struct.unpack(words.entry_count, part.read_near(at, head))
        tail = struct.calcsize(words.next) + (4 * count if words.is_long else 0)
        size = count * words.entry_bytes
        block = part.read_near(at + head, size + tail)
        yield block
        if len(block) < size:
            return
        lists: dict[int, _List] = {}
        for index in range(count):
            start = index * words.entry_bytes
            code, kind, length = struct.unpack_from(words.entry, block, start)
            each = ITEM_BYTES.get(kind, 1)
            value_at = at + head + start + 4 + word
            if each * length > word:
                (value_at,) = struct.unpack_from(words.word, block, start + 4 + word)
                if words.is_long and len(block) == size + tail:
                    high = struct.unpack_from(f"{words.order}I", block, size + 8 + 4 * index)[0]
                    value_at += high << 32
                is_list = code in _OFFSET_TAGS or code in _OFFSET_TAGS.values()
                if is_list or each * length <= _VALUE_BYTES:
                    most_bytes = _LIST_BYTES if is_list else _VALUE_BYTES
                    yield from self._value(value_at, each * length, most_bytes)
                else:
                    self._long.append((value_at, each * length))
            lists[code] = (value_at, length, each)
            if code in _DIRECTORY_TAGS:
                numbers = range(min(length, _MOST_DIRECTORIES))
                waiting.extend(self._number(lists[code], number) for number in numbers)
        for offsets, counts in _OFFSET_TAGS.items():
            if offsets in lists and counts in lists and lists[offsets][1]:
                self.lists.append((lists[offsets], lists[counts]))
        if len(block) >= size + struct.calcsize(words.next):
            waiting.append(struct.unpack_from(words.next, block, size)[0])

    def long_values(self) -> Iterator[bytes]:
        """Yield long values, as much of them as may be read; all of the shorter ones first."""
        in_order = sorted(dict.fromkeys(self._long), key=lambda each: (each[1], each[0]))
        for index, (at, size) in enumerate(in_order):
            yield from self._value(at, size, self._part.left_bytes // (len(in_order) - index))

    def _value(self, at: int, size: int, most_bytes: int) -> Iterator[bytes]:
        if size <= most_bytes:
            yield self._part.read_near(at, size)
            return
        piece = most_bytes // 3
        for offset in (0, (size - piece) // 2, size - piece):
            yield self._part.read(at + offset, piece)
