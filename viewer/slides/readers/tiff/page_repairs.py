"""Pages whose tags contradict how their tiles or strips are stored, as they are meant."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC

from viewer.slides.readers.tiff.page_tags import bits_per_sample, numbers
from viewer.slides.readers.tiff.tile_lists import as_int64

if TYPE_CHECKING:
    from tifffile import TiffPage

_PREDICTED = frozenset(
    (
        COMPRESSION.LZW,
        COMPRESSION.ADOBE_DEFLATE,
        COMPRESSION.DEFLATE,
        COMPRESSION.PIXARLOG,
        COMPRESSION.LZMA,
        COMPRESSION.ZSTD,
        COMPRESSION.ZSTD_DEPRECATED,
    )
)
"""Whose samples may be stored less their neighbors."""

_WHOLE_JPEG, _WHOLE_JPEG_BYTES = 513, 514
"""JPEGInterchangeFormat and its length, of TIFF 6 before its supplement of JPEG."""


def repaired(page: TiffPage) -> TiffPage:
    """Return a page by whose tags its tiles or strips can be read; itself where they are right."""
    return _with_possible_sizes(_with_whole_jpeg(_without_idle_predictor(_with_rows(page))))


def _with_rows(page: TiffPage) -> TiffPage:
    """Return a page whose strips have rows, where the tag says that they have none."""
    if page.is_tiled or page.rowsperstrip or not page.dataoffsets:
        return page
    known = copy.copy(page)
    known.__dict__.pop("decode", None)
    strips = len(page.dataoffsets) // (page.samplesperpixel if page.planarconfig == 2 else 1)
    known.rowsperstrip = -(-page.imagelength // max(strips, 1))
    return known


def _without_idle_predictor(page: TiffPage) -> TiffPage:
    """Return a page without the predictor where its codec has none; else itself.

    Some writers leave the tag in place; libtiff, which most programs read by, ignores it.
    """
    if page.predictor == 1 or page.compression in _PREDICTED:
        return page
    plain = copy.copy(page)
    plain.__dict__.pop("decode", None)
    plain.predictor = 1
    return plain


def _with_whole_jpeg(page: TiffPage) -> TiffPage:
    """Return a page of old JPEG as one strip, where the file holds its JPEG whole; else itself."""
    place = numbers(page, _WHOLE_JPEG) + numbers(page, _WHOLE_JPEG_BYTES)
    if page.compression != COMPRESSION.OJPEG or page.is_tiled or len(place) != 2 or not all(place):
        return page
    whole = copy.copy(page)
    whole.compression = COMPRESSION.JPEG
    whole.rowsperstrip = page.imagelength
    whole.dataoffsets, whole.databytecounts = (int(place[0]),), (int(place[1]),)
    return whole


def _with_possible_sizes(page: TiffPage) -> TiffPage:
    """Return a page of pixels as they are with the sizes that its chunks can have.

    Some writers leave the list of sizes at zero, or put a number into it that is larger than all
    of the chunk. What is smaller stays: such a chunk is cut short.
    """
    counts = as_int64(page.databytecounts)
    is_plain = page.compression == COMPRESSION.NONE and page.photometric != PHOTOMETRIC.YCBCR
    if not is_plain or page.imagedepth > 1 or len(counts) != len(page.dataoffsets):
        return page
    width, height = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength)
    if page.is_tiled:
        width, height = page.tilewidth, page.tilelength
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    row_bytes = -(-width * samples * bits_per_sample(page) // 8)
    most = np.full(len(counts), row_bytes * height, np.int64)
    if not page.is_tiled and height:
        per_plane = -(-page.imagelength // height)
        most[per_plane - 1 :: per_plane] = row_bytes * (page.imagelength - (per_plane - 1) * height)
    known = np.minimum(counts, most) if counts.any() else most
    if np.array_equal(known, counts):
        return page
    sized = copy.copy(page)
    for cached in ("decode", "chunks", "chunked", "hash"):
        sized.__dict__.pop(cached, None)
    sized.databytecounts = tuple(known.tolist())
    return sized
