"""The two kinds of files of a store: segments, which hold blocks, and entries, which list them.

A segment is named by its content, and an entry says what is in it, so that neither is ever taken
for whole where it was torn, cut or changed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer.overlays.blocks import BlockKey
from viewer.overlays.segments.errors import SegmentError
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DIGEST_BYTES = 24


class ManifestEntry(msgspec.Struct, frozen=True):
    """One commit: a segment whose blocks count from now on.

    Attributes
    ----------
    segment
        Name of the segment, made of its content.
    size_bytes
        Of the segment.
    blocks
        Column and row of each block that the segment holds.
    check
        Digest of all else, so that a torn entry is known as one.
    """

    segment: str
    size_bytes: int
    blocks: list[tuple[int, int]]
    check: str = ""

    @classmethod
    def of(cls, segment: bytes, keys: Iterable[BlockKey]) -> ManifestEntry:
        """Return the entry for a segment."""
        blocks = [(key.column, key.row) for key in keys]
        plain = cls(segment_name(segment), len(segment), blocks)
        return msgspec.structs.replace(plain, check=plain._digest())

    @property
    def keys(self) -> list[BlockKey]:
        return [BlockKey(*block) for block in self.blocks]

    def _digest(self) -> str:
        return _digest(msgspec.json.encode((self.segment, self.size_bytes, self.blocks)))

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> ManifestEntry:
        """Read what `to_bytes` wrote. Raises SegmentError."""
        try:
            entry = msgspec.json.decode(data, type=prepared(cls))
        except DECODE_ERRORS as error:
            raise SegmentError("An entry of a manifest is torn.") from error
        if entry.check != entry._digest() or not entry.segment.isalnum():
            raise SegmentError("An entry of a manifest is damaged.")
        return entry


def segment_bytes(blocks: Mapping[BlockKey, bytes]) -> bytes:
    """Return blocks as a segment; the same blocks are the same bytes in any order."""
    return msgspec.msgpack.encode(
        [(key.column, key.row, data) for key, data in sorted(blocks.items())]
    )


def segment_name(data: bytes) -> str:
    """Return the name of a segment."""
    return _digest(data)


def read_segment(entry: ManifestEntry, data: bytes) -> dict[BlockKey, bytes]:
    """Return the blocks of the segment that an entry names.

    Raises
    ------
    SegmentError
        It is not whole, or not what the entry says.
    """
    if len(data) != entry.size_bytes or segment_name(data) != entry.segment:
        raise SegmentError(f"The segment {entry.segment} is not whole.")
    try:
        rows = msgspec.msgpack.decode(data, type=list[tuple[int, int, bytes]])
    except DECODE_ERRORS as error:
        raise SegmentError(f"The segment {entry.segment} is damaged.") from error
    return {BlockKey(column, row): result for column, row, result in rows}


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
