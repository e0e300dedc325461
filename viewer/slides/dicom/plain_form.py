"""DICOM files in deflated or big-endian form, rewritten in Explicit VR Little Endian in memory."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from viewer.limits import DICOM_ELEMENTS

if TYPE_CHECKING:
    from mmap import mmap

_PLAIN, _DEFLATED, _BIG = (f"1.2.840.10008.1.2.{end}" for end in ("1", "1.99", "2"))
REWRITTEN = frozenset((_DEFLATED, _BIG))
"""Transfer syntaxes of which nothing but the meta header can be read as it is stored."""
LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR",
                  b"UT", b"UV"))  # fmt: skip
"""Value representations whose lengths have four bytes."""
_WIDTHS = {
    2: (b"AT", b"OW", b"SS", b"US"),
    4: (b"FL", b"OF", b"OL", b"SL", b"UL"),
    8: (b"FD", b"OD", b"OV", b"SV", b"UV"),
}
_NUMBER_BYTES = {kind: width for width, kinds in _WIDTHS.items() for kind in kinds}
"""Bytes of a number of the value representations that hold numbers."""
_DELIMITERS = 0xFFFE
UNDEFINED_LENGTH = 0xFFFFFFFF
"""Of a value that goes on to a delimiter."""
_BLOCK_BYTES = 1 << 16


def plain_form(data: bytes | mmap, begin: int, syntax: str, most_bytes: int) -> bytearray:
    """Return what a file holds as it would be in Explicit VR Little Endian.

    Of what is damaged, or longer than `most_bytes`, that is the beginning.

    Parameters
    ----------
    data
        The file or its beginning.
    begin
        Where the elements after the meta header begin.
    syntax
        One of `REWRITTEN`.
    """
    stored = syntax.encode()
    plain = bytearray(data[:begin].replace(stored, _PLAIN.encode().ljust(len(stored), b"\0")))
    if syntax == _DEFLATED:
        _inflate(data, begin, plain, most_bytes)
    else:
        with memoryview(data) as stored_form:
            plain += stored_form[begin : max(begin, most_bytes)]
        _turn_round(plain, begin)
    return plain


def _inflate(data: bytes | mmap, begin: int, plain: bytearray, most_bytes: int) -> None:
    """Append what is packed in `data` from a place on, as far as it can be unpacked."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    while len(plain) < most_bytes and not unpacker.eof:
        packed = unpacker.unconsumed_tail or data[begin : begin + _BLOCK_BYTES]
        if not unpacker.unconsumed_tail:
            begin += len(packed)
        if not packed:
            plain += unpacker.flush()  # the end of the last run of equal bytes
            return
        room = min(most_bytes - len(plain), _BLOCK_BYTES << 4)
        try:
            plain += unpacker.decompress(packed, room)
        except zlib.error:
            return


def _turn_round(plain: bytearray, at: int) -> None:
    """Turn the bytes of all numbers from a place on, those of tags and lengths too.

    Both orders of bytes take the same room, so all stays at its place.
    """
    for _ in range(DICOM_ELEMENTS.most + 1):
        if at + 8 > len(plain):
            return
        (group,) = struct.unpack_from(">H", plain, at)
        _turn(plain, at, at + 4, 2)
        if group == _DELIMITERS:
            _turn(plain, at + 4, at + 8, 4)
            at += 8
            continue
        kind = bytes(plain[at + 4 : at + 6])
        if kind not in LONG:
            _turn(plain, at + 6, at + 8, 2)
            (length,) = struct.unpack_from("<H", plain, at + 6)
            at += 8
        elif at + 12 > len(plain):
            return
        else:
            _turn(plain, at + 8, at + 12, 4)
            (length,) = struct.unpack_from("<I", plain, at + 8)
            at += 12
        if kind == b"SQ" or length == UNDEFINED_LENGTH:
            continue  # its items come next
        _turn(plain, at, at + length, _NUMBER_BYTES.get(kind, 1))
        at += length


def _turn(plain: bytearray, begin: int, end: int, width: int) -> None:
    """Turn the bytes of each whole number between two places."""
    end = min(end, len(plain))
    count = (end - begin) // width
    if width > 1 and count > 0:
        np.frombuffer(plain, f"u{width}", count, begin).byteswap(inplace=True)
