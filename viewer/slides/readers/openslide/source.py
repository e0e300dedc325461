"""Every format that OpenSlide reads: SVS, NDPI, MRXS, SCN, BIF, VMS, Philips, DICOM, TIFF."""

from __future__ import annotations

import re
import threading
from ctypes import POINTER, c_uint32
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from openslide import OpenSlide, OpenSlideError, OpenSlideUnsupportedFormatError, lowlevel

from viewer.geometry import Optics
from viewer.slides.channels import rgb_channels
from viewer.slides.errors import TileError, UnsupportedSlideError, damaged_image, too_large_tiles
from viewer.slides.files.companions import check_companions
from viewer.slides.pixel_memory import new_pixels
from viewer.slides.readers.openslide.aperio import levels_beside, note_on_beside
from viewer.slides.readers.openslide.left_out import left_out_notes
from viewer.slides.readers.openslide.messages import as_slide_error
from viewer.slides.readers.openslide.unread_profiles import (
    picture_tags,
    profiles_in_jpegs,
    unread_profile,
    unread_profiles_beside,
)
from viewer.slides.resolution import believable_mpp_um, positive, scale_doubt
from viewer.slides.source import DescribedSource, Level, RgbImage, ScreenImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.readers.tiff_directory import PictureTags

_Handle = lowlevel._OpenSlide  # pyright: ignore[reportPrivateUsage]

_STORED_TILE_PX = range(128, 2049)
"""Tile sides of a file worth taking over; others (strips of NDPI, 64 px) are bad units of work."""

_OWN_TILE_PX = 256
_OPAQUE = np.uint32(0xFF000000)
MAX_STORED_TILE_PX = 1 << 26
"""Pixels of one tile of a file, 8192 x 8192; OpenSlide takes four bytes for each."""


_own_pixels = partial(np.empty, dtype=np.uint8)


def open_with_openslide(path: Path) -> OpenSlideSource | None:
    """Return the slide by OpenSlide; None where the file is of no kind that OpenSlide knows.

    Raises
    ------
    SlideError
        OpenSlide knows the kind, but cannot open this file.
    """
    check_companions(path)
    try:
        slide = OpenSlide(path)
        try:
            return OpenSlideSource(path, slide)
        except BaseException:
            slide.close()
            raise
    except OpenSlideUnsupportedFormatError:
        return None
    except OpenSlideError as error:
        raise as_slide_error(path, str(error)) from error


