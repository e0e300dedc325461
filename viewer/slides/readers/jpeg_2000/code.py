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
from viewer.slides.readers.jpeg_2000.colors import SIZE_MARKER, boxes
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from viewer.slides.readers.shared_file import AnyFile

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
_TELLING = frozenset((_SIZE, _CODING, _CODING_OF_COMPONENT, _ORDER, _PART))
_LEAST_PART_BYTES = 14
_LOOKED_THROUGH_BYTES = 1 << 16
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


class _Grid(NamedTuple):
    """Of one component of a tile."""

    precincts: int
    places: int
    """Where the decoder looks for precincts, if it goes from place to place."""
    blocks: int


def jpeg2k_decode(data: bytes, *, planar: bool = False) -> NDArray[Any]:
    """Decode a JPEG 2000 that is divided as pictures are. Raises ChunkError, or as imagecodecs."""
    check_divisions(data)
    return imagecodecs.jpeg2k_decode(data, planar=planar)


class CodePlace(NamedTuple):
    """Where the code of a JPEG 2000 lies in a file, or all of one with its boxes."""

    file: AnyFile
    offset: int
    size: int

    def read(self, at: int, size: int) -> bytes:
        """Return bytes of it, fewer at its end. Raises ChunkError."""
        return read_exactly(self.file, self.offset + at, max(min(size, self.size - at), 0))


class _Pieces(NamedTuple):
    """Into what a code is divided.

    Attributes
    ----------
    tiles, components
        How many there are.
    packets
        Of all tiles together.
    component_bytes
        What decoding takes for a component of a tile, beside its pixels.
    code_bytes
        Of the longest tile.
    """

    tiles: int
    components: int
    packets: int
    component_bytes: int
    code_bytes: int

    def check(self, taken: int) -> None:
        """Refuse too many pieces. Raises ChunkError."""
        if self.packets > JPEG_2000_PACKETS.most:
            raise ChunkError(JPEG_2000_PACKETS.sentence("its JPEG 2000 data", self.packets))
        if taken > JPEG_2000_BYTES.most:
            raise ChunkError(JPEG_2000_BYTES.sentence("its JPEG 2000 data", taken))


def check_divisions(data: bytes) -> None:
    """Refuse a JPEG 2000, with boxes around it or not, that decoding takes minutes or gigabytes of.

    Raises
    ------
    ChunkError
        It is divided into more pieces than `JPEG_2000_PACKETS` or `JPEG_2000_BYTES` allow. Of data
        that is damaged what comes before the damage counts; the decoder will refuse it.
    """
    begin = _code_start(data)
    pieces = _divided(lambda at, size: data[at : at + size], len(data), begin)
    pieces.check(pieces.tiles * pieces.components * pieces.component_bytes)


def tile_bytes(place: CodePlace) -> int:
    """Return what it takes to decode parts of a code, of which one tile at a time is in memory.

    That is the code of the longest tile, and the list of what that is divided into.

    Raises
    ------
    ChunkError
        It cannot be read, or is divided too finely, as in `check_divisions`.
    """
    pieces = _divided(place.read, place.size, 0)
    listed = pieces.components * pieces.component_bytes
    pieces.check(listed)
    return listed + pieces.code_bytes


