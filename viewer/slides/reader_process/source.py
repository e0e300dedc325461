"""A slide that is read by a process of its own, except for its plain JPEG tiles."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import zip_longest
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.errors import reason_of
from viewer.geometry import Optics
from viewer.slides.channels import MOST_CHANNELS, STORED_TYPES, Axes, as_channels
from viewer.slides.errors import (
    DamagedSlideError,
    SlideAccessError,
    SlideAwayError,
    SlideLostError,
    TileError,
    UnsupportedSlideError,
    too_large_tiles,
)
from viewer.slides.reader_process.pool import reader_pool
from viewer.slides.reader_process.process import KEPT_SLOT_BYTES, MAX_TILE_BYTES
from viewer.slides.readers.jpeg_tiles import (
    DirectTiles,
    PlainJpegDecoder,
    holds_no_frame,
)
from viewer.slides.readers.shared_file import SharedFile
from viewer.slides.remote.client import RemoteFile
from viewer.slides.remote.places import places_of
from viewer.slides.source import DescribedSource, Level, RgbImage, ScreenImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.file_version import FileVersion
    from viewer.slides.reader_process.messages import Opened
    from viewer.slides.reader_process.pool import ReaderPool
    from viewer.slides.reader_process.reader import SlideReader
    from viewer.slides.remote.client import RemoteSlide

_MAX_LEVELS = 100
_MOST_TILES = 1 << 28
"""Of a level: two meters of glass at 0.5 um and 256 px."""
_MAX_SIDE_PX = 1 << 31
_MOST_PLANES = 1 << 20
_LEAST = 1e-9
"""Of micrometers, seconds and an objective's power; the most is the inverse of it."""
_MAX_TABLES_BYTES = 1 << 16
_MAX_JPEG_BYTES = 32 << 20
"""A tile of more bytes is left to the reader."""


def open_isolated(
    path: Path,
    image: int | None = None,
    pool: ReaderPool | None = None,
    remote: RemoteSlide | None = None,
    version: FileVersion | None = None,
) -> IsolatedSource:
    """Open a slide in a process of its own; of one on a server `remote` gives the bytes.

    Parameters
    ----------
    version
        The files as they were found; looked at here where it is not given.

    Raises
    ------
    SlideError
        It cannot be opened; `str()` of the error is one sentence for the user.
    """
    pool = pool or reader_pool()
    try:
        reader = pool.reader_of(path, image, remote, version)
    except OSError as error:
        raise SlideAccessError(
            path, f"{path.name} cannot be read ({reason_of(error)}); check its drive."
        ) from error
    try:
        return IsolatedSource(path, reader, pool)
    except BaseException:
        pool.give_back(reader)
        raise


class _JpegLevel(msgspec.Struct, frozen=True):
    """Where the JPEG tiles of a level lie; int64 arrays, row by row."""

    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    decode: PlainJpegDecoder


