"""The elements at the top of a DICOM header, from the first bytes of a file and without its pixels.

Nothing here is trusted: what is no element ends the walk, and what came before it still counts.
"""

from __future__ import annotations

import re
import struct
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from viewer.limits import open_regular
from viewer.slides.dicom.plain_form import LONG, REWRITTEN, UNDEFINED_LENGTH, plain_form

if TYPE_CHECKING:
    from pathlib import Path

HEADER_BYTES = 1 << 16
"""So much of a file holds what is asked of its header here."""

_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"
_IMPLICIT = b"1.2.840.10008.1.2"
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_DELIMITERS, _ITEM, _END_OF_SEQUENCE = 0xFFFE, 0xE000, 0xE0DD
_ITEM_TAG = struct.pack("<HH", _DELIMITERS, _ITEM)
_META, _META_BYTES = 2, 1 << 12
_PIXELS = 0x7FE00010
_PLAIN_HEADER_BYTES = 1 << 20
TRANSFER_SYNTAX = 0x00020010
SAMPLES, PHOTOMETRIC, PLANAR, BITS_STORED = 0x00280002, 0x00280004, 0x00280006, 0x00280101


class DicomHeader(msgspec.Struct, frozen=True):
    """What a header says of the image and of the slide that it belongs to.

    Attributes
    ----------
    modality
        Such as "SM" of a slide's image, "ANN" of annotations or "CT".
    image_type
        Such as ("ORIGINAL", "PRIMARY", "VOLUME", "NONE").
    columns, rows
        Of the whole level in pixels, not of its tiles; 0 where they are unknown.
    samples
        Per pixel: 3 of a picture in color, 1 of a channel.
    photometric
        What the samples are, such as "RGB", "YBR_FULL_422" or "MONOCHROME2".
    planar
        1 where each color of a frame is stored for itself.
    concatenation, part, parts
        The level that this file is a part of, which part counted from 1, and how many there are;
        empty and 0 where the level is one file, or the file does not say.
    """

    series: str
    is_whole_slide: bool
    modality: str
    transfer_syntax: str
    image_type: tuple[str, ...]
    columns: int
    rows: int
    focal_planes: int
    optical_paths: int
    samples: int
    description: str
    container: str
    concatenation: str
    part: int
    parts: int
    photometric: str
    planar: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool

    @property
    def is_volume(self) -> bool:
        """Return whether the pixels are a slide's, and not of its label or an overview of it."""
        return not self.role

    @property
    def role(self) -> str:
        """Return what is shown beside the slide, such as "label"; empty for the slide itself."""
        beside = ("LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER")
        return next((each.lower() for each in self.image_type if each in beside), "")