def _divided(read: Callable[[int, int], bytes], size: int, begin: int) -> _Pieces:
    """Return what the markers of all headers say, from where the code begins.

    Parameters
    ----------
    read
        Gives bytes from a place on, fewer at the end.
    size
        Of all that can be read.
    """
    tile, count, components, layers, orders = (0, 0), 0, 0, 0, 1
    styles: set[_Style] = set()
    code_bytes: dict[int, int] = {}
    for code, start, body in _markers(read, size, begin):
        if code == _SIZE and len(body) >= 36 and not count:
            right, bottom, left, top, width, height, x, y, components = struct.unpack_from(
                ">8IH", body, 2
            )
            tile = min(width, max(right - left, 1)), min(height, max(bottom - top, 1))
            count = -(-(right - x) // max(width, 1)) * -(-(bottom - y) // max(height, 1))
        elif code == _CODING and len(body) >= 10:
            layers = max(layers, int.from_bytes(body[2:4], "big"))
            styles.add(_style(body[0], body[5:]))
        elif code == _CODING_OF_COMPONENT:
            at = 1 if components < _MANY_COMPONENTS else 2
            if len(body) - at >= 6:
                styles.add(_style(body[at], body[at + 1 :]))
        elif code == _ORDER:
            orders += (len(body) + 4) // 7
        elif code == _PART:
            number = int.from_bytes(body[:2], "big")
            length = int.from_bytes(body[2:6], "big")
            length = min(length or size, size - start)
            code_bytes[number] = code_bytes.get(number, 0) + length
    found = [_grid(each, *tile) for each in styles]
    if not found or count <= 0:
        return _Pieces(0, 0, 0, 0, 0)
    # Tiles and components have styles of their own: each may have the worst.
    packets = max(max(layers * each.precincts, each.places) for each in found)
    taken = max(each.precincts * _PRECINCT_BYTES + each.blocks * _BLOCK_BYTES for each in found)
    return _Pieces(
        count,
        components,
        packets * count * components * orders,
        taken + _COMPONENT_BYTES,
        max(code_bytes.values(), default=0),
    )


def _code_start(data: bytes) -> int:
    """Return where the code begins; that of no box is sought by no decoder."""
    if data.startswith(_START):
        return 0
    found = boxes(io.BytesIO(data), 0, len(data))
    start = next((start for kind, start, _ in found if kind == b"jp2c"), None)
    if start is None:
        raise ChunkError("its JPEG 2000 data holds no code")
    return start


def _markers(
    read: Callable[[int, int], bytes], size: int, begin: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield each marker of all headers, where it begins and what follows its length, up to damage.

    What follows is read of those alone that tell of divisions.
    """
    at, part_end = begin + 2, 0
    for walked in itertools.count():
        if walked > JPEG_2000_MARKERS.most:
            raise ChunkError(JPEG_2000_MARKERS.sentence("its JPEG 2000 data", walked))
        head = read(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _END:
            return
        code = head[1]
        if code == _DATA:
            at = max(part_end, at + 2)
            continue
        if code not in _WITH_LENGTH:
            at = _next_known(read, size, at + 2)
            continue
        end = at + 2 + int.from_bytes(head[2:], "big")
        if end < at + 4 or end > size:
            return
        body = read(at + 4, end - at - 4) if code in _TELLING else b""
        if code == _PART:
            length = int.from_bytes(body[2:6], "big")
            part_end = at + length if length >= _LEAST_PART_BYTES else size if not length else 0
        yield code, at, body
        at = end


def _next_known(read: Callable[[int, int], bytes], size: int, at: int) -> int:
    """Return where OpenJPEG goes on behind a marker that it does not know: by steps of 2 bytes."""
    while at < size:
        data, found = read(at, _LOOKED_THROUGH_BYTES), -1
        while (found := data.find(b"\xff", found + 1)) >= 0:
            if found % 2 == 0 and data[found + 1 : found + 2] in _KNOWN_CODES:
                return at + found
        at += _LOOKED_THROUGH_BYTES
    return size


_KNOWN_CODES = frozenset(bytes((code,)) for code in (*_WITH_LENGTH, _DATA, _END))


def _style(flags: int, body: bytes) -> _Style:
    """Return what stands in COD and COC: levels, code-blocks, two more, and the precincts."""
    levels = min(body[0], _MOST_LEVELS)
    sizes = body[5 : 6 + levels] if flags & _HAS_PRECINCTS else b""
    sizes = sizes.ljust(levels + 1, bytes((_WHOLE,)))
    block = (body[1] & 15) + 2, (body[2] & 15) + 2
    return _Style(block, tuple((each & 15, each >> 4) for each in sizes))


@functools.lru_cache(maxsize=256)  # tiles of a slide have the same
def _grid(style: _Style, width_px: int, height_px: int) -> _Grid:
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
    return _Grid(precincts, most_across * most_down * (levels + 1), blocks)
