"""OME-Zarr in a folder or a Zip archive, read through zarr."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace

from viewer.geometry import Optics
from viewer.limits import TILE_BYTES, TILE_PIECES
from viewer.slides.channels import (
    MOST_CHANNELS,
    Axes,
    Channel,
    distinct_names,
    names_stains,
    too_many_channels,
    usual_color,
)
from viewer.slides.errors import DamagedSlideError, UnsupportedSlideError, check_image
from viewer.slides.ngff.arrays import NgffError
from viewer.slides.ngff.images import NgffChannel, read_images
from viewer.slides.ngff.placed_levels import with_placed_levels
from viewer.slides.readers.chunk_windows import tile_pieces
from viewer.slides.readers.large_chunks import LARGE_BYTES, large_chunks, part_rows
from viewer.slides.readers.ome_zarr.chunk_versions import ChunkVersions, opened_ns
from viewer.slides.readers.ome_zarr.missing_chunks import MissingChunks
from viewer.slides.readers.ome_zarr.stores import store_of
from viewer.slides.readers.plane_windows import ChunkGrid, PlaneWindows
from viewer.slides.readers.planes_source import PlanesSource
from viewer.slides.readers.sample_colors import ColorModel, SampleColors, display_range
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import ImageEntry, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.ngff.arrays import ArrayInfo, ReadKey
    from viewer.slides.ngff.images import NgffImage
    from viewer.slides.readers.ome_zarr.arrays import ZarrArray
    from viewer.slides.source import Level, RgbImage
    from viewer.slides.tile_windows import Window

_log = logging.getLogger(__name__)

_MOST_TOGETHER_BYTES = 256 << 20
"""Of a place in all channels: of more, zarr decodes one channel at a time."""
_RANGE_PX, _MOST_ALONG = 512, 4
"""Of a large level squares of this side are looked at for its range, up to so many along a side."""
_MOST_LOOKED_AT_PX = 16 << 20
"""Of all channels together, as they have to be decoded for that."""
_MOST_RANGES = 128
"""Channels whose values are looked at; further ones are taken to hold all that their type can."""
_MOST_NAMED = 4
"""Channels in one sentence."""
_GOOD_CHUNKS = "write it in chunks of about 512 x 512 pixels"
_RGB_COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
_UNTOLD = NgffChannel("", None, None)
_ALL_OF_8_BITS = (0.0, 255.0)
_ALPHA_NAMES = ("alpha", "a", "opacity")
_ON_WHITE = SampleColors(ColorModel.RGB, alpha=3)
_RGB_NAMES = (("red", "green", "blue"), ("r", "g", "b"))


def open_ome_zarr(path: Path, image: int | None = None) -> PlanesSource | None:
    """Open an OME-Zarr; None for what is neither a folder nor an archive of Zarr.

    Raises
    ------
    SlideError
        It is a Zarr, but cannot be shown.
    OSError
        It cannot be read.
    """
    read = store_of(path)
    if read is None:
        return None
    versions = ChunkVersions(path, opened_ns()) if path.is_dir() else None
    return open_store(path, read, image, versions)


def open_store(
    path: Path,
    read: ReadKey,
    image: int | None = None,
    versions: ChunkVersions | None = None,
    *,
    is_far: bool = False,
) -> PlanesSource:
    """Open an OME-Zarr whose store is `read`, wherever that gets its bytes from.

    Parameters
    ----------
    versions
        Tells whether its chunks are changed while it is open.
    is_far
        Whether each key costs a request: then nobody looks beforehand which chunks there are.

    Raises
    ------
    SlideError
        It cannot be shown.
    OSError
        It cannot be read.
    """
    try:
        images, has_more = read_images(read)
        areas = [each.count("x") * each.count("y") for each in images]
        largest = max(range(len(images)), key=areas.__getitem__)
        chosen = largest if image is None else image
        check_image(path, image, len(images))
        images[chosen], said = with_placed_levels(images[chosen])
        reader = _ZarrReader(read, images[chosen], versions)
        part = "" if chosen == largest else f"image {chosen}"
        return _source(path, images, chosen, part, reader, said, has_more=has_more, is_far=is_far)
    except NgffError as error:
        kind = DamagedSlideError if "damaged" in str(error) else UnsupportedSlideError
        raise kind(path, f"{path.name} {error}.") from error


def _source(
    path: Path,
    images: list[NgffImage],
    chosen: int,
    part: str,
    reader: _ZarrReader,
    said: str,
    *,
    has_more: bool,
    is_far: bool,
) -> PlanesSource:
    image = images[chosen]
    x_um, y_um = image.step_um("x"), image.step_um("y")
    entries = tuple(
        ImageEntry(
            index, each.name or f"Image {index + 1}", each.count("x"), each.count("y"),
            len(each.levels),
        )
        for index, each in enumerate(images)
    )  # fmt: skip
    properties = {"ome.version": image.version, "ome.axes": image.axes, "ome.name": image.name}
    first = image.levels[0]
    for axis, scale, shift in zip(image.axes, first.scale, first.translation, strict=True):
        properties[f"ome.scale.{axis}"] = f"{scale:g}"
        properties[f"ome.translation.{axis}"] = f"{shift:g}"
    properties["zarr.codecs"] = ", ".join(first.array.codecs)
    is_rgb = _is_rgb(image)
    notes = [said, "" if is_far else reader.missing.note()]
    notes.append(_inverted_note(image))
    if has_more:
        notes.append(f"Only the first {len(images)} of its images are listed.")
    optics = Optics((x_um, y_um) if x_um and y_um else None, None)
    notes.append(scale_doubt(optics))
    info = SlideInfo(
        vendor="ome-zarr",
        reader="zarr",
        optics=optics,
        properties={name: value for name, value in properties.items() if value},
        notes=tuple(note for note in notes if note),
        images=entries if len(entries) > 1 else (),
        image=chosen,
        part=part,
        axes=Axes(
            () if is_rgb else _channels(image, reader),
            image.count("z"),
            image.step_um("z"),
            image.count("t"),
            image.step_s(),
        ),
    )
    return PlanesSource(path, info, reader.levels, reader)


def _inverted_note(image: NgffImage) -> str:
    """Return a sentence on channels that are to be shown inverted; "" where none is."""
    told = enumerate(image.channels)
    names = [each.name or f"channel {index + 1}" for index, each in told if each.is_inverted]
    if not names:
        return ""
    listed = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
    return f"Shown as stored: the file asks for inverted values of {listed}."


def _too_large(size_bytes: int) -> str:
    sentence = TILE_BYTES.sentence("", size_bytes).strip()
    return f"{sentence}; {_GOOD_CHUNKS}"


def _channels_in_chunk(image: NgffImage, info: ArrayInfo) -> int:
    at = image.axes.find("c")
    return info.inner_chunks[at] if at >= 0 else 1


def _is_rgb(image: NgffImage) -> bool:
    """Return whether its channels are the colors of a picture, as they are stored, and opacity."""
    if image.levels[0].array.dtype != "uint8":
        return False
    if image.count("c") != 3 + _has_alpha(image):
        return False
    told = image.channels[:3]
    names = tuple(channel.name.strip().lower() for channel in told)
    colors = tuple(channel.color for channel in told)
    is_whole = all(
        channel.window is None or channel.window in (_ALL_OF_8_BITS, (0.0, 256.0))
        for channel in told
    )
    if not any(names) and not any(colors):
        return True
    return names in _RGB_NAMES or (is_whole and _are_colors(told))


def _has_alpha(image: NgffImage) -> bool:
    """Return whether the fourth channel is named as the opacity of the three before it."""
    told = image.channels
    return len(told) == image.count("c") == 4 and told[3].name.strip().lower() in _ALPHA_NAMES


def _are_colors(told: Sequence[NgffChannel]) -> bool:
    """Return whether channels are called or colored as those of a picture are."""
    names = tuple(channel.name.strip().lower() for channel in told)
    is_colored = tuple(channel.color for channel in told) == _RGB_COLORS
    return names in _RGB_NAMES or (is_colored and not names_stains(names))


def _range_of_colors(ranges: list[tuple[float, float]], dtype: str) -> tuple[float, float]:
    """Return one range for colors, which keeps their balance."""
    stored = np.dtype(dtype)
    shown = display_range(
        (np.array(each, stored) for each in ranges), ColorModel.RGB, 8 * stored.itemsize
    )
    return (0.0, 255.0) if shown is None else (shown.black, shown.white)


def _channels(image: NgffImage, reader: _ZarrReader) -> tuple[Channel, ...]:
    count = image.count("c")
    if count > MOST_CHANNELS:
        raise NgffError(f"has {too_many_channels(count)}")
    told = image.channels + (_UNTOLD,) * (count - len(image.channels))
    names = distinct_names([each.name for each in told])
    dtype = "uint8" if image.levels[0].array.dtype == "bool" else image.levels[0].array.dtype
    channels: list[Channel] = []
    is_plain = count == 1 and image.levels[0].array.dtype == "uint8"
    if is_plain and not told[0].name and not told[0].window:
        told = (replace(told[0], window=_ALL_OF_8_BITS),)  # a gray picture, shown as it is
    unknown = [index for index in range(count) if not told[index].window]
    reader.expect_ranges(unknown[:_MOST_RANGES])
    has_alpha = _has_alpha(image)
    colors = told[:-1] if has_alpha else told
    if len(unknown) == count and _are_colors(colors):
        # Each in its own range would be another picture.
        ranges = [reader.value_range(index) for index in range(len(colors))]
        window = _range_of_colors(ranges, dtype)
        told = (*(replace(each, window=window) for each in colors), *told[len(colors) :])
    if has_alpha:  # it is no light
        told = (*told[:-1], replace(told[-1], is_on=False))
    for index, name in enumerate(names):
        color, window = told[index].color, told[index].window
        channels.append(
            Channel(
                name,
                color or usual_color(name, index, count),
                dtype,
                window or reader.value_range(index),
                is_on=told[index].is_on,
            )
        )
    return tuple(channels)


def _spread(index: int, count: int, room: int) -> int:
    """Return where one of `count` places lies that are spread evenly; one alone in the middle."""
    return room // 2 if count == 1 else index * room // (count - 1)


class _ZarrReader:
    """Reads windows of an image; fulfils `PlaneReader`."""

    def __init__(self, read: ReadKey, image: NgffImage, versions: ChunkVersions | None) -> None:
        from viewer.slides.readers.ome_zarr.arrays import ZarrArray  # with it comes zarr

        self._read, self._image = read, image
        self._blends = _is_rgb(image) and _has_alpha(image)
        self._arrays: list[ZarrArray] = []
        self._grids: list[ChunkGrid] = []
        largest = 0
        for level in image.levels:
            info = level.array
            size = math.prod(info.inner_chunks) * np.dtype(info.dtype).itemsize
            together = -(-3 // _channels_in_chunk(image, info)) if _is_rgb(image) else 1
            if together * size > TILE_BYTES.most:
                raise NgffError(_too_large(together * size))
            sizes = dict(zip(image.axes, info.shape, strict=True))
            chunks = dict(zip(image.axes, info.inner_chunks, strict=True))
            pieces = tile_pieces((sizes["x"], sizes["y"]), (chunks["x"], chunks["y"]))
            if pieces > TILE_PIECES.most:
                sentence = TILE_PIECES.sentence("", pieces).strip()
                raise NgffError(f"{sentence}; {_GOOD_CHUNKS}")
            self._arrays.append(ZarrArray(read, info))
            # All channels of a place are kept together.
            parts = 1
            whole = size * -(-image.count("c") // _channels_in_chunk(image, info))
            if size > LARGE_BYTES and info.chunks == info.inner_chunks:
                # The pipeline holds it decoded, and rows of it are asked for.
                row_bytes = image.count("c") * chunks["x"] * np.dtype(info.dtype).itemsize
                rows = part_rows(chunks["y"], row_bytes)
                parts, chunks["y"] = -(-chunks["y"] // rows), rows
                size = whole = row_bytes * rows
            largest = max(largest, size, min(whole, TILE_BYTES.most))
            self._grids.append(ChunkGrid(sizes["x"], sizes["y"], chunks["x"], chunks["y"], parts))
        self._windows = PlaneWindows(self._grids, self._chunk, largest)
        self._values = self._windows.read
        # What is clear of a picture with opacity is left out as an empty channel is.
        is_full = _is_rgb(image) and not self._blends
        self.missing = MissingChunks(read, image, self._values, versions, is_picture=is_full)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the levels, cut into the chunks of the file or into tiles of a better size."""
        return tuple(grid.level(self._grids[0]) for grid in self._grids)

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        plane = self._plane(level, z)
        stored = (0, 1, 2, 3) if self._blends else channels
        try:
            self.missing.check(level, window, stored, plane, t)
            values = self._values(level, window, stored, plane, t)
        except ChunkError:
            self.missing.check_unchanged(level, window, stored, plane, t)
            raise
        self.missing.check_unchanged(level, window, stored, plane, t)
        if not self._blends:
            return values
        return np.moveaxis(_ON_WHITE.rgb(np.moveaxis(values, 0, 2)), 2, 0)[list(channels)]

    def keys(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> list[str]:
        """Return the keys of the chunks that a window is read from; [] for shards."""
        info = self._image.levels[level].array
        if info.chunks != info.inner_chunks:
            return []
        chunks = self.missing.chunks(level, window, channels, self._plane(level, z), t)
        return [info.chunk_key(chunk) for chunk in chunks]

    def expect(self, windows: Sequence[tuple[int, Window]], channels: tuple[int, ...]) -> None:
        """Have the chunks of windows at hand, where the store can fetch many at once."""
        expect = getattr(self._read, "expect", None)
        if expect is not None:
            expect(
                key for level, window in windows for key in self.keys(level, window, channels, 0, 0)
            )

    def read_associated(self, name: str) -> RgbImage:
        raise ChunkError(f"an OME-Zarr has no {name}")

    def close(self) -> None:
        self._windows.clear()
        large_chunks().clear()

    def expect_ranges(self, channels: Sequence[int]) -> None:
        """Have at hand what `value_range` looks at."""
        level = len(self._arrays) - 1
        self.expect([(level, window) for window in self._looked_at(level)], tuple(channels))

    def _looked_at(self, level: int) -> list[Window]:
        """Return all of a level, or squares that are spread over it."""
        grid, axes = self._grids[level], self._image.axes
        most_px = _MOST_LOOKED_AT_PX // self._image.count("c")
        width_px, height_px = grid.width_px, grid.height_px
        if width_px * height_px <= most_px:
            return [(0, 0, width_px, height_px)]
        chunks = self._arrays[level].info.inner_chunks
        decoded_px = max(chunks[axes.index("x")] * chunks[axes.index("y")], _RANGE_PX**2)
        along = max(1, min(math.isqrt(most_px // decoded_px), _MOST_ALONG))
        wide, tall = min(width_px, _RANGE_PX), min(height_px, _RANGE_PX)
        return [
            (_spread(column, along, width_px - wide), _spread(row, along, height_px - tall),
             wide, tall)
            for row, column in np.ndindex(along, along)
        ]  # fmt: skip

    def value_range(self, channel: int) -> tuple[float, float]:
        """Return the smallest and largest value of a channel, as the coarsest level has them."""
        level = len(self._arrays) - 1
        dtype = np.dtype(self._arrays[level].info.dtype)
        if channel >= _MOST_RANGES and dtype.kind in "iu":
            return (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
        low, high = math.inf, -math.inf
        for window in self._looked_at(level):
            try:
                values = self._values(level, window, (channel,), self._plane(level, 0), 0)
            except ChunkError as error:
                _log.info("a part that tells the range of a channel is missing (%s)", error)
                continue
            known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
            if known.size:
                low, high = min(low, float(known.min())), max(high, float(known.max()))
        if low > high:
            return (0.0, 1.0)
        return (low, high) if high > low else (low, low + 1)

    def _plane(self, level: int, z: int) -> int:
        """Return the plane of a level that lies where plane `z` of level 0 does."""
        at = self._image.axes.find("z")
        if at < 0:
            return 0
        return z * self._arrays[level].info.shape[at] // self._image.count("z")

    def _chunk(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        """Return what lies in a column and row of chunks; a missing chunk has the fill value."""
        first, last = min(channels), max(channels)
        info = self._arrays[level].info
        left, top, width, height = self._grids[level].chunk_window(column, row)
        dtype = np.dtype("uint8" if info.dtype == "bool" else info.dtype)
        size = len(channels) * height * width * dtype.itemsize
        if size > TILE_BYTES.most:
            raise ChunkError(f"it {_too_large(size)}, or show fewer channels")
        is_far = last - first >= 2 * len(channels)
        is_large = size > _MOST_TOGETHER_BYTES and _channels_in_chunk(self._image, info) == 1
        if len(channels) > 1 and (is_far or is_large):
            values = np.empty((len(channels), height, width), dtype)
            for index, channel in enumerate(channels):
                values[index] = self._chunk(level, column, row, (channel,), z, t)[0]
            return values
        axes = self._image.axes
        place: dict[str, slice | int] = {
            "t": t,
            "z": z,
            "c": slice(first, last + 1),
            "y": slice(top, top + height),
            "x": slice(left, left + width),
        }
        values = self._arrays[level].read(tuple(place[axis] for axis in axes))
        left_axes = [axis for axis in axes if axis in "cyx"]
        if "c" not in left_axes:
            values, left_axes = values[np.newaxis], ["c", *left_axes]
        values = values.transpose([left_axes.index(axis) for axis in "cyx"])
        wanted = [channel - first for channel in channels]
        return values if wanted == list(range(len(values))) else values[wanted]
