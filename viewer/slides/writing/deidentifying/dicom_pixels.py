"""The pixels of a DICOM file, frame by frame: copied as they are, texts within them taken out."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from viewer.limits import COPIED_TILE_BYTES, DICOM_FRAGMENTS
from viewer.slides.dicom.plain_form import UNDEFINED_LENGTH
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.jpeg2000_streams import without_comments
from viewer.slides.writing.jpeg_streams import StreamError, without_texts

if TYPE_CHECKING:
    from typing import IO

    from viewer.slides.writing.deidentifying.report import Report
    from viewer.slides.writing.watch import Watch

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_JPEG = frozenset((
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
))  # fmt: skip
_JPEG_LS = frozenset(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"))
_JPEG2000 = frozenset((
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203",
))  # fmt: skip
_RUN_LENGTH = "1.2.840.10008.1.2.5"
_BLOCK_BYTES = 8 << 20
_MOST_TABLE_BYTES = (1 << 32) - 1


class Frames(msgspec.Struct, frozen=True):
    """Where the coded frames of a file lie: of each, its fragments' offsets and sizes."""

    fragments: list[list[tuple[int, int]]]

    @property
    def size_bytes(self) -> int:
        return sum(size for frame in self.fragments for _, size in frame)


def encapsulated_frames(file: BinaryIO, start: int, count: int) -> Frames:
    """Return the frames of encapsulated pixels whose first item begins at `start`.

    Raises WritingError where fragments cannot be told apart by frames.
    """
    file.seek(start)
    items: list[tuple[int, int]] = []
    while (head := file.read(8))[:4] == _ITEM:
        (size,) = struct.unpack("<I", head[4:])
        items.append((file.tell(), size))
        DICOM_FRAGMENTS.check(len(items), "A file of it")
        file.seek(size, 1)
    if head[:4] != _DELIMITER or not items or count > len(items):
        raise WritingError("The pixels of a file are damaged or cut short.")
    (table_at, table_size), *fragments = items
    if len(fragments) == count:
        return Frames([[each] for each in fragments])
    if count == 1:
        return Frames([fragments])
    if table_size != 4 * count:
        raise WritingError("The frames of a file cannot be told apart; convert it instead.")
    file.seek(table_at)
    offsets = struct.unpack(f"<{table_size // 4}I", file.read(table_size // 4 * 4))
    first = fragments[0][0] - 8 if fragments else 0
    begins = {first + offset for offset in offsets}
    frames: list[list[tuple[int, int]]] = []
    for place, size in fragments:
        if place - 8 in begins or not frames:
            frames.append([])
        frames[-1].append((place, size))
    if len(frames) != count:
        raise WritingError("The frames of a file cannot be told apart; convert it instead.")
    return Frames(frames)


def copy_encapsulated(
    file: BinaryIO, out: IO[bytes], frames: Frames, syntax: str, report: Report, watch: Watch
) -> None:
    """Write pixels as a fragment a frame behind a table of offsets.

    Raises WritingError and OSError.
    """
    out.write(_PIXEL_DATA + b"OB\0\0" + struct.pack("<I", UNDEFINED_LENGTH))
    # Each fragment has a head, and may need to be filled up.
    size = frames.size_bytes + 9 * len(frames.fragments)
    table_size = 4 * len(frames.fragments) if size < _MOST_TABLE_BYTES else 0
    out.write(_ITEM + struct.pack("<I", table_size))
    table_at = out.tell()
    out.write(bytes(table_size))
    first = out.tell()
    offsets: list[int] = []
    for index, frame in enumerate(frames.fragments):
        watch.check()
        COPIED_TILE_BYTES.check(sum(size for _, size in frame), "A file of it")
        data = clean_frame(b"".join(_read(file, *each) for each in frame), syntax, report)
        offsets.append(out.tell() - first)
        out.write(_ITEM + struct.pack("<I", len(data) + len(data) % 2) + data)
        out.write(b"\0" * (len(data) % 2))
        watch.progressed((index + 1) / len(frames.fragments))
    out.write(_DELIMITER + bytes(4))
    if table_size:
        end = out.tell()
        out.seek(table_at)
        out.write(struct.pack(f"<{len(offsets)}I", *offsets))
        out.seek(end)


def copy_native(file: BinaryIO, out: IO[bytes], size: int, head: bytes, watch: Watch) -> None:
    """Write pixels that are not compressed: so many bytes from where the file is."""
    out.write(head)
    left = size
    while left:
        watch.check()
        block = file.read(min(left, _BLOCK_BYTES))
        if not block:
            raise WritingError("The pixels of a file are cut short.")
        out.write(block)
        left -= len(block)
        watch.progressed(1 - left / size)


def clean_frame(data: bytes, syntax: str, report: Report) -> bytes:
    """Return a coded frame without texts; the same bytes where it holds none."""
    try:
        if syntax in _JPEG:
            clean = without_texts(data)
        elif syntax in _JPEG2000:
            clean = without_comments(data)
        elif syntax in _JPEG_LS or syntax == _RUN_LENGTH:
            clean = data
        else:
            raise WritingError(
                f"Its pixels are coded in a way ({syntax}) that may hold texts that cannot be "
                "found here; convert it instead."
            )
    except StreamError as error:
        raise WritingError(f"One of its frames is damaged ({error}).") from error
    if len(clean) != len(data) and data[len(clean) :] != b"\0":
        report.remove("texts within tiles")
    return clean


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise WritingError("The pixels of a file are cut short.")
    return data
