"""What the first frame of a DICOM file says of its colors, where its header may say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_header import is_ycbcr, read_jpeg_header

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.dicom.header import DicomHeader

_BASELINE_JPEG = "1.2.840.10008.1.2.4.50"
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_JP2_FILE = b"\0\0\0\x0cjP  "
_COLORS = 3
_FRAMES_FOLLOW = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0"
"""The element of pixels in an unknown number of items, and the first of these, its table."""
_ITEM = b"\xfe\xff\x00\xe0"
_BLOCK_BYTES = 1 << 20
_MOST_HEADER_BYTES = 64 << 20
"""A header lists each frame where they are not all there."""
_JPEG_HEADER_BYTES = 1 << 16


def misleads_openslide(path: Path, header: DicomHeader) -> bool:
    """Return whether OpenSlide would show other colors than the first frame holds, or none.

    It goes by the tag alone where the frames of JPEG have colors of their own, and reads codes of
    JPEG 2000 but not files of it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if header.transfer_syntax in _JPEG_2000:
        return _first_frame(path).startswith(_JP2_FILE)
    if header.transfer_syntax != _BASELINE_JPEG or header.samples != _COLORS:
        return False
    found = read_jpeg_header(_first_frame(path))
    tag_is_rgb = header.photometric == "RGB"
    return bool(found.component_ids) and is_ycbcr(found, tag_is_rgb) == tag_is_rgb


def _first_frame(path: Path) -> bytes:
    """Return the beginning of the first frame; empty where none is found."""
    at = _frames_at(path)
    if at is None:
        return b""
    with open_regular(path) as file:
        file.seek(at)
        table_bytes = int.from_bytes(file.read(4), "little")
        file.seek(at + 4 + table_bytes)
        return file.read(_JPEG_HEADER_BYTES) if file.read(8)[:4] == _ITEM else b""


def _frames_at(path: Path) -> int | None:
    """Return where the length of the table of frames is; None where there is none."""
    with open_regular(path) as file:
        block, start = b"", 0
        while start < _MOST_HEADER_BYTES:
            more = file.read(_BLOCK_BYTES)
            if not more:
                return None
            kept = block[-len(_FRAMES_FOLLOW) :]
            block = kept + more
            found = block.find(_FRAMES_FOLLOW)
            if found >= 0:
                return start - len(kept) + found + len(_FRAMES_FOLLOW)
            start += len(more)
    return None
