"""What a JPEG says before its first scan: its kind and size, its components and their colors."""

from __future__ import annotations

import struct

import msgspec
from msgspec.structs import replace

from viewer.slides.readers.jpeg_markers import (
    ADOBE,
    FRAMES,
    JFIF,
    JPEG_LS,
    LOSSLESS,
    PROGRESSIVE,
    markers,
)

ADOBE_RGB_OR_CMYK = 0

_LENGTH_BYTES = 4
"""Of a marker and the length of what belongs to it."""
_FRAME = struct.Struct(">BHHB")
"""Bits of a sample, height, width, and how many components follow."""
_COMPONENT_BYTES = 3
_ADOBE_TRANSFORM_AT = 11


class JpegHeader(msgspec.Struct, frozen=True):
    """What the markers before the first scan say.

    Attributes
    ----------
    has_jfif
        Whether there is a JFIF marker, which allows gray and YCbCr only.
    adobe_transform
        0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK; None without an Adobe marker.
    frame
        The marker of the frame; 0 where there is no frame, as in tables.
    frame_at
        Where it begins in the data.
    precision_bits
        Bits per sample; 0 where there is no frame.
    component_ids
        Of the frame; empty where there is none, or it is cut short.
    sampling
        How many samples each component has across and down, in proportion.
    """

    has_jfif: bool = False
    adobe_transform: int | None = None
    frame: int = 0
    frame_at: int = 0
    precision_bits: int = 0
    width_px: int = 0
    height_px: int = 0
    component_ids: tuple[int, ...] = ()
    sampling: tuple[tuple[int, int], ...] = ()

    @property
    def is_subsampled(self) -> bool:
        """Return whether some components have fewer samples than others."""
        return len(set(self.sampling)) > 1

    @property
    def is_lossless(self) -> bool:
        """Return whether it is lossless JPEG (SOF3) or JPEG-LS."""
        return self.frame in (LOSSLESS, JPEG_LS)

    @property
    def is_progressive(self) -> bool:
        return self.frame in PROGRESSIVE


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Return what the markers of a JPEG stream, or of JPEG tables, say; damage ends the reading.

    Of several frames, of which decoders take one or another, it is the largest.
    """
    header = JpegHeader()
    for code, start, end in markers(data):
        at = start + _LENGTH_BYTES
        if code == JFIF and data.startswith(b"JFIF\0", at, end):
            header = replace(header, has_jfif=True)
        elif code == ADOBE and data.startswith(b"Adobe", at, end):
            if min(end, len(data)) > at + _ADOBE_TRANSFORM_AT:
                header = replace(header, adobe_transform=data[at + _ADOBE_TRANSFORM_AT])
        elif (code in FRAMES or code == JPEG_LS) and len(data) >= at + _FRAME.size:
            header = _with_frame(header, data, code, start)
    return header


def _with_frame(header: JpegHeader, data: bytes, code: int, start: int) -> JpegHeader:
    at = start + _LENGTH_BYTES
    bits, height, width, count = _FRAME.unpack_from(data, at)
    if header.frame and height * width < header.height_px * header.width_px:
        return header
    at += _FRAME.size
    components = data[at : at + _COMPONENT_BYTES * count]
    if len(components) < _COMPONENT_BYTES * count:
        components = b""
    return replace(
        header,
        frame=code,
        frame_at=start,
        precision_bits=bits,
        width_px=width,
        height_px=height,
        component_ids=tuple(components[::_COMPONENT_BYTES]),
        sampling=tuple((each >> 4, each & 15) for each in components[1::_COMPONENT_BYTES]),
    )


def joined(tables: JpegHeader, tile: JpegHeader) -> JpegHeader:
    """Return the header of a tile whose tables stand apart; the tile's own markers win."""
    adobe = tables.adobe_transform if tile.adobe_transform is None else tile.adobe_transform
    return replace(tile, has_jfif=tables.has_jfif or tile.has_jfif, adobe_transform=adobe)


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
