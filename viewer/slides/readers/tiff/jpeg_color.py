"""In which colors the data of a JPEG tile or strip stands, by what the data itself says."""

from __future__ import annotations

from dataclasses import dataclass

_START_OF_SCAN = 0xDA
_APP0, _APP14 = 0xE0, 0xEE
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))

ADOBE_RGB_OR_CMYK, ADOBE_YCBCR, ADOBE_YCCK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers before the first scan say.

    Attributes
    ----------
    has_jfif
        Whether there is a JFIF marker, which allows gray and YCbCr only.
    adobe_transform
        0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK; None without an Adobe marker.
    component_ids
        Of the frame; empty where there is no frame, as in tables.
    is_subsampled
        Whether some components have fewer samples than others.
    precision_bits
        Bits per sample; 0 where there is no frame.
    is_lossless
        Whether the frame is of lossless JPEG (SOF3).
    """

    has_jfif: bool = False
    adobe_transform: int | None = None
    component_ids: tuple[int, ...] = ()
    is_subsampled: bool = False
    precision_bits: int = 0
    is_lossless: bool = False


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Return what the markers of a JPEG stream, or of JPEG tables, say; damage ends the reading."""
    has_jfif, adobe, ids, is_subsampled, precision, is_lossless = False, None, (), False, 0, False
    at = 2  # after the start of image
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        if marker == _START_OF_SCAN:
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker == _APP0 and body.startswith(b"JFIF\0"):
            has_jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in _FRAMES and len(body) >= 6:
            precision, is_lossless = body[0], marker == 0xC3
            components = [body[i : i + 3] for i in range(6, 6 + 3 * body[5], 3)]
            ids = tuple(part[0] for part in components if len(part) == 3)
            is_subsampled = len({part[1] for part in components if len(part) == 3}) > 1
        at += 2 + max(length, 2)
    return JpegHeader(has_jfif, adobe, ids, is_subsampled, precision, is_lossless)


def joined(tables: JpegHeader, tile: JpegHeader) -> JpegHeader:
    """Return the header of a tile whose tables stand apart; the tile's own markers win."""
    return JpegHeader(
        tables.has_jfif or tile.has_jfif,
        tables.adobe_transform if tile.adobe_transform is None else tile.adobe_transform,
        tile.component_ids,
        tile.is_subsampled,
        tile.precision_bits,
        tile.is_lossless,
    )


def is_ycbcr(header: JpegHeader, tag_is_rgb: bool) -> bool:
    """Return whether three components are YCbCr rather than RGB.

    A JFIF marker says so, else Adobe's transform decides, else the component ids "RGB", else the
    TIFF's tag. libjpeg takes ids other than 1, 2, 3 for RGB and never sees the tag; scanners write
    ids 0, 1, 2 for YCbCr and RGB alike. RGB is never subsampled.
    """
    if header.has_jfif or header.is_subsampled:
        return True
    if header.adobe_transform is not None:
        return header.adobe_transform != ADOBE_RGB_OR_CMYK
    if header.component_ids == tuple(b"RGB"):
        return False
    return not tag_is_rgb
