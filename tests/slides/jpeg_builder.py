"""JPEG tiles with just the markers, component ids and tables that a test wants.

What they must look like is decoded by Pillow before any of that is taken away.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

JFIF, ADOBE = b"\xff\xe0", b"\xff\xee"
QUANTIZATION, HUFFMAN = 0xDB, 0xC4
_FRAMES, _SCAN = (0xC0, 0xC1, 0xC2), 0xDA
_JFIF_SEGMENT = JFIF + b"\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_LEVEL = 92


def segments(jpeg: bytes) -> list[bytes]:
    """Return the start of image, each marker segment, and the scan with all after it."""
    parts, at = [jpeg[:2]], 2
    while jpeg[at + 1] != _SCAN:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        parts.append(jpeg[at:end])
        at = end
    return [*parts, jpeg[at:]]


def marked(
    jpeg: bytes, *, jfif: bool = False, adobe: int | None = None, ids: bytes = b"\1\2\3\4"
) -> bytes:
    """Return a stream with just these markers of applications and these component ids."""
    start, *rest = segments(jpeg)
    parts = [start]
    if jfif:
        parts.append(_JFIF_SEGMENT)
    if adobe is not None:
        parts.append(ADOBE + b"\0\x0eAdobe\0\x64\0\0\0\0" + bytes([adobe]))
    for part in rest:
        if part[:2] in (JFIF, ADOBE):
            continue
        parts.append(_with_ids(bytearray(part), ids))
    return b"".join(parts)


def _with_ids(part: bytearray, ids: bytes) -> bytes:
    """Return a frame, or the scan with all that follows, with other component ids."""
    at, step = (10, 3) if part[1] in _FRAMES else (5, 2)
    if part[1] in (*_FRAMES, _SCAN):
        for index in range(part[at - 1]):
            part[at + step * index] = ids[index]
    return bytes(part)


def split(jpeg: bytes, apart: Collection[int] = (QUANTIZATION, HUFFMAN)) -> tuple[bytes, bytes]:
    """Return segments of these kinds as a stream of their own, and the stream without them."""
    start, *rest = segments(jpeg)
    tables = [part for part in rest[:-1] if part[1] in apart]
    image = [part for part in rest[:-1] if part[1] not in apart]
    return b"".join([start, *tables, b"\xff\xd9"]), b"".join([start, *image, rest[-1]])


@dataclass(frozen=True)
class JpegCoding:
    """How tiles are coded.

    Attributes
    ----------
    space
        What components are: "gray", "RGB", "YCbCr", "CMYK" or "YCCK".
    apart
        Codes of the segments that stand in the tag JPEGTables.
    repeats_tables
        Whether tiles hold them too.
    """

    space: str
    subsampling: str = "444"
    jfif: bool = False
    adobe: int | None = None
    ids: bytes = b"\1\2\3\4"
    apart: tuple[int, ...] = ()
    repeats_tables: bool = False
    is_progressive: bool = False
    bits: int = 8

    def coded(self, part: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
        """Return a tile as the file holds it, and what it shows: gray, RGB or CMYK."""
        whole = self._encoded(part)
        seen = self._seen(whole)
        image = self._marked(whole)
        if self.apart and not self.repeats_tables:
            image = split(image, self.apart)[1]
        return image, seen.reshape(*seen.shape[:2], -1)

    def tables(self, part: NDArray[Any]) -> bytes:
        """Return what the tag JPEGTables holds; b"" for none."""
        return split(self._marked(self._encoded(part)), self.apart)[0] if self.apart else b""

    def _marked(self, whole: bytes) -> bytes:
        return marked(whole, jfif=self.jfif, adobe=self.adobe, ids=self.ids)

    def _encoded(self, part: NDArray[Any]) -> bytes:
        image = part[..., 0] if self.space == "gray" else part
        if self.is_progressive:
            stream = io.BytesIO()
            sampling = {"444": 0, "422": 1, "420": 2}[self.subsampling]
            picture = Image.fromarray(np.ascontiguousarray(image))
            picture.save(stream, "JPEG", quality=_LEVEL, progressive=True, subsampling=sampling)
            return stream.getvalue()
        names = {"gray": "GRAYSCALE"}
        given = {"YCbCr": "RGB", "YCCK": "CMYK"}.get(self.space, names.get(self.space, self.space))
        options: dict[str, Any] = {"bitspersample": 12} if self.bits == 12 else {}
        if self.space in ("YCbCr", "YCCK"):
            options["subsampling"] = self.subsampling
        return bytes(
            imagecodecs.jpeg8_encode(
                np.ascontiguousarray(image),
                level=_LEVEL,
                colorspace=given.upper(),
                outcolorspace=names.get(self.space, self.space).upper(),
                **options,
            )
        )

    def _seen(self, whole: bytes) -> NDArray[Any]:
        if self.bits == 12:  # which Pillow does not read; the stream says what it is
            return imagecodecs.jpeg8_decode(whole)
        image = Image.open(io.BytesIO(whole))
        decoded = np.asarray(image)
        # Pillow takes ink of which a marker of Adobe tells for what is left of white.
        return 255 - decoded if image.mode == "CMYK" else decoded
