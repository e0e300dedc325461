"""The direct path where it gives what OpenSlide gives, else OpenSlide."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from openslide import OpenSlide
from tifffile import COMPRESSION

from viewer.slides.errors import TileError
from viewer.slides.readers.openslide.left_out import is_scn_without_brightfield
from viewer.slides.readers.openslide.source import OpenSlideSource, open_with_openslide
from viewer.slides.readers.tiff.source import is_tiff
from viewer.slides.readers.tiff_directory import read_directories
from viewer.slides.readers.tile_decoders import direct_decoder
from viewer.slides.readers.turning import UPRIGHT
from viewer.slides.readers.vendor_tiff import StoredLevel, VendorTiffSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.readers.tiff_directory import Directory
    from viewer.slides.source import Level, RgbImage

_log = logging.getLogger(__name__)

_PLAIN_TIFF, _SCN = "generic-tiff", "leica"
_PLAIN_GRIDS = ("aperio",)
"""Vendors whose levels are plain grids of tiles: no overlap, no offsets between regions."""

_MOST_TRIALS = 4
"""Tiles to try on a level before giving up, where tiles are unreadable."""

_BLUR_PX = 8
_BLUR_TOLERANCE = 4.0


def open_verified(path: Path) -> OpenSlideSource | VendorTiffSource | None:
    """Open a vendor's slide by the quickest reader that gives what OpenSlide gives.

    None for files that OpenSlide does not read, and for plain TIFF: of its colors, levels and
    bits OpenSlide knows less than `readers.tiff`; as well for scans of vendors that are turned, in
    fluorescence (SCN), or not in gray or RGB of 8 bits.

    Raises
    ------
    SlideError
        OpenSlide knows the kind, but cannot open this file.
    OSError
        The file cannot be read.
    """
    kind = OpenSlide.detect_format(path) if is_tiff(path) else None
    if kind == _PLAIN_TIFF or (kind == _SCN and is_scn_without_brightfield(path)):
        return None
    reference = open_with_openslide(path)
    if reference is None or reference.info.vendor not in _PLAIN_GRIDS or not is_tiff(path):
        return reference
    try:
        pages = read_directories(path)
    except Exception as error:  # a damaged file can make the parser fail in any way
        _log.info("%s: no direct path (%r)", path, error)
        return reference
    if _is_unknown_to_openslide(pages, reference):
        reference.close()
        return None
    direct = _direct(reference, pages)
    if direct is None:
        return reference
    if not all(_agree(direct, reference, level) for level in range(len(direct.levels))):
        _log.info("%s: the direct path cannot be shown to equal OpenSlide and is not used", path)
        return reference
    return direct


def _is_unknown_to_openslide(pages: Sequence[Directory], reference: OpenSlideSource) -> bool:
    """Return whether a slide is turned, which OpenSlide ignores, or holds other samples than it.

    It mirrors each tile of some turned images by itself, and shows the highest 8 bits of others.
    """
    page = _page_of(pages, reference.levels[0])
    is_usual = page is None or (page.dtype is not None and page.samplesperpixel in (1, 3))
    return not is_usual or (page is not None and page.orientation != UPRIGHT)


def _page_of(pages: Sequence[Directory], level: Level) -> Directory | None:
    """Return the directory of a level; None where none has tiles and its size."""
    size = (level.width_px, level.height_px)
    fitting = (page for page in pages if (page.imagewidth, page.imagelength) == size)
    return next((page for page in fitting if page.is_tiled), None)


def _direct(reference: OpenSlideSource, pages: Sequence[Directory]) -> VendorTiffSource | None:
    """Return the direct path to the levels that OpenSlide sees; None where it cannot be had."""
    path = reference.path
    stored: list[StoredLevel] = []
    codings: set[str] = set()
    try:
        for level in reference.levels:
            page = _page_of(pages, level)
            decode = direct_decoder(page) if page is not None else None
            if page is None or decode is None:
                return None
            codings.add("JPEG" if page.compression == COMPRESSION.JPEG else "JPEG 2000")
            stored.append(StoredLevel.of_page(page, level.downsample, decode))
    except Exception as error:  # a damaged file can make the parser fail in any way
        _log.info("%s: no direct path (%r)", path, error)
        return None

    def sparse_tile(level: int, column: int, row: int) -> RgbImage:
        """OpenSlide knows what takes the place of a missing tile; Aperio's come from below."""
        grid = stored[level].level
        return reference.read_region(
            (level, column, row),
            column * grid.tile_width_px,
            row * grid.tile_height_px,
            *grid.tile_size_px(column, row),
        )

    return VendorTiffSource(
        path,
        stored,
        replace(reference.info, reader=f"direct {' and '.join(sorted(codings))} TIFF"),
        sparse_tile=sparse_tile,
        read_associated=reference.read_associated,
        close_helpers=reference.close,
    )


def _agree(direct: VendorTiffSource, reference: OpenSlideSource, level: int) -> bool:
    """Return whether a real tile from the middle of the level is the same both ways."""
    for column, row in direct.stored_tiles_from_the_middle(level, _MOST_TRIALS):
        grid = direct.levels[level]
        x_px, y_px = column * grid.tile_width_px, row * grid.tile_height_px
        size = grid.tile_size_px(column, row)
        try:
            expected = reference.read_region((level, column, row), x_px, y_px, *size)
        except TileError:
            continue
        try:
            ours = direct.read_tile(level, column, row)
        except TileError:
            return False
        if _is_whole(x_px * grid.downsample) and _is_whole(y_px * grid.downsample):
            return np.array_equal(ours, expected)
        # OpenSlide takes level-0 pixels only, so it gives this tile shifted by part of a pixel.
        return bool(np.abs(_blurred(ours) - _blurred(expected)).mean() < _BLUR_TOLERANCE)
    return False


def _is_whole(x: float) -> bool:
    return abs(x - round(x)) < 1e-6


def _blurred(image: RgbImage) -> NDArray[np.float64]:
    """Means of blocks of 8 x 8 px; the rest at the right and lower edge is left out."""
    height, width = (max(side // _BLUR_PX, 1) for side in image.shape[:2])
    cut = image[: height * _BLUR_PX, : width * _BLUR_PX]
    if cut.shape[0] < _BLUR_PX or cut.shape[1] < _BLUR_PX:
        return image.mean(axis=(0, 1))
    blocks = cut.reshape(height, _BLUR_PX, width, _BLUR_PX, 3)
    return blocks.mean(axis=(1, 3))
