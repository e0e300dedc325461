"""A TIFF written anew from what is kept of another: tiles as they are, tags by an allowlist."""

from __future__ import annotations

import re
import zlib
from typing import IO, TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.writing.deidentifying.report import whole_profile
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.jpeg2000_streams import without_comments
from viewer.slides.writing.jpeg_streams import (
    StreamError,
    end_of_header,
    is_only_a_scan,
    without_texts,
)
from viewer.slides.writing.lossless_streams import without_rest_of_lzw, without_rest_of_zstd
from viewer.slides.writing.tiff_output import (
    ITEM_BYTES,
    LONG,
    LONG8,
    OutDirectory,
    Tag,
    TiffOutput,
    text_tag,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage, TiffTag

    from viewer.slides.writing.deidentifying.report import Report
    from viewer.slides.writing.watch import Watch

_STRUCTURE = frozenset((
    254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 320, 322, 323, 338,
    339, 340, 341, 529, 530, 531, 532, 32997,
))  # fmt: skip
"""Tags of sizes, codings and colors: numbers only."""
_PLACES = {324: 325, 273: 279}
"""Tags of the offsets of tiles or strips, and of their byte counts."""
_TABLES, _PROFILE, _SUB_DIRECTORIES = 347, 34675, 330
_MOST_NUMBERS = 16
"""Of a tag of the structure, besides color maps and minima; longer ones could hold anything."""
_LONG_NUMBERS = {320: 3 << 16}
_NUMERIC_KINDS = frozenset((1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 16, 17))
_JPEG, _NONE, _LZW, _ZSTD = 7, 1, 5, 50000
_DEFLATE, _JPEG2000 = (8, 32946), (33003, 33004, 33005, 34712)
_LONG_CHUNK_BYTES = 16 << 20
_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 8 << 20
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_MCU_STARTS = 65426


class KeptDirectory(msgspec.Struct):
    """A directory of the source that the copy keeps.

    Attributes
    ----------
    texts
        The texts that it has in the copy, by the code of their tag.
    numbers
        Further tags that are kept where they hold numbers.
    """

    page: TiffPage
    texts: dict[int, str] = msgspec.field(default_factory=dict[int, str])
    numbers: frozenset[int] = frozenset()
    subs: list[KeptDirectory] = msgspec.field(default_factory=list["KeptDirectory"])


class TiffCopy:
    """Copies directories of one TIFF to another."""

    def __init__(self, tiff: TiffFile, file: IO[bytes], output: TiffOutput, report: Report) -> None:
        self._order = tiff.byteorder
        self._is_ndpi = bool(tiff.is_ndpi)
        self._file = file
        self._output = output
        self._report = report
        self._copied_bytes = 0
        self._known_header = b""

    def write(self, directories: list[KeptDirectory], watch: Watch) -> None:
        """Copy all directories in their order. Raises WritingError and OSError."""
        self._all_bytes = max(sum(map(_data_bytes, directories)), 1)
        for directory in directories:
            self._output.add(self._copied(directory, watch))

    def _copied(self, kept: KeptDirectory, watch: Watch) -> OutDirectory:
        page = kept.page
        tags = [text_tag(code, text) for code, text in kept.texts.items()]
        shift = 0
        for places, sizes in _PLACES.items():
            if page.tags.get(places) is not None and page.tags.get(sizes) is not None:
                offsets, counts, shift = self._chunks(page, places, sizes, watch)
                tags += [self._output.offsets(places, offsets), self._output.offsets(sizes, counts)]
        for tag in page.tags:
            if tag.code in kept.texts:
                continue  # whoever wrote the new text has told of the old one
            data = self._kept_data(tag, kept, page.compression)
            if data is not None:
                if tag.code == _MCU_STARTS and shift:
                    starts = np.frombuffer(data, f"{self._order}u4").astype(np.int64) + shift
                    data = starts.astype(f"{self._order}u4").tobytes()
                tags.append(Tag(tag.code, int(tag.dtype), len(data) // ITEM_BYTES[tag.dtype], data))
            elif tag.code not in (*_PLACES, *_PLACES.values(), _SUB_DIRECTORIES):
                self._report.remove(f"tag {tag_name(tag)}")
        return OutDirectory(tags, [self._copied(sub, watch) for sub in kept.subs])

    def _kept_data(self, tag: TiffTag, kept: KeptDirectory, compression: int) -> bytes | None:
        """Return the bytes of a tag that is kept; None for one that goes."""
        kind = int(tag.dtype)
        if tag.code == _TABLES and compression == _JPEG:
            return self._clean(self._raw(tag), _JPEG, is_tables=True)
        if tag.code == _PROFILE and kind in (1, 7):
            raw = self._raw(tag)
            profile = whole_profile(raw)
            if profile is not None:
                self._report.keep_profile(profile)
                if len(profile) < len(raw):
                    self._report.remove("bytes behind the ICC profile")
            return profile
        most = _LONG_NUMBERS.get(tag.code, _MOST_NUMBERS)
        if tag.code in _STRUCTURE and kind in _NUMERIC_KINDS and tag.count <= most:
            return self._raw(tag)
        if tag.code in kept.numbers and kind in _NUMERIC_KINDS:
            return self._raw(tag)
        return None

    def _raw(self, tag: TiffTag) -> bytes:
        self._file.seek(tag.valueoffset)
        return self._file.read(ITEM_BYTES[int(tag.dtype)] * tag.count)

    def _chunks(
        self, page: TiffPage, places: int, sizes: int, watch: Watch
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Copy the tiles or strips; return their offsets, sizes, and how much the first shrank."""
        offsets, counts = self._array(page.tags[places]), self._array(page.tags[sizes])
        if len(offsets) != len(counts):
            raise WritingError("The lists of its tiles do not fit together; the file is damaged.")
        new_offsets, new_counts = np.zeros_like(offsets), np.zeros_like(counts)
        shift = 0
        done: dict[tuple[int, int], int] = {}
        for index in np.argsort(offsets, kind="stable").tolist():
            offset, count = offsets.item(index), counts.item(index)
            if count == 0:
                continue
            before = done.get((offset, count))
            if before is not None:  # tiles of clear glass are often one and the same
                new_offsets[index], new_counts[index] = new_offsets[before], new_counts[before]
                continue
            watch.check()
            if page.compression == _JPEG and (self._is_ndpi or count > _LONG_CHUNK_BYTES):
                place, size, shift = self._long_jpeg(offset, count, watch)
            else:
                most = _chunk_bytes(page) if page.compression == _NONE else count
                data = self._clean(self._read(offset, min(count, most)), page.compression)
                if page.compression == _LZW:
                    data = self._clean_lzw(data, _chunk_bytes(page))
                if count > most:
                    self._report.remove("bytes behind an image")
                place, size = self._output.append(data), len(data)
            new_offsets[index], new_counts[index] = place, size
            done[offset, count] = index
            self._copied_bytes += count
            watch.progressed(min(self._copied_bytes / self._all_bytes, 1.0))
        return new_offsets, new_counts, shift

    def _array(self, tag: TiffTag) -> NDArray[np.int64]:
        if tag.count > 1:
            dtype = {3: "u2", LONG: "u4", LONG8: "u8", 13: "u4", 18: "u8"}.get(int(tag.dtype))
            if dtype is not None:
                return np.frombuffer(self._raw(tag), self._order + dtype).astype(np.int64)
        return np.atleast_1d(np.asarray(tag.value, np.int64))

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise WritingError("A tile lies beyond the end of the file; it is cut short.")
        return data

    def _clean(self, data: bytes, compression: int, *, is_tables: bool = False) -> bytes:
        """Return the bytes of a tile without texts; the same bytes where it holds none."""
        try:
            if compression == _JPEG:
                if is_only_a_scan(data, self._known_header):
                    return data
                clean = without_texts(data)
                if clean is data and not is_tables:
                    self._known_header = data[: end_of_header(data)]
            elif compression in _JPEG2000:
                clean = without_comments(data)
            elif compression in _DEFLATE:
                stream = zlib.decompressobj()
                stream.decompress(data)
                clean = data[: len(data) - len(stream.unused_data)]
            elif compression == _ZSTD:
                clean = without_rest_of_zstd(data)
            elif compression in (_NONE, _LZW):
                clean = data
            else:
                raise WritingError(
                    f"Its tiles are compressed in a way (TIFF compression {int(compression)}) that "
                    "may hold texts that cannot be found here; convert it instead."
                )
        except (StreamError, zlib.error) as error:
            raise WritingError(f"One of its tiles is damaged ({error}).") from error
        if clean is not data and len(clean) != len(data):
            self._report.remove("texts within tiles")
        return clean

    def _clean_lzw(self, data: bytes, size: int) -> bytes:
        try:
            clean = without_rest_of_lzw(data, size)
        except StreamError as error:
            raise WritingError(f"One of its tiles is damaged ({error}).") from error
        if clean is not data:
            self._report.remove("texts within tiles")
        return clean

    def _long_jpeg(self, offset: int, count: int, watch: Watch) -> tuple[int, int, int]:
        """Copy a JPEG of any length; return place, size and by how much its header grew."""
        head = self._read(offset, min(count, _HEAD_BYTES))
        try:
            end = end_of_header(head)
            clean = without_texts(head[:end], is_complete=False)
        except StreamError as error:
            raise WritingError(f"One of its tiles is damaged ({error}).") from error
        if len(clean) != end:
            self._report.remove("texts within tiles")
        place = self._output.append(clean)
        size, at, last = len(clean), offset + end, b""
        while at < offset + count:
            watch.check()
            block = last + self._read(at, min(_BLOCK_BYTES, offset + count - at))
            at += len(block) - len(last)
            marker = _MARKER.search(block)
            if marker is not None:
                if marker[0] != b"\xff\xd9":
                    raise WritingError("A level holds more than coded pixels; it may be damaged.")
                self._output.append(block[: marker.end()])
                if at - len(block) + marker.end() < offset + count:
                    self._report.remove("bytes behind an image")
                return place, size + marker.end(), len(clean) - end
            # A marker may lie across the border of two blocks.
            last = block[-1:] if block.endswith(b"\xff") and at < offset + count else b""
            part = block[: len(block) - len(last)]
            self._output.append(part)
            size += len(part)
        return place, size, len(clean) - end


def _chunk_bytes(page: TiffPage) -> int:
    """Return how many bytes a tile or strip has at most when it is not compressed."""
    width, height = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength)
    if page.is_tiled:
        width, height = page.tilewidth, page.tilelength
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    return -(-width * samples * page.bitspersample // 8) * height * max(page.imagedepth, 1)


def tag_name(tag: TiffTag) -> str:
    """Return what a tag is called, or its number; never a text of the file."""
    return f"{tag.name}" if not str(tag.name).isdecimal() else f"{tag.code}"


def _data_bytes(kept: KeptDirectory) -> int:
    page = kept.page
    own = 0
    for sizes in _PLACES.values():
        tag = page.tags.get(sizes)
        if tag is not None:
            own += int(np.sum(np.asarray(tag.value, np.int64)))
    return own + sum(map(_data_bytes, kept.subs))
