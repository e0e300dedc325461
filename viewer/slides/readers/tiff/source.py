"""Plain TIFF and OME-TIFF as slides."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFile

from viewer.slides.byte_lru import ByteLru
from viewer.slides.content_hash import content_hash
from viewer.slides.errors import (
    DamagedSlideError,
    NoSuchImageError,
    SlideError,
    TileError,
    UnsupportedSlideError,
)
from viewer.slides.readers.chunk_windows import KEPT_BYTES, ChunkWindows
from viewer.slides.readers.tiff.chunks import PageChunks
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.layout import TiffImage, TiffLevel, tiff_images
from viewer.slides.readers.tiff.level import LevelChunks
from viewer.slides.readers.tiff.metadata import icc_profile, tiff_properties
from viewer.slides.readers.tiff.page_colors import colors_of, stretch_note
from viewer.slides.readers.tiff.doubts import scale_doubt
from viewer.slides.readers.turning import UPRIGHT, is_orientation
from viewer.slides.shared_file import SharedFile
from viewer.slides.source import ImageEntry, Level, RgbImage, SlideInfo
from viewer.slides.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STORED_TILE_PX = range(128, 2049)
"""Tile sides of a file that are good units of work; others are cut anew."""

_OWN_TILE_PX = 256
_MOST_CHUNK_BYTES = 1_200_000_000
_ASSOCIATED = ("label", "macro", "overview", "thumbnail")


def is_tiff(path: Path) -> bool:
    """Return whether the file begins like a TIFF or BigTIFF. Raises OSError."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


def open_tiff(path: Path, image: int | None = None) -> TiffSource | None:
    """Open a TIFF of any layout; None for other files.

    Parameters
    ----------
    image
        Which of the file's images, counted from 0 in the file's order; None for the largest.

    Raises
    ------
    SlideError
        The file begins like a TIFF, but cannot be read.
    OSError
        The file cannot be read.
    """
    if not is_tiff(path):
        return None
    try:
        with TiffFile(path) as tiff:
            file = SharedFile(path)
            return _source(path, tiff, file, image)
    except (OSError, SlideError):
        raise
    except Exception as error:  # a spoilt file can make the parser fail in any way
        _log.info("%s cannot be read as a TIFF (%r)", path, error)
        raise DamagedSlideError(
            path,
            f"{path.name} is a TIFF file that cannot be read ({error}); it may be damaged or cut "
            "short, so copy it again from where it came.",
        ) from error


def _source(path: Path, tiff: TiffFile, file: SharedFile, wanted: int | None) -> TiffSource:
    images = tiff_images(tiff, file)
    entries = tuple(_entry(index, image) for index, image in enumerate(images))
    if wanted is not None and not 0 <= wanted < len(images):
        raise NoSuchImageError(path, _no_such_image(path, wanted, len(images)))
    largest = max(range(len(images)), key=lambda index: images[index].levels[0].area)
    chosen = largest if wanted is None else wanted
    image = images[chosen]
    levels = _readable_levels(path, image, file)
    page = image.levels[0].page
    identity = content_hash(path)
    shown = levels[0].colors
    notes = [*image.hidden, *shown.notes]
    notes += [text for text in (stretch_note(page, shown.samples.range), scale_doubt(page, image.optics)) if text]
    info = SlideInfo(
        vendor="ome-tiff" if tiff.is_ome else "tiff",
        reader="direct TIFF",
        identity=identity if chosen == largest else f"{identity}-image{chosen}",
        optics=image.optics,
        associated=tuple(dict.fromkeys(n for n in map(_associated_name, images) if n)),
        icc_profile=icc_profile(page) if shown.takes_rgb_profile else None,
        properties=tiff_properties(page)
        | ({f"ome.{name}": value for name, value in image.ome.attributes.items()} if image.ome else {}),
        notes=tuple(notes),
        images=entries if len(entries) > 1 else (),
        image=chosen,
        display_range=None if shown.samples.range is None else tuple(shown.samples.range),
    )
    beside = {
        name: other for other in images if (name := _associated_name(other)) and other is not image
    }
    info = replace(info, associated=tuple(beside))
    return TiffSource(path, file, levels, info, beside)


def _entry(index: int, image: TiffImage) -> ImageEntry:
    width, height = image.levels[0].size_px
    return ImageEntry(index, image.name, width, height, len(image.levels))


def _no_such_image(path: Path, wanted: int, count: int) -> str:
    held = "one image, number 0" if count == 1 else f"{count} images, numbered 0 to {count - 1}"
    return f"{path.name} has no image {wanted}: it holds {held}."


def _associated_name(image: TiffImage) -> str:
    name = image.name.strip().casefold().removesuffix(" image")
    return name if name in _ASSOCIATED else ""
