# pyright: reportMissingTypeStubs=false
# (wsidicom brings none)
"""The planes of a DICOM slide: which file holds which, and windows of them, through wsidicom."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from viewer.slides.readers.dicom.fragments import frame_data
from viewer.slides.readers.dicom.frames import NATIVE, FrameFormat
from viewer.slides.readers.plane_windows import ChunkGrid, PlaneWindows
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_log = logging.getLogger(__name__)

NAMES_BESIDE = {"labels": "label", "overviews": "macro"}
"""What wsidicom calls the images beside the slide, and what OpenSlide does."""
_MOST_ASSOCIATED_PX = 64 << 20
_MOST_LOOKED_AT = 24
"""Tiles of all channels together that tell the ranges of their values."""
_unindexed: WeakKeyDictionary[object, str] = WeakKeyDictionary()
"""Files of wsidicom whose frames cannot be found, and why."""
_indexing = Lock()


class DicomReader:
    """Reads windows of a slide; fulfils `PlaneReader`."""

    def __init__(
        self, slide: Any, stacks: list[PlaneStack], heights: list[float], paths: list[str],
        format_of: Callable[[Any], FrameFormat], *, is_rgb: bool,
    ) -> None:  # fmt: skip
        self._slide = slide
        self._stacks = stacks
        self._heights = heights
        self._paths = paths
        self._format_of = format_of
        self._is_rgb = is_rgb
        self._windows = PlaneWindows([stack.grid for stack in stacks], self._chunk)

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        return self._windows.read(level, window, channels, z, t)

    def expect(self, windows: Sequence[tuple[int, Window]], channels: tuple[int, ...]) -> None:
        """Have the frames of windows at hand, where they come from a server."""
        frames: dict[tuple[str, int], None] = {}
        expect = None
        for level, window in windows:
            stack = self._stacks[level]
            for name in self._paths[:1] if self._is_rgb else [self._paths[i] for i in channels]:
                data, _, z_um = stack.of(self._heights[0], name)
                expect = getattr(getattr(data, "_client", None), "expect", None)
                if expect is None:
                    return
                for column, row in stack.grid.touched(window):
                    frames |= dict.fromkeys(_frames(data, column, row, z_um, name))
        if expect is not None:
            expect(frames)

    def read_associated(self, name: str) -> RgbImage:
        group = next(theirs for theirs, ours in NAMES_BESIDE.items() if ours == name)
        instance = first_beside(self._slide, group)
        size = instance.size
        if size.width * size.height > _MOST_ASSOCIATED_PX:
            raise ChunkError("it is too large")
        data = instance.image_data
        stored = self._format_of(data)
        tile = data.tile_size
        grid = ChunkGrid(size.width, size.height, tile.width, tile.height)
        picture = np.empty((size.height, size.width, 3), np.uint8)
        for row in range(-(-size.height // tile.height)):
            for column in range(-(-size.width // tile.width)):
                left, top, width, height = grid.chunk_window(column, row)
                pixels = _decoded(data, stored, column, row, data.default_z, data.default_path)
                color = pixels if pixels.ndim == 3 else stored.eight_bits(pixels)[..., np.newaxis]
                picture[top : top + height, left : left + width] = color[:height, :width]
        return picture

    def value_range(self, channel: int) -> tuple[float, float]:
        """Return the smallest and largest value of some tiles of the coarsest level, or of all."""
        level = len(self._stacks) - 1
        grid = self._stacks[level].grid
        columns = -(-grid.width_px // grid.chunk_width_px)
        tiles = columns * -(-grid.height_px // grid.chunk_height_px)
        step = -(-tiles // max(1, _MOST_LOOKED_AT // len(self._paths)))
        low, high = np.inf, -np.inf
        for tile in range(step // 2, tiles, step):
            row, column = divmod(tile, columns)
            try:
                values = self._chunk(level, column, row, (channel,), 0, 0)
            except ChunkError as error:
                _log.info("a tile that tells of the range of a channel is missing (%s)", error)
                continue
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if not low <= high:
            return (0.0, 1.0)
        return (low, high) if high > low else (low, low + 1)

    def close(self) -> None:
        self._windows.clear()
        self._slide.close()

    def _chunk(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        stack = self._stacks[level]
        height = self._heights[z]
        if t:
            raise ChunkError("the slide has one point in time")
        if self._is_rgb:
            data, stored, z_um = stack.of(height, self._paths[0])
            colors = _decoded(data, stored, column, row, z_um, self._paths[0])
            planes = np.moveaxis(colors, 2, 0)[list(channels)]
        else:
            parts: list[NDArray[Any]] = []
            for channel in channels:
                data, stored, z_um = stack.of(height, self._paths[channel])
                parts.append(_decoded(data, stored, column, row, z_um, self._paths[channel]))
            planes = np.stack(parts)
        _, _, width, tall = stack.grid.chunk_window(column, row)
        if planes.shape[1] < tall or planes.shape[2] < width:
            raise ChunkError(f"its data is of the wrong size {planes.shape}")
        return np.ascontiguousarray(planes[:, :tall, :width])


class PlaneStack(msgspec.Struct, frozen=True):
    """The planes of one level: which file holds which focal plane and optical path."""

    grid: ChunkGrid
    planes: dict[tuple[float, str], tuple[Any, FrameFormat]]
    """By micrometers and identifier; image data of wsidicom, and how its frames are stored."""

    def of(self, z_um: float, path: str) -> tuple[Any, FrameFormat, float]:
        """Return what holds a plane, how that is stored, and which of its planes lies nearest."""
        found = [z for z, other in self.planes if other == path]
        if not found:
            raise ChunkError("this level lacks the channel")
        nearest = min(found, key=lambda z: abs(z - z_um))
        return *self.planes[nearest, path], nearest


def plane_stack(level: Any, format_of: Callable[[Any], FrameFormat]) -> PlaneStack:
    """Return the planes of a level of wsidicom.

    Raises
    ------
    ValueError
        Their tiles do not fit one grid.
    """
    planes: dict[tuple[float, str], tuple[Any, FrameFormat]] = {}
    for instance in level.instances.values():
        _check_places(instance)
        data = instance.image_data
        stored = format_of(data)
        for z in data.focal_planes:
            for name in data.optical_paths:
                planes.setdefault((float(z), str(name)), (data, stored))
    some, _ = next(iter(planes.values()))
    if any(data.tile_size != some.tile_size for data, _ in planes.values()):
        raise ValueError("planes of a level are cut into tiles of different sizes")
    size, tile = some.image_size, some.tile_size
    return PlaneStack(ChunkGrid(size.width, size.height, tile.width, tile.height), planes)


def _check_places(instance: Any) -> None:
    """Refuse frames beside the grid of tiles, and two in one place, which wsidicom would drop.

    Raises
    ------
    ValueError
        There are such frames.
    """
    from wsidicom.instance.tile_index.sparse_tile_index import SparseTileIndex

    tiles = instance.image_data.tiles
    if not isinstance(tiles, SparseTileIndex):
        return
    frames = 0
    for positions in (dataset.frame_positions for dataset in instance.datasets):
        across, down = (positions.columns - 1), (positions.rows - 1)
        if (across % tiles.tile_size.width).any() or (down % tiles.tile_size.height).any():
            raise ValueError("its tiles do not lie in a grid")
        frames += len(across)
    if sum(np.count_nonzero(each.plane >= 0) for each in tiles.planes.values()) < frames:
        raise ValueError("several of its tiles lie in one place")


def first_beside(slide: Any, group: str) -> Any:
    """Return the instance that holds the pixels of a picture; None where there is none."""
    images = getattr(slide, group)
    return None if images is None else next(iter(images[0].instances.values()))


def _frames(data: Any, column: int, row: int, z_um: float, path: str) -> list[tuple[str, int]]:
    """Return the instance and number of the frame of a tile; [] where none is stored."""
    from wsidicom.geometry import Point

    tile = Point(column, row)
    if data.is_sparse(tile, z_um, path):
        return []
    return [(str(data._instance_uid), data.tiles.get_frame_index(tile, z_um, path) + 1)]


def _decoded(
    data: Any, stored: FrameFormat, column: int, row: int, z_um: float, path: str
) -> NDArray[Any]:
    """Return a frame, (height, width) or (height, width, 3). Raises ChunkError."""
    from wsidicom.geometry import Point

    tile = Point(column, row)
    try:
        if data.is_sparse(tile, z_um, path):
            return _blank(stored)
        _check_index(data, tile, z_um, path)
        return stored.decoded(_encoded(data, stored, tile, z_um, path))
    except ChunkError:
        raise
    except Exception as error:  # decoders of many libraries, fed with what the file holds
        raise ChunkError(f"its data is damaged ({error or type(error).__name__})") from error


def _encoded(data: Any, stored: FrameFormat, tile: Any, z_um: float, path: str) -> bytes:
    """Return the code of a frame."""
    reader_of = getattr(data, "_get_reader", None)
    if reader_of is None or stored.syntax in NATIVE:  # from a server, or without fragments
        return data.get_encoded_tile(tile, z_um, path)
    number = data.tiles.get_frame_index(tile, z_um, path)
    return frame_data(reader_of(number), number)


def _check_index(data: Any, tile: Any, z_um: float, path: str) -> None:
    """Raise ChunkError where the frames of a file were looked for before in vain.

    wsidicom keeps where they lie, but not that it did not find them, and would look through a file
    of millions of fragments anew for each tile.
    """
    reader_of = getattr(data, "_get_reader", None)
    if reader_of is None:  # from a server, which is asked for frames by their number
        return
    reader = reader_of(data.tiles.get_frame_index(tile, z_um, path))
    with _indexing:
        if reader in _unindexed:
            raise ChunkError(_unindexed[reader])
        try:
            _ = reader.frame_index
        except Exception as error:
            _unindexed[reader] = f"its frames cannot be found ({error or type(error).__name__})"
            raise ChunkError(_unindexed[reader]) from error


def _blank(stored: FrameFormat) -> NDArray[Any]:
    """Return what a frame that is not stored shows: clear glass in color, nothing in a channel."""
    if stored.is_rgb:
        return np.full((stored.height_px, stored.width_px, 3), 255, np.uint8)
    return np.zeros((stored.height_px, stored.width_px), stored.dtype)
