"""A TIFF written anew from what is kept of another: tiles as they are, tags by an allowlist."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

import msgspec
import numpy as np

from viewer.limits import COPIED_TILE_BYTES
from viewer.slides.tiff_words import ITEM_BYTES
from viewer.slides.writing.deidentifying.chunk_cleaning import (
    JPEG,
    NONE,
    ChunkCleaner,
    pixel_bytes,
)
from viewer.slides.writing.deidentifying.kept_tags import (
    STRUCTURE,
    are_places,
    are_upper_halves,
    is_structure,
)
from viewer.slides.writing.deidentifying.report import whole_profile
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.jpeg_streams import StreamError, end_of_header, without_texts
from viewer.slides.writing.tiff_output import (
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

_PLACES = {324: 325, 273: 279}
"""Tags of the offsets of tiles or strips, and of their byte counts."""
_TABLES, _PROFILE, _SUB_DIRECTORIES = 347, 34675, 330
_NARROW = frozenset((3, 4, 9, 11))
"""Types of numbers of which none has room for more than four letters."""
_LONG_CHUNK_BYTES = 16 << 20
_HEAD_BYTES = 4 << 20
_MOST_TIMES_COPIED = 4
"""The file; tiles that are one and the same count once an image."""
_BLOCK_BYTES = 8 << 20
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_MCU_STARTS, _UPPER_MCU_STARTS = 65426, 65432


class KeptDirectory(msgspec.Struct):
    """A directory of the source that the copy keeps.

    Attributes
    ----------
    texts
        The texts that it has in the copy, by the code of their tag.
    numbers
        Further tags that are kept where they hold one number, or the places of restarts.
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
        self._cleaner = ChunkCleaner(report)
        self._copied_bytes = 0
        self._most_bytes = _MOST_TIMES_COPIED * tiff.filehandle.size

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
            data = self._kept_data(tag, kept)
            if data is not None:
                if tag.code == _MCU_STARTS and shift:
                    starts = np.frombuffer(data, f"{self._order}u4").astype(np.int64) + shift
                    data = starts.astype(f"{self._order}u4").tobytes()
                tags.append(Tag(tag.code, int(tag.dtype), len(data) // ITEM_BYTES[tag.dtype], data))
            elif tag.code not in (*_PLACES, *_PLACES.values(), _SUB_DIRECTORIES):
                self._report.remove(f"tag {tag_name(tag)}")
        return OutDirectory(tags, [self._copied(sub, watch) for sub in kept.subs])

    def _kept_data(self, tag: TiffTag, kept: KeptDirectory) -> bytes | None:
        """Return the bytes of a tag that is kept; None for one that goes."""
        kind, page = int(tag.dtype), kept.page
        if tag.code == _TABLES and page.compression == JPEG:
            return self._cleaner.cleaned_tables(self._raw(tag))
        if tag.code == _PROFILE and kind in (1, 7):
            raw = self._raw(tag)
            profile = whole_profile(raw)
            if profile is not None:
                self._report.keep_profile(profile)
                if len(profile) < len(raw):
                    self._report.remove("bytes behind the ICC profile")
            return profile
        if tag.code in STRUCTURE:
            data = self._raw(tag)
            return data if is_structure(tag, page, data, self._order) else None
        if tag.code not in kept.numbers:
            return None
        if tag.code not in (_MCU_STARTS, _UPPER_MCU_STARTS):
            return self._raw(tag) if kind in _NARROW and tag.count == 1 else None
        data, size_bytes = self._raw(tag), _data_bytes(KeptDirectory(page))
        are_right = are_places if tag.code == _MCU_STARTS else are_upper_halves
        is_right = kind in (LONG, 13) and are_right(data, self._order, size_bytes)
        return data if is_right else None

    def _raw(self, tag: TiffTag) -> bytes:
        self._file.seek(tag.valueoffset)
        return self._file.read(ITEM_BYTES[int(tag.dtype)] * tag.count)

    def _chunks(
        self, page: TiffPage, places: int, sizes: int, watch: Watch
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Copy the tiles or strips; return their offsets, sizes, and how much the first shrank."""
        offsets, counts = self._array(page.tags[places]), self._array(page.tags[sizes])
        if len(offsets) != len(counts) or len(offsets) > _chunk_count(page):
            raise WritingError("The lists of its tiles do not fit together; the file is damaged.")
        new_offsets, new_counts = np.zeros_like(offsets), np.zeros_like(counts)
        shift = 0
        before = -1
        for index in map(int, np.lexsort((counts, offsets))):
            offset, count = offsets.item(index), counts.item(index)
            if count == 0:
                continue
            if before >= 0 and (offset, count) == (offsets.item(before), counts.item(before)):
                # Tiles of clear glass are often one and the same.
                new_offsets[index], new_counts[index] = new_offsets[before], new_counts[before]
                continue
            watch.check()
            size_bytes = pixel_bytes(page, index)
            if page.compression == JPEG and (self._is_ndpi or count > _LONG_CHUNK_BYTES):
                place, size, shift = self._long_jpeg(offset, count, watch)
            elif page.compression == NONE:
                size = min(count, size_bytes)
                place = self._as_it_is(offset, size, watch)
                if count > size:
                    self._report.remove("bytes behind an image")
            else:
                COPIED_TILE_BYTES.check(count, "")
                data = self._cleaner.cleaned(
                    self._read(offset, count), page.compression, size_bytes
                )
                place, size = self._output.append(data), len(data)
            new_offsets[index], new_counts[index], before = place, size, index
            self._copied_bytes += count
            if self._copied_bytes > self._most_bytes:
                raise WritingError("Its tiles lie on one another again and again; it is damaged.")
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

    def _as_it_is(self, offset: int, size: int, watch: Watch) -> int:
        """Copy pixels that are not compressed, block by block, and return their place."""
        place = self._output.size_bytes
        for at in range(offset, offset + size, _BLOCK_BYTES):
            watch.check()
            self._output.append(self._read(at, min(_BLOCK_BYTES, offset + size - at)))
        return place

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


def _chunk_count(page: TiffPage) -> int:
    """Return how many tiles or strips an image of a page's size has."""
    if page.is_tiled:
        across = -(-page.imagewidth // page.tilewidth) * -(-page.imagelength // page.tilelength)
        across *= -(-max(page.imagedepth, 1) // max(page.tiledepth, 1))
    else:
        across = -(-page.imagelength // max(page.rowsperstrip, 1)) * max(page.imagedepth, 1)
    return across * (1 if page.planarconfig == 1 else page.samplesperpixel)


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
