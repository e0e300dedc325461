# (imagecodecs brings types that are not complete)
"""The code of a JPEG 2000: how finely it is divided, read from its markers before it is decoded.

OpenJPEG takes 1.7 kB and 6 µs for each precinct, 370 bytes for each code-block, 4 kB for each
component of a tile, and 80 ns for each packet, of which a code of a kilobyte can claim billions.
"""

from __future__ import annotations

import functools
import io
import itertools
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import imagecodecs

from viewer.limits import JPEG_2000_BYTES, JPEG_2000_MARKERS, JPEG_2000_PACKETS
from viewer.slides.readers.jpeg_2000 import SIZE_MARKER, boxes
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

IN_TIFF = frozenset((33003, 33004, 33005, 34712))
"""Compressions of TIFF."""

_START = SIZE_MARKER[:2]
_SIZE, _CODING, _CODING_OF_COMPONENT, _ORDER = 0x51, 0x52, 0x53, 0x5F
_PART, _DATA, _END = 0x90, 0x93, 0xD9
_WITH_LENGTH = frozenset(
    bytes.fromhex("50 51 52 53 55 57 58 59 5c 5d 5e 5f 60 61 63 64 74 75 77 78 90")
)
"""What OpenJPEG knows; it looks for the next of these behind any other, whatever that one's length
says."""
_LEAST_PART_BYTES = 14
_HAS_PRECINCTS, _WHOLE = 1, 0xFF
_MOST_LEVELS = 32
_PRECINCT_BYTES, _BLOCK_BYTES, _COMPONENT_BYTES = 1800, 400, 4096
_MANY_COMPONENTS = 257
"""From here on the number of a component has two bytes."""


class _Style(NamedTuple):
    """How the resolutions of a component are divided, the smallest first."""

    block: tuple[int, int]
    precincts: tuple[tuple[int, int], ...]
    """Width and height, as exponents of 2 like that of a code-block."""


class _Pieces(NamedTuple):
    """Of one component of a tile."""

    precincts: int
    places: int
    """Where the decoder looks for precincts, if it goes from place to place."""
    blocks: int


def jpeg2k_decode(data: bytes, *, planar: bool = False) -> NDArray[Any]:
    """Decode a JPEG 2000 that is divided as pictures are. Raises ChunkError, or as imagecodecs."""
    check_divisions(data)
    return imagecodecs.jpeg2k_decode(data, planar=planar)