class OpenSlideSource(DescribedSource):
    """A slide read by OpenSlide, whose handle it takes over.

    An error makes an OpenSlide handle useless for ever. So a tile that fails on the shared handle
    is tried once more on one of its own, which tells a bad tile from a good one that came right
    after it, and the shared handle is replaced. Tiles known to fail stay off the shared handle.
    """

    def __init__(self, path: Path, slide: OpenSlide) -> None:
        self._path = path
        properties = dict(slide.properties)
        _check_stored_tiles(path, properties)
        own = _levels(slide, properties)
        vendor = properties.get("openslide.vendor", "unknown")
        tags = picture_tags(path, vendor, _sizes_beside(properties))
        beside = levels_beside(tags, own) if vendor == "aperio" else {}
        self._numbers = [number for number in _distinct(own) if number not in beside]
        self._levels = tuple(own[number] for number in self._numbers)
        self._info = _info(path, slide, properties, tags, note_on_beside([*beside.values()]))
        self._background = _background(properties)
        self._lock = threading.Lock()
        self._handle: _Handle | None = slide._osr  # pyright: ignore[reportPrivateUsage]
        self._closed = False
        self._failed: set[tuple[int, int, int]] = set()

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        grid = self._levels[level]
        width, height = grid.tile_size_px(column, row)
        x_px, y_px = column * grid.tile_width_px, row * grid.tile_height_px
        return self.read_region((level, column, row), x_px, y_px, width, height)

    def read_for_screen(self, level: int, column: int, row: int) -> ScreenImage:
        grid = self._levels[level]
        size = grid.tile_size_px(column, row)
        corner = column * grid.tile_width_px, row * grid.tile_height_px
        return self._on_background(self._bgra((level, column, row), *corner, *size, new_pixels))

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return rgb_channels(self, (level, column, row), channels, z, t)

    def read_region(
        self, tile: tuple[int, int, int], x_px: int, y_px: int, width_px: int, height_px: int
    ) -> RgbImage:
        """Return a part of a level, on the slide's background color.

        Parameters
        ----------
        tile
            Level, column and row to name in errors.
        x_px, y_px
            The part's top left corner, in the level's own pixels.

        Raises
        ------
        TileError
            OpenSlide cannot read the part, or the source is closed.
        """
        return _rgb(self._on_background(self._bgra(tile, x_px, y_px, width_px, height_px)))

    def _bgra(
        self,
        tile: tuple[int, int, int],
        x_px: int,
        y_px: int,
        width_px: int,
        height_px: int,
        new: Callable[[tuple[int, ...]], ScreenImage] = _own_pixels,
    ) -> ScreenImage:
        """Return a part of a level as OpenSlide has it, premultiplied. Raises TileError."""
        level = tile[0]
        downsample = self._levels[level].downsample
        corner = round(x_px * downsample), round(y_px * downsample)
        region = (*corner, self._numbers[level], width_px, height_px)
        if tile not in self._failed:
            handle = self._shared_handle(tile)
            try:
                return _premultiplied_bgra(handle, *region, new)
            except OpenSlideError:
                self._drop(handle)
        try:
            image = _premultiplied_bgra(self._fresh_handle(tile), *region, new)
        except OpenSlideError as error:
            self._failed.add(tile)
            raise TileError(*tile, str(error)) from error
        self._failed.discard(tile)
        return image

    def read_associated(self, name: str) -> RgbImage:
        try:
            with OpenSlide(self._path) as slide:
                rgba = np.asarray(slide.associated_images[name].convert("RGBA"))
        except (OpenSlideError, KeyError) as error:
            raise damaged_image(self._path, name, error) from error
        alpha = rgba[..., 3:].astype(np.uint16)
        rgb = (rgba[..., :3] * alpha + self._background * (255 - alpha) + 127) // 255
        return np.ascontiguousarray(rgb, dtype=np.uint8)

    def close(self) -> None:
        # Reads under way hold the handle; it frees itself when the last of them lets go.
        with self._lock:
            self._closed = True
            self._handle = None

    def _shared_handle(self, tile: tuple[int, int, int]) -> _Handle:
        handle = self._handle
        if handle is not None:
            return handle
        with self._lock:
            if self._handle is None:
                self._handle = self._fresh_handle(tile)
            return self._handle

    def _fresh_handle(self, tile: tuple[int, int, int]) -> _Handle:
        if self._closed:
            raise TileError(*tile, "the slide has been closed")
        try:
            return lowlevel.open(self._path)
        except OpenSlideError as error:
            reason = f"{self._path.name} can no longer be opened ({error})"
            raise TileError(*tile, reason) from error

    def _drop(self, handle: _Handle) -> None:
        with self._lock:
            if self._handle is handle:
                self._handle = None

    def _on_background(self, bgra: ScreenImage) -> ScreenImage:
        """Lay premultiplied pixels on the slide's background color, in their own memory."""
        if bgra.view(np.uint32).min() < _OPAQUE:
            clear = 255 - bgra[..., 3:].astype(np.uint16)
            bgra[..., :3] += ((self._background[::-1] * clear + 127) // 255).astype(np.uint8)
            bgra[..., 3] = 255
        return bgra


def _rgb(bgra: ScreenImage) -> RgbImage:
    rgb = new_pixels((*bgra.shape[:2], 3))
    for channel in range(3):  # far quicker than one copy with a reversed axis
        rgb[..., channel] = bgra[..., 2 - channel]
    return rgb


def _premultiplied_bgra(
    handle: _Handle,
    x: int,
    y: int,
    level: int,
    width_px: int,
    height_px: int,
    new: Callable[[tuple[int, ...]], ScreenImage],
) -> ScreenImage:
    """OpenSlide's own pixels, uint8 (height, width, 4); x and y in level-0 pixels.

    The public `read_region` goes by way of an unpremultiplied Pillow image, which takes a fifth
    of the time of a tile. The order of bytes holds on little-endian machines, all there are here.
    """
    bgra = new((height_px, width_px, 4))
    pointer = bgra.ctypes.data_as(POINTER(c_uint32))
    lowlevel._read_region(handle, pointer, x, y, level, width_px, height_px)  # pyright: ignore[reportPrivateUsage]
    return bgra


def _levels(slide: OpenSlide, properties: Mapping[str, str]) -> tuple[Level, ...]:
    return tuple(
        Level(width, height, downsample, *_tile_size_px(properties, level))
        for level, ((width, height), downsample) in enumerate(
            zip(slide.level_dimensions, slide.level_downsamples, strict=True)
        )
    )


def _distinct(levels: Sequence[Level]) -> list[int]:
    """Return which levels to show: of channels of an SCN, which OpenSlide calls levels, the first.

    The others have the size of a level before them.
    """
    sizes = [(level.width_px, level.height_px) for level in levels]
    return [number for number, size in enumerate(sizes) if size not in sizes[:number]]


def _check_stored_tiles(path: Path, properties: Mapping[str, str]) -> None:
    """Refuse a slide of tiles that OpenSlide would take gigabytes to decode one of."""
    for name, value in properties.items():
        if re.fullmatch(r"openslide\.level\[\d+\]\.tile-width", name):
            width = int(value)
            height = int(properties.get(name.replace("-width", "-height"), 0))
            if width * height > MAX_STORED_TILE_PX:
                raise UnsupportedSlideError(path, too_large_tiles(path, width, height))


def _tile_size_px(properties: Mapping[str, str], level: int) -> tuple[int, int]:
    width, height = (
        int(properties.get(f"openslide.level[{level}].tile-{side}", 0))
        for side in ("width", "height")
    )
    if width in _STORED_TILE_PX and height in _STORED_TILE_PX:
        return width, height
    return _OWN_TILE_PX, _OWN_TILE_PX


def _background(properties: Mapping[str, str]) -> RgbImage:
    """Return the color behind transparent pixels, uint8 (3,)."""
    return np.frombuffer(
        bytes.fromhex(properties.get("openslide.background-color", "FFFFFF")), np.uint8
    )


def _info(
    path: Path,
    slide: OpenSlide,
    properties: dict[str, str],
    tags: Sequence[PictureTags],
    note: str,
) -> SlideInfo:
    vendor = properties.get("openslide.vendor", "unknown")
    optics = _optics(properties, vendor)
    doubt = scale_doubt(optics)
    sizes_beside = _sizes_beside(properties)
    stored = lowlevel.read_icc_profile(slide._osr)  # pyright: ignore[reportPrivateUsage]
    return SlideInfo(
        vendor=vendor,
        reader=f"OpenSlide ({vendor})",
        optics=optics,
        associated=tuple(slide.associated_images),
        icc_profile=stored or unread_profile(path, vendor, properties),
        profiles_beside=_profiles_beside(slide)
        | unread_profiles_beside(tags, sizes_beside)
        | profiles_in_jpegs(path, vendor, sizes_beside),
        properties=properties,
        notes=(*left_out_notes(path, vendor, properties), *filter(None, (note, doubt))),
    )


def _profiles_beside(slide: OpenSlide) -> dict[str, bytes]:
    """Return the color profiles of the associated pictures that have one."""
    handle = slide._osr  # pyright: ignore[reportPrivateUsage]
    read = lowlevel.read_associated_image_icc_profile
    found = {name: read(handle, name) for name in slide.associated_images}
    return {name: profile for name, profile in found.items() if profile}


def _sizes_beside(properties: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return width and height of the associated pictures."""
    stated = re.compile(r"openslide\.associated\.(.+)\.width")
    named = {
        match[1]: width for key, width in properties.items() if (match := stated.fullmatch(key))
    }
    return {
        name: (int(width), int(properties[f"openslide.associated.{name}.height"]))
        for name, width in named.items()
    }


def _optics(properties: Mapping[str, str], vendor: str) -> Optics:
    x_um = positive(properties.get("openslide.mpp-x"))
    y_um = positive(properties.get("openslide.mpp-y"))
    mpp_um = (x_um, y_um) if x_um is not None and y_um is not None else None
    if vendor == "generic-tiff" and mpp_um is not None:
        # Here it comes from the TIFF's resolution tags, which often hold a printer's dpi.
        mpp_um = believable_mpp_um(*mpp_um)
    return Optics(mpp_um, positive(properties.get("openslide.objective-power")))
