"""From the bytes of one tile of a TIFF to its pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC

from viewer.slides.readers.jpeg_2000_code import jpeg2k_decode
from viewer.slides.readers.jpeg_tiles import JpegDecoder
from viewer.slides.source import RgbImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.readers.tiff_directory import Directory

Decoder = Callable[[bytes], RgbImage]
"""Gives uint8 (tile height, tile width, 3). Raises any Exception on bytes that are no tile."""


def direct_decoder(page: Directory) -> Decoder | None:
    """For the codings of nearly all slides, 8-bit RGB in JPEG or JPEG 2000; None for others."""
    if not _is_8_bit(page) or page.samplesperpixel != 3:
        return None
    photometric = PHOTOMETRIC(page.photometric)
    match page.compression:
        case COMPRESSION.JPEG if photometric == PHOTOMETRIC.RGB:
            return JpegDecoder(page.jpegtables, is_rgb=True)
        case COMPRESSION.JPEG if photometric == PHOTOMETRIC.YCBCR:
            return JpegDecoder(page.jpegtables, is_rgb=False)
        case COMPRESSION.APERIO_JP2000_YCBC:
            return _jpeg2000_ycbcr
        case COMPRESSION.APERIO_JP2000_RGB | COMPRESSION.JPEG2000:
            return jpeg2k_decode
        case _:
            return None


def _is_8_bit(page: Directory) -> bool:
    return page.dtype == np.uint8 and page.planarconfig == 1 and page.imagedepth == 1


_CHROMA = np.arange(-128, 128)


def _added(thousandths: int) -> NDArray[np.int16]:
    """What a chroma value of 0 to 255 adds to red or blue; halves are rounded away from zero."""
    size = (np.abs(_CHROMA) * thousandths + 500) // 1000
    return (np.sign(_CHROMA) * size).astype(np.int16)


def _added_to_green(factor: float) -> NDArray[np.int32]:
    """Return what a chroma value of 0 to 255 adds to green, with 16 bits of fraction."""
    return np.round(factor * 65536 * _CHROMA).astype(np.int32)


# ITU-R BT.601, rounded as OpenSlide does, so that the pixels are the same to the last bit.
_RED_BY_CR = _added(1402)
_BLUE_BY_CB = _added(1772)
_GREEN_BY_CR = _added_to_green(-0.71414)
_GREEN_BY_CB = _added_to_green(-0.34414) + (1 << 15)


def _jpeg2000_ycbcr(data: bytes) -> RgbImage:
    ycbcr = jpeg2k_decode(data)
    luma = ycbcr[..., 0].astype(np.int16)
    cb, cr = ycbcr[..., 1], ycbcr[..., 2]
    green = ((_GREEN_BY_CB[cb] + _GREEN_BY_CR[cr]) >> 16).astype(np.int16)
    rgb = np.empty(ycbcr.shape, np.uint8)
    rgb[..., 0] = np.clip(luma + _RED_BY_CR[cr], 0, 255)
    rgb[..., 1] = np.clip(luma + green, 0, 255)
    rgb[..., 2] = np.clip(luma + _BLUE_BY_CB[cb], 0, 255)
    return rgb
