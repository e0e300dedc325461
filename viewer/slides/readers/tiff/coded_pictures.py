"""Tiles and strips that are pictures of a format of their own, held against what the tags tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TIFF

from viewer.slides.readers.jpeg_2000.code import IN_TIFF
from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.page_tags import bits_per_sample
from viewer.slides.readers.tiff.rows import JPEG

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage

CODED_PICTURES = frozenset((22610, 33003, 33004, 33005, 34712, 34933, 34934, 50001, 50002, 52546))
"""Compressions: JPEG XR, JPEG 2000, PNG, WebP and JPEG XL."""

_COLORS = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
_SAMPLES_WITH_OPACITY = 4


_DECODING_BYTES = {
    **dict.fromkeys(IN_TIFF, 4.0),
    **dict.fromkeys((34927, 50001), 4 / 3),
    **dict.fromkeys((50002, 52546), 1.0),
}
_LOSSLESS_BYTES, _PROGRESSIVE_BYTES = 3.0, 2.0
"""What decoders take for a sample beside the result, by compressions and of JPEG; as measured."""


def decoding_bytes(page: TiffPage, first: bytes) -> float:
    """Return what a sample takes while it is decoded, beside the result.

    Parameters
    ----------
    first
        The beginning of a tile or strip.
    """
    if page.compression not in JPEG:
        return _DECODING_BYTES.get(int(page.compression), 0.0)
    header = read_jpeg_header(first)
    if header.is_lossless:
        return _LOSSLESS_BYTES
    return _PROGRESSIVE_BYTES if header.is_progressive else 0.0


def decoded_picture(page: TiffPage, data: bytes, samples: int) -> NDArray[Any]:
    """Return a picture, (height, width, samples), in the type that the tags tell.

    Raises
    ------
    ChunkError
        It has another number of components, or of bits.
    """
    if page.compression == COMPRESSION.WEBP and samples == _SAMPLES_WITH_OPACITY:
        # It is left out where all is opaque.
        image: NDArray[Any] = imagecodecs.webp_decode(data, hasalpha=True)
    else:
        image = TIFF.DECOMPRESSORS[page.compression](data)
    return as_told(image, page, samples)


def as_told(image: NDArray[Any], page: TiffPage, samples: int) -> NDArray[Any]:
    """Return a decoded picture, (height, width, samples), in the type that the tags tell.

    Of colors one component alone is gray, and three are all but their opacity.

    Raises
    ------
    ChunkError
        It has another number of components, or samples that do not fit: some would be shown as
        what they are not, or their lowest bits alone.
    """
    image = _in_told_type(np.atleast_3d(image), page)
    components = image.shape[2] if image.ndim == 3 else 0
    if components == samples:
        return image
    if page.photometric in _COLORS and components == 1 and samples == 3:
        return image.repeat(3, axis=2)
    if page.photometric in _COLORS and components == 3 and samples == _SAMPLES_WITH_OPACITY:
        most = 1 if image.dtype.kind == "f" else (1 << bits_per_sample(page)) - 1
        opaque = np.full((*image.shape[:2], 1), most, image.dtype)
        return np.concatenate([image, opaque], axis=2)
    raise ChunkError(
        f"the number of its components is {components} where the file tells of {samples}"
    )


def _in_told_type(image: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    told = page.dtype
    if told is None or image.dtype == told or told.kind == "b":
        return image
    if image.dtype.kind in "ui" and told.kind in "ui":
        known = np.iinfo(told)
        fits = known.min <= int(image.min()) and int(image.max()) <= known.max
    else:
        fits = image.dtype.kind == told.kind == "f"
    if not fits:
        raise ChunkError(f"its samples are {image.dtype} where the file tells of {told}")
    return image.astype(told)
