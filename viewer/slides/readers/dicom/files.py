# pyright: reportMissingTypeStubs=false
# (wsidicom brings none)
"""Files of a DICOM series as wsidicom reads them: it finds the frames, which are decoded here.

wsidicom leaves out files whose pixels it could not decode. `dicom_frames` decodes more kinds, so
it is shown their headers with the few tags changed that it would turn them away for.
"""

from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.limits import (
    DICOM_ELEMENTS,
    DICOM_PLAIN_BYTES,
    UNPACKED_RATIO,
    LimitError,
    open_regular,
)
from viewer.slides.dicom.header import (
    BITS_STORED,
    PHOTOMETRIC,
    PLANAR,
    SAMPLES,
    TRANSFER_SYNTAX,
    dicom_header,
    elements,
    header_elements,
    plain_file,
)
from viewer.slides.dicom.plain_form import REWRITTEN
from viewer.slides.readers.dicom.frames import (
    DEFLATED_FRAMES,
    HALF_CHROMA,
    HTJ2K,
    HTJ2K_BY_RESOLUTION,
    JPEG_XL,
    JPEG_XL_OF_JPEG,
    NATIVE,
    PALETTE,
    RLE,
    WITHOUT_CODEC,
    FrameFormat,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from viewer.slides.dicom.header import DicomHeader

_LOOKUP_HEADER_BYTES = 1 << 20
"""So much of a file holds its color tables, which have up to 384 KiB."""
_DESCRIPTORS = (0x00281101, 0x00281102, 0x00281103)
_TABLES = (0x00281201, 0x00281202, 0x00281203)
_TAKEN_FOR = {JPEG_XL_OF_JPEG: JPEG_XL, HTJ2K_BY_RESOLUTION: HTJ2K, DEFLATED_FRAMES: RLE}
"""Transfer syntaxes that wsidicom does not take, and those that it takes in their place."""
_UNQUESTIONED_BYTES = 64 << 20
"""What a deflated file may unpack to, however small it is."""
_UNREAD_YCBCR = frozenset(("YBR_PARTIAL_422", "YBR_PARTIAL_420"))


def open_files(files: Iterable[tuple[Path, DicomHeader]]) -> Any:
    """Return a slide of wsidicom; may raise any error of it.

    Raises
    ------
    LimitError
        A file holds more than can be read.
    """
    from wsidicom.file import WsiDicomFileSource
    from wsidicom.file.io import WsiDicomReadIO
    from wsidicom.paths import as_upath

    opened: list[_RetaggedFile] = []
    room_bytes = DICOM_PLAIN_BYTES.most
    try:
        for path, header in files:
            raw = _raw_file(path, header, room_bytes)
            room_bytes -= len(raw.data) if isinstance(raw, _PlainFile) else 0
            opened.append(_RetaggedFile(raw, path, header))
        streams = [WsiDicomReadIO(each, as_upath(each.name)) for each in opened]
        return slide_of(WsiDicomFileSource(streams))
    except BaseException:
        for each in opened:
            each.close()
        raise


def slide_of(source: Any) -> Any:
    """Return a slide of wsidicom, whose levels may be of any sizes; may raise any error of it."""
    from wsidicom import WsiDicom
    from wsidicom.config import Settings

    # It numbers levels by halvings, to the nearest of which it then rounds.
    return WsiDicom(source, settings=Settings(level_scale_tolerance=0.5))


def check_elements(path: Path) -> None:
    """Raise LimitError where the header holds more than can be read; OSError as it is read."""
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        DICOM_ELEMENTS.check(header_elements(data, DICOM_ELEMENTS.most), path.name)


def unread_pixels(header: DicomHeader) -> str:
    """Return what the pixels of a file are where they are of a kind that is not read; else ""."""
    if header.samples not in (0, 1, 3):
        return f"{header.samples} samples a pixel"
    if header.bits_allocated not in (0, 8, 16):
        return f"{header.bits_allocated} bits a sample"
    if header.is_signed:
        return "numbers below 0"
    if header.samples == 3 and header.transfer_syntax in WITHOUT_CODEC:
        is_deep = header.photometric == HALF_CHROMA and header.bits_allocated > 8
        if is_deep or header.photometric in _UNREAD_YCBCR:
            return f"{header.photometric}, uncompressed"
    return ""


def frame_format(path: Path, width_px: int, height_px: int) -> FrameFormat:
    """Return how a file's frames, of a width and height, are stored.

    Raises
    ------
    ValueError
        Its color table is missing or of a kind that is not read.
    OSError
        It cannot be read.
    """
    header = dicom_header(path)
    if header is None:
        raise ValueError("it is no DICOM file any more")
    allocated = header.bits_allocated or 8
    bits = min(header.bits_stored or allocated, allocated)
    lowest_bit = header.high_bit + 1 - bits
    return FrameFormat(
        header.transfer_syntax,
        width_px,
        height_px,
        header.samples or 3,
        allocated,
        bits,
        header.photometric,
        header.planar == 1,
        _palette(path) if header.photometric == PALETTE else None,
        lowest_bit if 0 < lowest_bit <= allocated - bits else 0,
    )


def _palette(path: Path) -> tuple[np.ndarray, int]:
    """Return the colors, uint8 (entries, 3), and the value that the first stands for."""
    with open_regular(path) as file:
        found = elements(file.read(_LOOKUP_HEADER_BYTES))
    columns: list[Any] = []
    first = 0
    for described, table in zip(_DESCRIPTORS, _TABLES, strict=True):
        if described not in found or table not in found or len(found[described].value) != 6:
            raise ValueError("its color table cannot be read")
        count, first, bits = (int(n) for n in np.frombuffer(found[described].value, "<u2"))
        count = count or 1 << 16
        data = found[table].value
        is_packed = bits == 8 and len(data) < 2 * count
        values = np.frombuffer(data[: len(data) // 2 * 2], np.uint8 if is_packed else "<u2")
        if values.size < count:
            raise ValueError("its color table is cut short")
        values = values[:count]
        columns.append((values >> (bits - 8) if bits > 8 else values).astype(np.uint8))
    return np.stack(columns, axis=-1), first


def _raw_file(path: Path, header: DicomHeader, room_bytes: int) -> io.RawIOBase:
    """Return a file to read, in memory where its form has to be rewritten. Raises LimitError."""
    if header.transfer_syntax not in REWRITTEN:
        check_elements(path)
        return io.FileIO(path)
    stored_bytes = path.stat().st_size
    sound_bytes = max(_UNQUESTIONED_BYTES, UNPACKED_RATIO.most * stored_bytes)
    plain = plain_file(path, header.transfer_syntax, min(room_bytes, sound_bytes) + 1)
    if len(plain) > sound_bytes:
        UNPACKED_RATIO.check(len(plain) / stored_bytes, path.name)
    if len(plain) > room_bytes:
        raise LimitError(DICOM_PLAIN_BYTES.sentence(path.name))
    DICOM_ELEMENTS.check(header_elements(plain, DICOM_ELEMENTS.most), path.name)
    return _PlainFile(path, plain)


class _PlainFile(io.RawIOBase):
    """A file that lies in memory."""

    def __init__(self, path: Path, data: bytearray) -> None:
        super().__init__()
        self.name = path
        self.data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self.data)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer)
        part = memoryview(self.data)[self._at : self._at + len(room)]
        room[: len(part)] = part
        self._at += len(part)
        return len(part)


class _RetaggedFile(io.BufferedReader):
    """A file with tags that wsidicom accepts, of the same lengths as its own."""

    def __init__(self, raw: io.RawIOBase, path: Path, header: DicomHeader) -> None:
        super().__init__(raw)
        self._changed: list[tuple[int, bytes]] = []
        with open_regular(path) as file:
            found = elements(file.read(_LOOKUP_HEADER_BYTES))
        bits = header.bits_allocated if header.transfer_syntax in NATIVE else 8
        wanted = {
            PHOTOMETRIC: b"RGB" if header.samples == 3 else b"MONOCHROME2",
            PLANAR: b"\0\0",
        }
        if taken := _TAKEN_FOR.get(header.transfer_syntax):
            wanted[TRANSFER_SYNTAX] = taken.encode() + b"\0"
        if header.samples == 3 and header.transfer_syntax in NATIVE:
            # It asks for the bytes of a pixel alone, which may be others than those of RGB.
            samples = 2 if header.photometric == HALF_CHROMA else 3 * (bits // 8)
            wanted[SAMPLES], bits = samples.to_bytes(2, "little"), 8
        wanted[BITS_STORED] = bits.to_bytes(2, "little")
        for tag, value in wanted.items():
            if tag in found and len(found[tag].value) >= len(value):
                at, stored = found[tag]
                self._changed.append((at, value.ljust(len(stored), b" ")))

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(size)
        for at, value in self._changed:
            first, last = max(at, start), min(at + len(value), start + len(data))
            if first < last:
                part = value[first - at : last - at]
                data = data[: first - start] + part + data[last - start :]
        return data
