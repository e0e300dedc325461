"""The direct path for tiled TIFF: the tile's bytes from the file, straight to its decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.slides.channels import rgb_channels
from viewer.slides.errors import DamagedSlideError, TileError
from viewer.slides.readers.coded_size import check_coded_size
from viewer.slides.readers.jpeg_tiles import (
    DirectTiles,
    JpegDecoder,
    TilePlaces,
    as_bytes,
)
from viewer.slides.readers.shared_file import AnyFile, shared_file
from viewer.slides.source import DescribedSource, Level, RgbImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.readers.tiff_directory import Directory
    from viewer.slides.readers.tile_decoders import Decoder


class StoredLevel(msgspec.Struct, frozen=True):
    """Where the tiles of a level lie in the file, and what decodes them.

    Attributes
    ----------
    offsets, byte_counts
        Per tile, row by row; a tile of no bytes is background.
    """

    level: Level
    columns: int
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    decode: Decoder

    @classmethod
    def of_page(cls, page: Directory, downsample: float, decode: Decoder) -> StoredLevel:
        level = Level(
            page.imagewidth, page.imagelength, downsample, page.tilewidth, page.tilelength
        )
        offsets = np.asarray(page.dataoffsets, np.int64)
        byte_counts = np.asarray(page.databytecounts, np.int64)
        if len(offsets) < level.columns * level.rows or len(byte_counts) != len(offsets):
            raise ValueError("the list of its tiles is too short")
        return cls(level, level.columns, offsets, byte_counts, decode)


class VendorTiffSource(DescribedSource):
    """A tiled TIFF read without OpenSlide.

    Parameters
    ----------
    info
        What the slide says of itself, from whoever knows.
    sparse_tile
        Gives level, column, row where the file stores no tile; None means white.
    read_associated
        Gives the pictures that `info.associated` names.
    close_helpers
        Called once on close.
    """

    def __init__(
        self,
        path: Path,
        stored: Sequence[StoredLevel],
        info: SlideInfo,
        *,
        sparse_tile: Callable[[int, int, int], RgbImage] | None = None,
        read_associated: Callable[[str], RgbImage] | None = None,
        close_helpers: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._stored = tuple(stored)
        self._levels = tuple(level.level for level in stored)
        self._info = info
        self._file: AnyFile | None = shared_file(path)
        self._sparse_tile = sparse_tile or self._white
        self._read_associated = read_associated
        self._close_helpers = close_helpers

    @property
    def direct_tiles(self) -> list[DirectTiles | None]:
        """Return where the tiles of each level lie that are JPEG.

        None for levels of other codings.
        """
        return [
            DirectTiles(as_bytes(stored.offsets), as_bytes(stored.byte_counts), stored.decode)
            if isinstance(stored.decode, JpegDecoder)
            else None
            for stored in self._stored
        ]

    @property
    def tile_places(self) -> list[list[TilePlaces]]:
        """Return where the tiles of each level lie, whatever their coding."""
        return [
            [
                TilePlaces(
                    stored.level.tile_width_px,
                    stored.level.tile_height_px,
                    stored.columns,
                    as_bytes(stored.offsets),
                    as_bytes(stored.byte_counts),
                )
            ]
            for stored in self._stored
        ]

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        stored = self._stored[level]
        index = row * stored.columns + column
        size = stored.byte_counts.item(index)
        if size == 0:
            return self._sparse_tile(level, column, row)
        file = self._file
        if file is None:
            raise TileError(level, column, row, "the slide has been closed")
        try:
            data = file.read(stored.offsets.item(index), size)
        except OSError as error:
            raise TileError(level, column, row, f"the file cannot be read ({error})") from error
        if len(data) != size:
            raise TileError(level, column, row, "the file ends before the tile does")
        grid = stored.level
        codec = "jpeg" if isinstance(stored.decode, JpegDecoder) else "jpeg2k"
        try:
            check_coded_size(codec, data, grid.tile_width_px, grid.tile_height_px)
            image = stored.decode(data)
        except Exception as error:  # decoders of many libraries, fed with whatever the file holds
            raise TileError(level, column, row, f"its data is damaged ({error})") from error
        width, height = grid.tile_size_px(column, row)
        if image.shape == (height, width, 3) and image.dtype == np.uint8:
            return image
        if not _holds(image, width, height):
            raise TileError(level, column, row, f"its data is of the wrong size {image.shape}")
        return np.ascontiguousarray(image[:height, :width])

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return rgb_channels(self, (level, column, row), channels, z, t)

    def stored_tiles_from_the_middle(self, level: int, count: int) -> list[tuple[int, int]]:
        """Columns and rows of the `count` tiles nearest the middle of a level that hold data."""
        stored = self._stored[level]
        grid = stored.level
        has_data = stored.byte_counts[: grid.columns * grid.rows].reshape(grid.rows, -1) > 0
        # A level may have a quarter of a million tiles, and what is wanted lies in the middle.
        reach = 4
        while True:
            top, left = max(grid.rows // 2 - reach, 0), max(grid.columns // 2 - reach, 0)
            part = has_data[top : grid.rows // 2 + reach, left : grid.columns // 2 + reach]
            rows, columns = np.nonzero(part)
            rows, columns = rows + top, columns + left
            distance = np.hypot(columns - (grid.columns - 1) / 2, rows - (grid.rows - 1) / 2)
            is_whole = reach > max(grid.rows, grid.columns)
            if is_whole or np.count_nonzero(distance < reach - 1) >= count:
                break
            reach *= 4
        nearest = np.argsort(distance, kind="stable")[:count]
        return [(int(columns[i]), int(rows[i])) for i in nearest]

    def read_associated(self, name: str) -> RgbImage:
        if self._read_associated is None:
            raise DamagedSlideError(self._path, f"{self._path.name} has no picture named {name}.")
        return self._read_associated(name)

    def close(self) -> None:
        # Reads under way hold the file; it closes when the last of them lets go.
        self._file = None
        if self._close_helpers is not None:
            self._close_helpers()

    def _white(self, level: int, column: int, row: int) -> RgbImage:
        width, height = self._levels[level].tile_size_px(column, row)
        return np.full((height, width, 3), 255, np.uint8)


def _holds(image: NDArray[np.generic], width: int, height: int) -> bool:
    """Return whether a decoded tile is 8-bit RGB of at least this size."""
    return (
        image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[0] >= height
        and image.shape[1] >= width
        and image.shape[2] == 3
    )
