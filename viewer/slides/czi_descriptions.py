"""Where a CZI describes its images: segments that can lie anywhere among those with pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

CZI_MAGIC = b"ZISRAWFILE"
_POSITIONS = struct.Struct("<QQ4xQ")
"""Of the directory of images, the metadata and the directory of attachments."""
_POSITIONS_AT = 84
_SEGMENT = struct.Struct("<16sQQ")
"""How a segment begins: its kind, the bytes that it takes, and those of them that are used."""
_SEGMENT_BYTES = 1 << 18
"""Of one segment; of a longer one its beginning and end."""


class _Bytes(Protocol):
    def read(self, offset: int, size: int) -> bytes: ...


def czi_descriptions(file: _Bytes) -> Iterator[bytes]:
    """Yield what a CZI says of its images; nothing of other files. Nothing of it is trusted."""
    head = file.read(0, _POSITIONS_AT + _POSITIONS.size)
    if not head.startswith(CZI_MAGIC) or len(head) < _POSITIONS_AT + _POSITIONS.size:
        return
    for position in _POSITIONS.unpack_from(head, _POSITIONS_AT):
        begin = file.read(position, _SEGMENT.size) if position else b""
        if len(begin) < _SEGMENT.size:
            continue
        at, (_, allocated, used) = position + _SEGMENT.size, _SEGMENT.unpack(begin)
        size = used or allocated
        yield file.read(at, min(size, _SEGMENT_BYTES))
        if size > _SEGMENT_BYTES:
            rest = min(size - _SEGMENT_BYTES, _SEGMENT_BYTES)
            yield file.read(at + size - rest, rest)
