"""Pictures made of very many tiny parts, told before a library walks through them one by one.

Pillow reads markers and chunks in Python and keeps what they hold: two million empty ones took half
a minute, six million a gigabyte. Parts in any number are well where they are of some length: a GIF
has one for each 255 bytes, however large it is.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from viewer.limits import SMALL_PARTS, LimitError, open_regular
from viewer.slides.readers.jpeg_markers import END, SCAN, WITHOUT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LEAST_BYTES = 64
"""For a part, of all parts together."""
_SIGNATURE_BYTES = 12
_PNG_CHUNK, _PNG_END = 12, b"IEND"
"""Length, name and checksum of a chunk."""
_GIF_HEAD, _GIF_IMAGE = 13, 9
_GIF_TABLE, _GIF_TABLE_BITS = 0x80, 0x07


def check_parts(path: Path) -> None:
    """Refuse a JPEG, PNG, GIF or WebP of very many parts of a few bytes each.

    Raises
    ------
    LimitError
        It is.
    OSError
        It cannot be read.
    """
    with open_regular(path) as file:
        signature = file.read(_SIGNATURE_BYTES)
        walk = next((walk for is_of, walk in _WALKS if is_of(signature)), None)
        if walk is None:
            return
        file.seek(0)
        for count, end in enumerate(walk(file), 1):
            if count % SMALL_PARTS.most == 0 and end < _LEAST_BYTES * count:
                raise LimitError(SMALL_PARTS.sentence(path.name, count))


def _of_jpeg(file: IO[bytes]) -> Iterator[int]:
    """Yield where each marker and each byte that fills up ends, up to the first scan.

    What comes then is walked through by libjpeg, quickly.
    """
    file.seek(2)
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        code = head[1]
        if code == 0xFF:
            file.seek(-1, 1)
        elif code in (SCAN, END):
            return
        elif code not in WITHOUT_LENGTH:
            length = int.from_bytes(file.read(2), "big")
            if length < 2:
                return
            file.seek(length - 2, 1)
        yield file.tell()


def _of_png(file: IO[bytes]) -> Iterator[int]:
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != _PNG_END:
        yield file.seek(int.from_bytes(head[:4], "big") + _PNG_CHUNK - 8, 1)


def _of_gif(file: IO[bytes]) -> Iterator[int]:
    file.seek(_gif_table(file.read(_GIF_HEAD)[10:11]), 1)
    while introducer := file.read(1):
        match introducer:
            case b",":
                descriptor = file.read(_GIF_IMAGE)
                file.seek(_gif_table(descriptor[-1:]) + 1, 1)
            case b"!":
                file.seek(1, 1)
            case _:
                return
        while (size := file.read(1)) and size != b"\0":
            yield file.seek(size[0], 1)
        yield file.tell()


def _gif_table(packed: bytes) -> int:
    """Return the bytes of the color table that follows, as its flags say."""
    if not packed or not packed[0] & _GIF_TABLE:
        return 0
    return 3 << (packed[0] & _GIF_TABLE_BITS) + 1


def _of_webp(file: IO[bytes]) -> Iterator[int]:
    file.seek(_SIGNATURE_BYTES)
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        yield file.seek(size + size % 2, 1)


_WALKS: tuple[tuple[Callable[[bytes], bool], Callable[[IO[bytes]], Iterator[int]]], ...] = (
    (lambda head: head.startswith(b"\xff\xd8"), _of_jpeg),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _of_png),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), _of_gif),
    (lambda head: head.startswith(b"RIFF") and head.endswith(b"WEBP"), _of_webp),
)