def dicom_header(path: Path, most_bytes: int = HEADER_BYTES) -> DicomHeader | None:
    """Return what the header of a DICOM file says; None for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open_regular(path) as file:
        preamble = file.read(_PREAMBLE_BYTES + len(_MAGIC))
        if preamble[_PREAMBLE_BYTES:] != _MAGIC:
            return None
        return parsed_header(preamble + file.read(most_bytes))


def parsed_header(data: bytes) -> DicomHeader | None:
    """Return what a file that begins with `data` says of itself; None where it is not DICOM."""
    if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + len(_MAGIC)] != _MAGIC:
        return None
    values = {tag: each.value for tag, each in elements(data).items()}
    return DicomHeader(
        series=_text(values, 0x0020000E),
        is_whole_slide=_text(values, 0x00020002) == WHOLE_SLIDE,
        modality=_text(values, 0x00080060),
        transfer_syntax=_text(values, TRANSFER_SYNTAX),
        image_type=tuple(_text(values, 0x00080008).split("\\")),
        columns=_number(values, 0x00480006),
        rows=_number(values, 0x00480007),
        focal_planes=_number(values, 0x00480303),
        optical_paths=_number(values, 0x00480302),
        samples=_number(values, SAMPLES),
        description=_text(values, 0x0008103E),
        container=_text(values, 0x00400512),
        concatenation=_text(values, 0x00209161),
        part=_number(values, 0x00209162),
        parts=_number(values, 0x00209163),
        photometric=_text(values, PHOTOMETRIC),
        planar=_number(values, PLANAR),
        bits_allocated=_number(values, 0x00280100),
        bits_stored=_number(values, BITS_STORED),
        high_bit=_number(values, 0x00280102),
        is_signed=_number(values, 0x00280103) == 1,
    )


class Element(NamedTuple):
    """The value of an element, and where in the file it begins."""

    at: int
    value: bytes


def elements(data: bytes) -> dict[int, Element]:
    """Return the elements of a file that begins with `data`, but those in sequences, by tag.

    Of one in a form that is rewritten, the places are those in its plain form.
    """
    values: dict[int, Element] = {}
    at, depth, is_implicit = _PREAMBLE_BYTES + len(_MAGIC), 0, False
    is_meta = True
    while at + 8 <= len(data):
        group, element = struct.unpack_from("<HH", data, at)
        tag = group << 16 | element
        if is_meta and group != _META:
            is_meta, syntax = False, _syntax(values)
            if syntax.decode("ascii", "replace") in REWRITTEN:
                most_bytes = max(len(data), _PLAIN_HEADER_BYTES)
                data = bytes(plain_form(data, at, syntax.decode(), most_bytes))
                continue
            is_implicit = syntax == _IMPLICIT
        if tag == _PIXELS:
            break
        if group == _DELIMITERS:
            (length,) = struct.unpack_from("<I", data, at + 4)
            at += 8
            if element != _ITEM:
                depth -= 1
            elif length == UNDEFINED_LENGTH:
                depth += 1
            else:
                at += length
            continue
        at, length = _value_of(data, at, is_implicit)
        if length == UNDEFINED_LENGTH:
            depth += 1
            continue
        if depth == 0 and at + length <= len(data):
            values[tag] = Element(at, data[at : at + length])
        at += length
    return values


def _dataset_place(data: bytes) -> int:
    """Return where the elements after the meta header of a file that begins with `data` begin."""
    found = elements(data).items()
    return max(each.at + len(each.value) for tag, each in found if tag >> 16 == _META)


def plain_file(path: Path, syntax: str, most_bytes: int) -> bytearray:
    """Return a file in a form that is rewritten, as `plain_form`. Raises OSError."""
    with open_regular(path) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return plain_form(data, _dataset_place(data[:_PLAIN_HEADER_BYTES]), syntax, most_bytes)


def header_elements(data: bytes | bytearray | mmap, most: int) -> int:
    """Return how many elements and items stand before the pixels, in sequences too.

    Counted up to one more than `most`. In `data`, of a whole file, what is no element ends it.
    """
    is_implicit = _syntax(elements(bytes(data[:_META_BYTES]))) == _IMPLICIT
    at, depth, inside_until, count = _PREAMBLE_BYTES + len(_MAGIC), 0, 0, 0
    while at + 8 <= len(data) and count <= most:
        group, element = struct.unpack_from("<HH", data, at)
        if group << 16 | element == _PIXELS and depth <= 0 and at >= inside_until:
            break
        count += 1
        if group == _DELIMITERS:
            depth -= element == _END_OF_SEQUENCE
            at += 8
            continue
        kind = data[at + 4 : at + 6]
        at, length = _value_of(data, at, is_implicit and group != _META)
        if length == UNDEFINED_LENGTH:
            depth += 1
        elif kind == b"SQ" or data[at : at + 4] == _ITEM_TAG:
            inside_until = max(inside_until, at + length)
        else:
            at += length
    return count


def _syntax(values: dict[int, Element]) -> bytes:
    found = values.get(TRANSFER_SYNTAX)
    return found.value.rstrip(b"\0 ") if found else b""


def _value_of(data: bytes | bytearray | mmap, at: int, is_implicit: bool) -> tuple[int, int]:
    """Return where the value of the element at `at` begins, and its length."""
    kind = bytes(data[at + 4 : at + 6])
    if is_implicit or not re.fullmatch(rb"[A-Z]{2}", kind):
        return at + 8, struct.unpack_from("<I", data, at + 4)[0]
    if kind not in LONG:
        return at + 8, struct.unpack_from("<H", data, at + 6)[0]
    if at + 12 > len(data):
        return len(data), 0
    return at + 12, struct.unpack_from("<I", data, at + 8)[0]


def _text(values: dict[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("utf-8", "replace").strip("\0 ")


def _number(values: dict[int, bytes], tag: int) -> int:
    """Return an unsigned number of two or four bytes; 0 where there is none."""
    value = values.get(tag, b"")
    return int.from_bytes(value[:4], "little") if len(value) in (2, 4) else 0