def check_divisions(data: bytes) -> int:
    """Refuse a JPEG 2000, with boxes around it or not, that decoding takes minutes or gigabytes of.

    Return the bytes that its pieces take beside those of the pixels.

    Raises
    ------
    ChunkError
        It is divided into more pieces than `JPEG_2000_PACKETS` or `JPEG_2000_BYTES` allow. Of data
        that is damaged what comes before the damage counts; the decoder will refuse it.
    """
    begin = _code_start(data)
    tile, count, components, layers, orders = (0, 0), 0, 0, 0, 1
    styles: set[_Style] = set()
    for code, start, end in _markers(data, begin):
        if code == _SIZE and end - start >= 40 and not count:
            right, bottom, left, top, width, height, x, y, components = struct.unpack_from(
                ">8IH", data, start + 6
            )
            tile = min(width, max(right - left, 1)), min(height, max(bottom - top, 1))
            count = -(-(right - x) // max(width, 1)) * -(-(bottom - y) // max(height, 1))
        elif code == _CODING and end - start >= 14:
            layers = max(layers, int.from_bytes(data[start + 6 : start + 8], "big"))
            styles.add(_style(data[start + 4], data[start + 9 : end]))
        elif code == _CODING_OF_COMPONENT:
            at = start + (5 if components < _MANY_COMPONENTS else 6)
            if end - at >= 6:
                styles.add(_style(data[at], data[at + 1 : end]))
        elif code == _ORDER:
            orders += (end - start) // 7
    found = [_pieces(each, *tile) for each in styles]
    if not found or count <= 0:
        return 0
    # Tiles and components have styles of their own: each may have the worst.
    parts = count * components
    packets = max(max(layers * each.precincts, each.places) for each in found) * parts * orders
    if packets > JPEG_2000_PACKETS.most:
        raise ChunkError(JPEG_2000_PACKETS.sentence("its JPEG 2000 data", packets))
    taken = max(each.precincts * _PRECINCT_BYTES + each.blocks * _BLOCK_BYTES for each in found)
    taken = parts * (taken + _COMPONENT_BYTES)
    if taken > JPEG_2000_BYTES.most:
        raise ChunkError(JPEG_2000_BYTES.sentence("its JPEG 2000 data", taken))
    return taken


def _code_start(data: bytes) -> int:
    """Return where the code begins; that of no box is sought by no decoder."""
    if data.startswith(_START):
        return 0
    found = boxes(io.BytesIO(data), 0, len(data))
    start = next((start for kind, start, _ in found if kind == b"jp2c"), None)
    if start is None:
        raise ChunkError("its JPEG 2000 data holds no code")
    return start


def _markers(data: bytes, begin: int) -> Iterator[tuple[int, int, int]]:
    """Yield each marker of all headers, where it begins and its segment ends, up to damage."""
    at, part_end = begin + 2, 0
    for walked in itertools.count():
        if walked > JPEG_2000_MARKERS.most:
            raise ChunkError(JPEG_2000_MARKERS.sentence("its JPEG 2000 data", walked))
        head = data[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] == _END:
            return
        code = head[1]
        if code == _DATA:
            at = max(part_end, at + 2)
            continue
        if code not in _WITH_LENGTH:
            at = _next_known(data, at + 2)
            continue
        end = at + 2 + int.from_bytes(head[2:], "big")
        if end < at + 4 or end > len(data):
            return
        if code == _PART:
            length = int.from_bytes(data[at + 6 : at + 10], "big")
            part_end = (
                at + length if length >= _LEAST_PART_BYTES else len(data) if not length else 0
            )
        yield code, at, end
        at = end


def _next_known(data: bytes, at: int) -> int:
    """Return where OpenJPEG goes on behind a marker that it does not know: by steps of 2 bytes."""
    while (found := data.find(b"\xff", at)) >= 0:
        if (found - at) % 2 == 0 and data[found + 1 : found + 2] in _KNOWN_CODES:
            return found
        at = found + 1 + (found - at + 1) % 2
    return len(data)


_KNOWN_CODES = frozenset(bytes((code,)) for code in (*_WITH_LENGTH, _DATA, _END))


def _style(flags: int, body: bytes) -> _Style:
    """Return what stands in COD and COC: levels, code-blocks, two more, and the precincts."""
    levels = min(body[0], _MOST_LEVELS)
    sizes = body[5 : 6 + levels] if flags & _HAS_PRECINCTS else b""
    sizes = sizes.ljust(levels + 1, bytes((_WHOLE,)))
    block = (body[1] & 15) + 2, (body[2] & 15) + 2
    return _Style(block, tuple((each & 15, each >> 4) for each in sizes))


@functools.lru_cache(maxsize=256)  # tiles of a slide have the same
def _pieces(style: _Style, width_px: int, height_px: int) -> _Pieces:
    precincts = blocks = most_across = most_down = 0
    levels = len(style.precincts) - 1
    for index, precinct in enumerate(style.precincts):
        size = [-(-side >> (levels - index)) for side in (width_px, height_px)]
        across, down = (-(-side >> power) for side, power in zip(size, precinct, strict=True))
        precincts += across * down
        most_across, most_down = max(most_across, across), max(most_down, down)
        # Above the smallest resolution there are three bands of half its sides.
        halved = 1 if index else 0
        blocks_across, blocks_down = (
            -(-side >> halved + min(power, max(within - halved, 0)))
            for side, power, within in zip(size, style.block, precinct, strict=True)
        )
        blocks += (3 if index else 1) * blocks_across * blocks_down
    return _Pieces(precincts, most_across * most_down * (levels + 1), blocks)
