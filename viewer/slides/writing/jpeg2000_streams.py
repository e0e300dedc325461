"""JPEG 2000 codestreams by their markers: comments are taken out, the coded data stays."""

from __future__ import annotations

import re

from viewer.limits import JPEG_2000_MARKERS
from viewer.slides.writing.jpeg_streams import StreamError

_SOC, _SOT, _SOD, _EOC, _COMMENT = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9, 0xFF64
_KNOWN = re.compile(
    rb"(Kakadu-v?[\d.]+|Created by OpenJPEG version [\d.]+|"
    rb"Creator: (JasPer|OpenJPEG) (Version )?[\d.]+|"
    rb"Kdu-Layer-Info: log_2\{Delta-D\((MSE|squared-error)\)/"
    rb"(\[2\^16\*Delta-L\(bytes\)\]|Delta-L\(bytes\))\}, L\(bytes\)\n[ \d.,eE+\-\n]*)\0*"
)
"""Names of programs, which say nothing of a patient."""
_BOX_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_NEEDED_BOXES = (b"jP  ", b"ftyp", b"jp2h", b"jp2c")


def without_comments(data: bytes) -> bytes:
    """Return a codestream or JP2 file without comments, XML, UUID and other boxes.

    Raises StreamError where it is neither.
    """
    if data.startswith(_BOX_SIGNATURE):
        return _boxes(data)
    return _codestream(data)


def _codestream(data: bytes) -> bytes:
    """Return a codestream without comments. Raises StreamError."""
    if int.from_bytes(data[:2], "big") != _SOC:
        raise StreamError("it does not begin like a JPEG 2000")
    parts: list[bytes] = [data[:2]]
    at = 2
    while at + 2 <= len(data):
        JPEG_2000_MARKERS.check(len(parts), "An image of it")
        marker = int.from_bytes(data[at : at + 2], "big")
        if marker == _EOC:
            parts.append(data[at : at + 2])
            return _joined(parts, data)
        if marker == _SOT:
            length = int.from_bytes(data[at + 6 : at + 10], "big") or _to_the_end(data, at)
            if not 14 <= length <= len(data) - at:
                raise StreamError("its tiles are damaged")
            parts.append(_tile_part(data[at : at + length]))
            at += length
            continue
        end = _end_of(data, at)
        if not _is_comment(data, at, end):
            parts.append(data[at:end])
        at = end
    return _joined(parts, data)  # scanners leave the end marker out


def _tile_part(part: bytes) -> bytes:
    """Return a part of a tile without the comments in its header, its length set right."""
    kept, at = [part[:12]], 12
    while int.from_bytes(part[at : at + 2], "big") != _SOD:
        end = _end_of(part, at)
        if not _is_comment(part, at, end):
            kept.append(part[at:end])
        at = end
    whole = b"".join((*kept, part[at:]))
    if len(whole) == len(part):
        return part
    has_length = any(part[6:10])
    return whole[:6] + (len(whole).to_bytes(4, "big") if has_length else bytes(4)) + whole[10:]


def _end_of(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    if data[at : at + 1] != b"\xff" or length < 2 or at + 2 + length > len(data):
        raise StreamError("its markers are damaged")
    return at + 2 + length


def _is_comment(data: bytes, at: int, end: int) -> bool:
    if int.from_bytes(data[at : at + 2], "big") != _COMMENT:
        return False
    return _KNOWN.fullmatch(data[at + 6 : end]) is None


def _to_the_end(data: bytes, at: int) -> int:
    end = data.rfind(b"\xff\xd9", at)
    return (end if end > 0 else len(data)) - at


def _boxes(data: bytes) -> bytes:
    kept: list[bytes] = []
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if (size and size < head) or end > len(data):
            raise StreamError("its boxes are damaged")
        if kind == b"jp2c":
            stream = _codestream(data[at + head : end])
            kept.append((len(stream) + 8).to_bytes(4, "big") + b"jp2c" + stream)
        elif kind in _NEEDED_BOXES:
            kept.append(data[at:end])
        at = end
    return _joined(kept, data)


def _joined(parts: list[bytes], data: bytes) -> bytes:
    whole = b"".join(parts)
    return data if whole == data else whole
