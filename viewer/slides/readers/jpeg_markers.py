"""The markers of a JPEG, as libjpeg walks them; nothing is decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from viewer.limits import JPEG_SCANS
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator

START, END, SCAN = 0xD8, 0xD9, 0xDA
JFIF, ADOBE, COMMENT = 0xE0, 0xEE, 0xFE
"""The markers of applications that tell colors, and that of comments."""
BASELINE, EXTENDED, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC3, 0xF7
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Of all kinds but JPEG-LS."""
PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
"""Those frames whose coefficients come in several passes."""
ARITHMETIC = frozenset((0xC9, 0xCA))
"""Those whose coefficients are in arithmetic coding, at once or in several passes."""
WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, SCAN)))
"""What has no length behind it, zero among them: it stands for a byte that is no marker."""

_SEGMENT = 0xFF
_FILLING = 0xFF
_LENGTH_BYTES = 2
_MOST = 1024
_NEXT = re.compile(rb"\xff[^\x00\xff]")
_SCAN_MARK, _END_MARK = bytes((_SEGMENT, SCAN)), bytes((_SEGMENT, END))

PADDING_BYTES = 64
"""How far before the end of the data an image may end."""


class Marker(NamedTuple):
    """A marker: its code, where it begins in the data, and where the next one does."""

    code: int
    start: int
    end: int


def markers(data: bytes) -> Iterator[Marker]:
    """Yield the markers behind the start of an image, up to the first scan or the end.

    Damage ends it, as do more than a thousand markers and bytes that fill up. The end of the last
    marker may lie beyond the data.
    """
    at = 2
    for _ in range(_MOST):
        head = data[at : at + 4]
        if len(head) < 2 or head[0] != _SEGMENT:
            return
        code = head[1]
        if code == _FILLING:
            at += 1
            continue
        size = 2
        if code not in WITHOUT_LENGTH:
            length = int.from_bytes(head[2:], "big")
            if len(head) < 4 or length < _LENGTH_BYTES:
                return
            size += length
        yield Marker(code, at, at + size)
        if code in (SCAN, END):
            return
        at += size


def check_scans(data: bytes) -> None:
    """Refuse a JPEG of so many scans that decoding it takes minutes.

    What lies behind the end of the image, as films of cameras do, and within segments counts for
    nothing.

    Raises
    ------
    ChunkError
        It has more than `JPEG_SCANS`.
    """
    if data.count(_SCAN_MARK) <= JPEG_SCANS.most:
        return
    at, found = 2, 0
    while marker := _NEXT.search(data, at):
        code = data[marker.end() - 1]
        if code == END:
            return
        if code == SCAN:
            found += 1
            if found > JPEG_SCANS.most:
                raise ChunkError(JPEG_SCANS.sentence("its JPEG data"))
        at = marker.end()
        if code not in WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + _LENGTH_BYTES], "big")


def is_cut_short(data: bytes) -> bool:
    """Return whether an image of the JPEG family has no end; the last of its bytes tell it.

    libjpeg fills the rest with gray and only warns.
    """
    return _END_MARK not in data[-PADDING_BYTES:]


def head_of(data: bytes) -> bytes | None:
    """Return all that `markers` reads of data with a scan; None of data that has none.

    Data that begins with the same bytes has the same markers, each with the same content.
    """
    found = [*markers(data)]
    if not found or found[-1].code != SCAN:
        return None
    return data[: found[-1].start + 2 + _LENGTH_BYTES]
