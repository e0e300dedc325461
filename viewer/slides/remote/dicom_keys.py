"""Names of what a DICOMweb series is made of, and what a frame says of its own coding."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.prepared_types import prepared
from viewer.slides.readers.jpeg_markers import BASELINE, EXTENDED, JPEG_LS, LOSSLESS, markers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.slides.remote.objects import Objects

METADATA = "metadata"
_INSTANCE, _FRAMES = "00080018", "00280008"
_MOST_FRAMES = 32
_EXPLICIT, _RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
_J2K_ANY = "1.2.840.10008.1.2.4.91"
_JPEG_BY_FRAME = {
    BASELINE: "1.2.840.10008.1.2.4.50",
    EXTENDED: "1.2.840.10008.1.2.4.51",
    LOSSLESS: "1.2.840.10008.1.2.4.70",
    JPEG_LS: "1.2.840.10008.1.2.4.81",
}
"""Transfer syntaxes by the marker that begins the frame: baseline, extended, lossless, JPEG-LS."""
_RLE_HEADER_BYTES, _MOST_SEGMENTS = 64, 15


class _Element(msgspec.Struct, frozen=True):
    """One element of DICOM JSON."""

    Value: list[Any] = []


def frame_key(instance: str, number: int) -> str:
    """Return the key of a frame; numbers begin at 1."""
    return f"frames/{instance}/{number}"


def far_series_outline(objects: Objects) -> Iterator[bytes]:
    """Yield what tells a series on a DICOMweb server from others: its instances and some frames.

    Another key than that of its files on the disk: a server gives no files, and may write anew what
    it gives. Raises OSError.
    """
    yield b"far series"
    found: dict[str, int] = {}
    for each in msgspec.json.decode(
        objects(METADATA) or b"[]", type=prepared(list[dict[str, _Element]])
    ):
        uid = each.get(_INSTANCE, _Element()).Value
        frames = each.get(_FRAMES, _Element()).Value
        if uid:
            found[str(uid[0])] = int(str(frames[0])) if frames else 1
    keys = [
        frame_key(uid, number) for uid, count in found.items() for number in {1, count // 2 + 1}
    ]
    keys = sorted(keys)[:_MOST_FRAMES]
    objects.expect(keys)
    yield from (f"{uid}\0{count}\0".encode() for uid, count in sorted(found.items()))
    for key in keys:
        yield blake2b(objects(key) or b"", digest_size=20).digest()


def stored_syntax(frame: bytes) -> str:
    """Return the transfer syntax of a frame, by its own bytes."""
    if frame[:4] == b"\xff\x4f\xff\x51" or frame[4:8] == b"jP  ":
        return _J2K_ANY
    if frame[:2] == b"\xff\xd8":
        known = (code for code, _, _ in markers(frame) if code in _JPEG_BY_FRAME)
        return _JPEG_BY_FRAME[next(known, BASELINE)]
    segments = int.from_bytes(frame[:4], "little")
    if 0 < segments <= _MOST_SEGMENTS and int.from_bytes(frame[4:8], "little") == _RLE_HEADER_BYTES:
        return _RLE
    return _EXPLICIT
