"""From the bytes of one tile of a TIFF to its pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC

from viewer.slides.pixel_memory import new_pixels
from viewer.slides.readers.jpeg_2000.code import jpeg2k_decode
from viewer.slides.readers.jpeg_tiles import JpegDecoder
from viewer.slides.source import RgbImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.readers.tiff_directory import Directory

Decoder = Callable[[bytes], RgbImage]
"""Gives uint8 (tile height, tile width, 3). Raises any Exception on bytes that are no tile."""


def direct_decoder(page: Directory) -> Decoder | None:
    """Return a decoder of 8-bit RGB in JPEG or JPEG 2000, as most slides have; None for others."""
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


# ITU-R BT.601 with so many bits of fraction. What is added before they are cut off makes all three
# colors of all values the same to the last bit as OpenSlide's, which rounds some of green twice.
_FRACTION_BITS = 20
_HALF = (1 << _FRACTION_BITS - 1) + 6
_RED_PER_CR = round(1.402 * (1 << _FRACTION_BITS))
_GREEN_PER_CB = round(-0.34414 * (1 << _FRACTION_BITS))
_GREEN_PER_CR = round(-0.71414 * (1 << _FRACTION_BITS))
_BLUE_PER_CB = round(1.772 * (1 << _FRACTION_BITS))


def _jpeg2000_ycbcr(data: bytes) -> RgbImage:
    planes = jpeg2k_decode(data, planar=True)
    if planes.ndim != 3 or len(planes) != 3 or planes.dtype != np.uint8:
        raise ValueError(f"{planes.dtype} of the shape {planes.shape} is no color of 8 bits")
    luma, cb, cr = planes.astype(np.int32)
    luma <<= _FRACTION_BITS
    luma += _HALF
    cb -= 128
    cr -= 128
    rgb = new_pixels((*luma.shape, 3))
    _put(luma + cr * _RED_PER_CR, rgb[..., 0])
    _put(luma + cb * _BLUE_PER_CB, rgb[..., 2])
    cb *= _GREEN_PER_CB
    cr *= _GREEN_PER_CR
    luma += cb
    luma += cr
    _put(luma, rgb[..., 1])
    return rgb


def _put(values: NDArray[np.int32], target: NDArray[np.uint8]) -> None:
    """Cut the fraction off, and bound what is left by what 8 bits hold."""
    values >>= _FRACTION_BITS
    np.clip(values, 0, 255, out=values)
    target[...] = values
