"""What a DICOM file is, by its first bytes, without reading it."""

from __future__ import annotations

from typing import Literal

DicomKind = Literal["ann", "seg"]

HEAD_BYTES = 1024
"""So much of a file tells its kind."""
_MAGIC_AT, _MAGIC = 128, b"DICM"
_CLASS_TAG = b"\x02\x00\x02\x00UI"
"""MediaStorageSOPClassUID (0002,0002); the meta header is explicit little endian in every file."""
_KINDS: dict[bytes, DicomKind] = {
    b"1.2.840.10008.5.1.4.1.1.91.1": "ann",
    b"1.2.840.10008.5.1.4.1.1.66.4": "seg",
    b"1.2.840.10008.5.1.4.1.1.66.7": "seg",
}
"""Microscopy Bulk Simple Annotations; Segmentation, and that as a label map."""


def is_dicom(head: bytes) -> bool:
    """Return whether a file that begins like this is DICOM."""
    return head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def dicom_kind(head: bytes) -> DicomKind | None:
    """Return which annotations a DICOM file that begins like this holds; None for images."""
    _, found, rest = head.partition(_CLASS_TAG)
    if not found or len(rest) < 2:
        return None
    length = int.from_bytes(rest[:2], "little")
    return _KINDS.get(rest[2 : 2 + length].rstrip(b"\0 "))
