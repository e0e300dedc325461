"""JPEG tiles that go from a slide to what is written byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.readers.jpeg_markers import is_cut_short
from viewer.slides.readers.jpeg_tiles import is_baseline_of_size, stored_jpeg_tiles
from viewer.slides.writing.coding import JpegCoding, jpeg_subsampling
from viewer.slides.writing.jpeg_streams import end_of_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_tiles import JpegDecoder
    from viewer.slides.readers.shared_file import SharedFile
    from viewer.slides.source import SlideSource
    from viewer.slides.writing.plan import ConvertPlan, OutLevel

_BLOCK_BYTES = 4 << 20
_MOST_GAP_BYTES = 1 << 14
"""Between tiles that are still read at once."""


class CopiedLevel(msgspec.Struct, frozen=True):
    """The tiles of a level that may be copied.

    Attributes
    ----------
    tiles, offsets, sizes
        Which tiles of what is written they are, and where they lie in the slide's file.
    coding
        How all of them are coded.
    header
        What nearly all of them begin with, to the end of the scan's header.
    """

    tiles: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    coding: JpegCoding
    header: bytes
    decoder: JpegDecoder
    tile_px: tuple[int, int]


def copied_level(
    source: SlideSource, plan: ConvertPlan, level: OutLevel, file: SharedFile
) -> CopiedLevel | None:
    """Return what of a level can be copied; None where its tiles lie or are coded otherwise."""
    if level.stored is None or not plan.is_rgb:
        return None
    grid = source.levels[level.stored]
    direct = stored_jpeg_tiles(source)[level.stored]
    tile_px = (level.tile_width_px, level.tile_height_px)
    if direct is None or tile_px != (grid.tile_width_px, grid.tile_height_px):
        return None
    x, y = plan.origin
    if x % tile_px[0] or y % tile_px[1]:
        return None
    columns, rows = np.meshgrid(np.arange(level.columns), np.arange(level.rows))
    columns, rows = columns.ravel(), rows.ravel()
    right, bottom = x + (columns + 1) * tile_px[0], y + (rows + 1) * tile_px[1]
    # What lies beyond a region must not be in its tiles; beyond the slide is nothing.
    is_within = ((right <= x + level.width_px) | (x + level.width_px == grid.width_px)) & (
        (bottom <= y + level.height_px) | (y + level.height_px == grid.height_px)
    )
    there = (rows + y // tile_px[1]) * grid.columns + columns + x // tile_px[0]
    offsets = np.frombuffer(direct.offsets, np.int64)[there]
    sizes = np.frombuffer(direct.byte_counts, np.int64)[there]
    chosen = np.flatnonzero(is_within & (sizes > 0) & (offsets > 0))
    offsets, sizes = offsets[chosen], sizes[chosen]
    if not len(chosen):
        return None
    middle = len(chosen) // 2
    data = file.read(int(offsets[middle]), int(sizes[middle]))
    subsampling = jpeg_subsampling(data)
    if subsampling is None or not is_baseline_of_size(data, *tile_px):
        return None
    decoder = direct.decoder
    coding = JpegCoding(plan.quality, decoder.tables, decoder.is_ycbcr(data), subsampling)
    header = data[: end_of_header(data)]
    return CopiedLevel(chosen.astype(np.int64), offsets, sizes, coding, header, decoder, tile_px)


def copied_tiles(
    level: CopiedLevel, file: SharedFile, wanted: NDArray[np.bool_]
) -> Iterator[tuple[list[int], list[bytes], list[int]]]:
    """Yield numbers and bytes of tiles, a few megabytes at once, and numbers of unfit ones.

    A tile that is not coded as the others are is unfit: it has to be coded anew.

    Parameters
    ----------
    wanted
        Of each tile of what is written, whether it is still to be copied.
    """
    is_wanted = wanted[level.tiles]
    tiles, offsets, sizes = (a[is_wanted] for a in (level.tiles, level.offsets, level.sizes))
    order = np.argsort(offsets, kind="stable")
    tiles, offsets, sizes = (each[order].tolist() for each in (tiles, offsets, sizes))
    first = 0
    while first < len(tiles):
        start, end, last = offsets[first], offsets[first] + sizes[first], first + 1
        while (
            last < len(tiles)
            and 0 <= offsets[last] - end <= _MOST_GAP_BYTES
            and offsets[last] + sizes[last] - start <= _BLOCK_BYTES
        ):
            end = offsets[last] + sizes[last]
            last += 1
        block = file.read(start, end - start)
        numbers: list[int] = []
        data: list[bytes] = []
        unfit: list[int] = []
        for index in range(first, last):
            place = offsets[index] - start
            tile = block[place : place + sizes[index]]
            if len(tile) == sizes[index] and _is_fit(tile, level):
                numbers.append(tiles[index])
                data.append(tile)
            else:
                unfit.append(tiles[index])
        yield numbers, data, unfit
        first = last


def _is_fit(data: bytes, level: CopiedLevel) -> bool:
    coding = level.coding
    if is_cut_short(data):
        return False
    return data.startswith(level.header) or (
        is_baseline_of_size(data, *level.tile_px)
        and jpeg_subsampling(data) == coding.subsampling
        and level.decoder.is_ycbcr(data) == coding.is_ycbcr
    )