class IsolatedSource(DescribedSource):
    """A slide whose real source lives in another process.

    What that process says of the slide is checked like a foreign file. Tiles of baseline JPEG are
    read and decoded here, after their size has been held against the level's; all others come
    from the process.
    """

    def __init__(self, path: Path, reader: SlideReader, pool: ReaderPool) -> None:
        opened = reader.opened
        self._path = path
        self._pool = pool
        self._reader = reader
        self._levels = opened.levels
        _check_levels(path, self._levels)
        _check_axes(path, opened.axes)
        self._info = _info(opened)
        self._jpeg = [
            _jpeg_level(direct, level)
            for direct, level in zip_longest(opened.direct[: len(self._levels)], self._levels)
        ]
        self._direct = opened.direct
        self._remote = reader.remote
        self._file: SharedFile | RemoteFile | None = None
        if any(self._jpeg):
            remote = self._remote
            self._file = remote if isinstance(remote, RemoteFile) else SharedFile(path)
        self._places = self._remote and places_of(opened.places, self._levels)
        self._is_closed = False

    @property
    def direct_tiles(self) -> list[DirectTiles | None]:
        """Return where the JPEG tiles of each level lie that are decoded here; else None."""
        return [
            self._direct[index] if jpeg is not None else None
            for index, jpeg in enumerate(self._jpeg)
        ]

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        return self._read(level, column, row, for_screen=False)

    def read_for_screen(self, level: int, column: int, row: int) -> ScreenImage | RgbImage:
        return self._read(level, column, row, for_screen=True)

    def _read(
        self, level: int, column: int, row: int, *, for_screen: bool
    ) -> ScreenImage | RgbImage:
        if self._is_closed:
            raise TileError(level, column, row, "the slide has been closed")
        width, height = self._levels[level].tile_size_px(column, row)
        if self._remote is None:
            image = self._pixels(level, column, row, for_screen=for_screen)
        else:
            with self._telling_silence(level, column, row):
                image = self._pixels(level, column, row, for_screen=for_screen)
        if image.shape[0] < height or image.shape[1] < width:
            raise TileError(level, column, row, f"its data is of the wrong size {image.shape}")
        if image.shape[:2] == (height, width):
            return image
        return np.ascontiguousarray(image[:height, :width])

    def expect(self, tiles: Sequence[tuple[int, int, int]], threads: int = 1) -> None:
        """Begin to fetch tiles that will be read soon, of a slide on a server, or else to read."""
        if self._places and isinstance(self._remote, RemoteFile):
            self._remote.expect_soon(self._places.ranges(tiles))
        elif self._remote is not None:
            if tiles:
                self._reader.expect(tiles)
        else:
            self._reader.read_ahead([each for each in tiles if self._is_small(each[0])], threads)

    def _is_small(self, level: int) -> bool:
        """Return whether tiles of a level come from the process, and take little memory there."""
        width, height = self._levels[level].tile_size_px(0, 0)
        return self._jpeg[level] is None and 4 * width * height <= KEPT_SLOT_BYTES

    @property
    def silence(self) -> str:
        """Return why the slide's server gives nothing now; "" while it does."""
        return self._remote.problem if self._remote is not None else ""

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        if self._is_closed:
            raise TileError(level, column, row, "the slide has been closed")
        grid, axes = self._levels[level], self._info.axes
        if axes.is_rgb and not (z or t):
            return as_channels(self.read_tile(level, column, row), channels)
        width, height = grid.tile_size_px(column, row)
        dtype = axes.dtype
        at_once = max(1, MAX_TILE_BYTES // (width * height * dtype.itemsize))
        values = np.empty((len(channels), height, width), dtype)
        for first in range(0, len(channels), at_once):
            some = channels[first : first + at_once]
            with self._telling_silence(level, column, row):
                part = self._reader.read_channels(level, column, row, some, z, t)
            if part.dtype != dtype or part.shape != (len(some) * height, width, 1):
                raise TileError(
                    level, column, row, f"its data is of the wrong size or type {part.shape}"
                )
            part = part.reshape(len(some), height, width)
            if len(some) == len(channels):
                return part
            values[first : first + len(some)] = part
        return values

    def read_associated(self, name: str) -> RgbImage:
        if self._is_closed:
            raise SlideAccessError(self._path, f"{self._path.name} has been closed.")
        return self._reader.read_associated(name)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._file = None
            self._pool.give_back(self._reader)

    @contextmanager
    def _telling_silence(self, level: int, column: int, row: int) -> Generator[None]:
        """Tell a tile whose server is silent from one that is damaged."""
        try:
            yield
        except SlideLostError:
            raise
        except TileError as error:
            if self._remote is not None and self._remote.problem:
                self._remote.check()
                raise SlideAwayError(level, column, row, self._remote.problem) from error
            raise

    def _pixels(
        self, level: int, column: int, row: int, *, for_screen: bool
    ) -> ScreenImage | RgbImage:
        image = self._decoded_here(level, column, row, for_screen=for_screen)
        if image is not None:
            return image
        return self._reader.read_tile(level, column, row, for_screen=for_screen)

    def _decoded_here(
        self, level: int, column: int, row: int, *, for_screen: bool
    ) -> ScreenImage | RgbImage | None:
        """Return a tile that is plain JPEG; None for one that the process has to read."""
        file, jpeg = self._file, self._jpeg[level]
        if file is None or jpeg is None:
            return None
        grid = self._levels[level]
        index = row * grid.columns + column
        offset, size = jpeg.offsets.item(index), jpeg.byte_counts.item(index)
        if not 0 < size <= _MAX_JPEG_BYTES or offset <= 0:
            return None
        try:
            data = file.read(offset, size)
        except OSError as error:
            raise TileError(level, column, row, f"the file cannot be read ({error})") from error
        if len(data) != size:
            raise TileError(level, column, row, "the file ends before the tile does")
        try:
            return jpeg.decode(data, for_screen=for_screen)
        except Exception as error:  # the decoder's own class of error, or one of its wrapper
            raise TileError(level, column, row, f"its data is damaged ({error})") from error


def _check_levels(path: Path, levels: tuple[Level, ...]) -> None:
    """Refuse sizes that cannot be, and tiles too large to be handed over. Raises SlideError."""
    if not 0 < len(levels) <= _MAX_LEVELS:
        raise DamagedSlideError(
            path,
            f"{path.name} says that it has {len(levels)} levels; the file is damaged, so copy it "
            "again from where it came.",
        )
    for level in levels:
        sides = (level.width_px, level.height_px, level.tile_width_px, level.tile_height_px)
        is_sound = all(0 < side < _MAX_SIDE_PX for side in sides) and 0 < level.downsample < inf
        if not is_sound or level.columns * level.rows > _MOST_TILES:
            raise DamagedSlideError(
                path,
                f"{path.name} says that it has {level.width_px:,} x {level.height_px:,} pixels in "
                f"tiles of {level.tile_width_px:,} x {level.tile_height_px:,}, which cannot be; "
                "the file is damaged, so copy it again from where it came.",
            )
        width, height = level.tile_size_px(0, 0)
        if width * height * 3 > MAX_TILE_BYTES:
            raise UnsupportedSlideError(path, too_large_tiles(path, width, height))


def _check_axes(path: Path, axes: Axes) -> None:
    """Refuse counts, types and ranges that cannot be. Raises SlideError."""
    is_sound = (
        len(axes.channels) <= MOST_CHANNELS
        and 0 < axes.z_count < _MOST_PLANES
        and 0 < axes.t_count < _MOST_PLANES
        and all(
            channel.dtype in STORED_TYPES
            and all(0 <= part <= 255 for part in channel.color)
            and all(map(isfinite, channel.value_range))
            for channel in axes.channels
        )
    )
    if not is_sound:
        raise DamagedSlideError(
            path,
            f"{path.name} says that it has {len(axes.channels)} channels, {axes.z_count} planes "
            f"and {axes.t_count} time points of kinds which cannot be; the file is damaged, so "
            "copy it again from where it came.",
        )


def _info(opened: Opened) -> SlideInfo:
    return SlideInfo(
        vendor=opened.vendor,
        reader=opened.reader,
        optics=_sound_optics(opened.optics),
        associated=opened.associated,
        icc_profile=opened.icc_profile,
        profiles_beside=opened.profiles_beside,
        properties=opened.properties,
        notes=opened.notes,
        images=opened.images,
        image=opened.image,
        part=opened.part,
        display_range=_sound_range(opened.display_range),
        axes=msgspec.structs.replace(
            opened.axes,
            z_spacing_um=_sound(opened.axes.z_spacing_um),
            t_interval_s=_sound(opened.axes.t_interval_s),
        ),
    )


def _sound(value: float | None) -> float | None:
    """Return a length, time or power that can be; None for others, by which nobody may divide."""
    return value if value is not None and _LEAST <= value <= 1 / _LEAST else None


def _sound_optics(optics: Optics) -> Optics:
    sides = optics.mpp_um
    is_sound = sides is not None and all(_sound(side) is not None for side in sides)
    return Optics(sides if is_sound else None, _sound(optics.objective_power))


def _sound_range(values: tuple[float, float] | None) -> tuple[float, float] | None:
    return values if values is not None and isfinite(values[1] - values[0]) else None


def _jpeg_level(direct: DirectTiles | None, level: Level) -> _JpegLevel | None:
    """Return what is needed to read a level here; None where the process has to."""
    if direct is None:
        return None
    tables = direct.decoder.tables
    if len(tables or b"") > _MAX_TABLES_BYTES or not holds_no_frame(tables):
        return None
    count = level.columns * level.rows
    if len(direct.offsets) != len(direct.byte_counts) or len(direct.offsets) < 8 * count:
        return None
    return _JpegLevel(
        np.frombuffer(direct.offsets, np.int64, count),
        np.frombuffer(direct.byte_counts, np.int64, count),
        PlainJpegDecoder(direct.decoder, level.tile_width_px, level.tile_height_px),
    )
