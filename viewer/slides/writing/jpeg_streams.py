"""JPEG streams by their markers: what a decoder needs, and what is text or anything else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from viewer.slides.readers.jpeg_markers import (
    ADOBE,
    COMMENT,
    END,
    FRAMES,
    JFIF,
    SCAN,
    START,
    WITHOUT_LENGTH,
    markers,
)
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDD))
"""DHT, DAC, DQT and DRI."""
_STANDALONE = WITHOUT_LENGTH - {0x00, START, END}
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Adobe's marker, version 100, transform 0: the components are RGB."""
_KNOWN_COMMENTS = re.compile(
    rb"(Hamamatsu NanoZoomer Digital Pathology|LEAD Technologies Inc\. V[\d.]+|"
    rb"Intel\(R\) JPEG Library, version [\d.,]+|CREATOR: gd-jpeg v[\d.]+ \(using IJG JPEG v\d+\), "
    rb"quality = \d+\n?)\0*"
)
"""Names of programs, which every slide of a scanner holds alike."""


class StreamError(WritingError):
    """Bytes that are no stream of their coding."""


class Segment(msgspec.Struct, frozen=True):
    """A marker of a JPEG with what belongs to it.

    Attributes
    ----------
    start, end
        Where it lies in the stream. A scan reaches over its coded data to the next marker.
    """

    marker: int
    start: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a stream up to its end marker. Raises StreamError."""
    if data[:2] != b"\xff\xd8":
        raise StreamError("it does not begin like a JPEG")
    yield Segment(START, 0, 2)
    at = 2
    while at < len(data):
        start = at
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        head = data[at : at + 4]
        if len(head) < 2 or head[0] != 0xFF:
            raise StreamError("its markers are damaged")
        marker = head[1]
        if marker == END:
            yield Segment(marker, start, at + 2)
            return
        if marker in _STANDALONE:
            at += 2
            yield Segment(marker, start, at)
            continue
        length = int.from_bytes(head[2:], "big")
        at += 2 + length
        if length < 2 or at > len(data):
            raise StreamError("its markers are damaged")
        if marker == SCAN:
            at = _end_of_scan(data, at)
        yield Segment(marker, start, at)
    raise StreamError("it is cut short")


def without_texts(data: bytes, *, is_complete: bool = True) -> bytes:
    """Return a stream with nothing but what a decoder needs; the same bytes where that is all.

    Comments, Exif, XMP, previews and what follows the end go; the names of a few programs stay.

    Parameters
    ----------
    is_complete
        Whether the end is there; else the stream may end within a scan.

    Raises
    ------
    StreamError
        It is no JPEG.
    """
    kept: list[tuple[int, int]] = []
    found = segments(data)
    while True:
        try:
            segment = next(found)
        except StopIteration:
            break
        except StreamError:
            # All of the coded data, which is what a scan is cut short in.
            if is_complete or not kept or kept[-1][1] != len(data):
                raise
            break
        if _is_needed(segment, data):
            if kept and kept[-1][1] == segment.start:
                kept[-1] = (kept[-1][0], segment.end)
            else:
                kept.append((segment.start, segment.end))
    if len(kept) == 1 and not any(data[kept[0][1] :]):
        return data  # zeros fill tiles up
    return b"".join(data[start:end] for start, end in kept)


def is_only_a_scan(data: bytes, header: bytes) -> bool:
    """Return whether a stream is one scan behind a header that is known to hold no text.

    It tells in one look what `without_texts` finds segment by segment.
    """
    if not header or not data.startswith(header):
        return False
    marker = _NEXT_MARKER.search(data, len(header))
    return marker is not None and marker[0] == b"\xff\xd9" and not any(data[marker.end() :])


def end_of_header(data: bytes) -> int:
    """Return where the first scan's header ends; for long streams.

    Raises StreamError where `data`, the beginning of a stream, holds no scan.
    """
    for code, _, end in markers(data):
        if code == SCAN and end <= len(data):
            return end
    raise StreamError("it holds no scan")


def complete_stream(data: bytes, tables: bytes | None) -> bytes:
    """Return a tile as a JPEG that can be decoded alone, its shared tables moved into it.

    Raises StreamError.
    """
    if not tables:
        return data
    shared = b"".join(
        tables[each.start : each.end]
        for each in segments(tables)
        if each.marker in _TABLES or each.marker in (JFIF, ADOBE)
    )
    return data[:2] + shared + data[2:]


def with_rgb_marker(data: bytes) -> bytes:
    """Return a stream of RGB that says so by Adobe's marker; decoders take others for YCbCr."""
    if any(each.marker == ADOBE for each in segments(data)):
        return data
    return data[:2] + _ADOBE_RGB + data[2:]


def _is_needed(segment: Segment, data: bytes) -> bool:
    marker = segment.marker
    body = data[segment.start : segment.end].lstrip(b"\xff")[3:]
    if marker == JFIF:
        return body.startswith(b"JFIF\0") and len(body) == _JFIF_BYTES
    if marker == ADOBE:
        return body.startswith(b"Adobe") and len(body) == _ADOBE_BYTES
    if marker == COMMENT:
        return _KNOWN_COMMENTS.fullmatch(body) is not None
    return marker in (START, END, SCAN) or marker in FRAMES | _TABLES | _STANDALONE


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the coded data that begins at `at` ends: at a marker that is no restart."""
    marker = _NEXT_MARKER.search(data, at)
    return marker.start() if marker else len(data)
