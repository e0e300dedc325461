"""Tiles of expensive derived levels on disk, so that a slide opened again shows them at once.

They are kept exactly: what is measured on a slide must not depend on whether it was open before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import cache_folder
from viewer.limits import read_kept
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import Level, RgbImage

    Values = NDArray[Any]

ValuePlace = tuple[int, int, int, int, int]
"""Column, row, channel, focal plane and time point."""

_log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
_PNG_LEVEL = 1
_JPEG_QUALITY = 92
"""Of sketches, which the tiles themselves replace."""


class LevelStore:
    """One folder a slide, named by its identity, below a folder for all slides.

    Nothing here raises: what cannot be kept or read back is made again. When all folders together
    grow beyond `most_bytes`, those of the slides that were opened longest ago go.
    """

    def __init__(self, folder: Path, identity: str, most_bytes: int = MOST_BYTES) -> None:
        self._all = folder
        self._own = folder / file_name_of(identity)
        self._most_bytes = most_bytes
        self._bytes: int | None = None
        self._is_full = False
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            os.utime(self._own)

    @classmethod
    def of_slide(cls, identity: str) -> LevelStore | None:
        """Return the store of a slide in the cache folder; None where there can be none."""
        try:
            return cls(cache_folder() / "levels", identity)
        except OSError as error:
            _log.warning("There is no cache folder (%s)", error)
            return None

    def has(self, level: Level, column: int, row: int) -> bool:
        """Return whether a tile is kept, without looking whether it has been damaged."""
        return self._path(level, column, row).exists()

    def get(self, level: Level, column: int, row: int) -> RgbImage | None:
        """Return a kept tile; None where it was not kept or has been damaged."""
        path, size_px = self._path(level, column, row), level.tile_size_px(column, row)
        return self._read(path, size_px, imagecodecs.png_decode)

    def get_sketch(self, level: Level, column: int, row: int) -> RgbImage | None:
        """Return what was kept in place of a tile that is not made yet; None for nothing."""
        path, size_px = self._sketch_path(level, column, row), level.tile_size_px(column, row)
        return self._read(path, size_px, imagecodecs.jpeg8_decode)

    def _read(
        self, path: Path, size_px: tuple[int, int], decode: Callable[[bytes], RgbImage]
    ) -> RgbImage | None:
        try:
            image = decode(read_kept(path))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a torn file makes the decoder say
            _log.warning("%s is damaged and will be made again (%s)", path, error)
            return None
        width, height = size_px
        return image if image.shape == (height, width, 3) and image.dtype == np.uint8 else None

    def put(self, level: Level, column: int, row: int, image: RgbImage) -> None:
        data = imagecodecs.png_encode(np.ascontiguousarray(image), level=_PNG_LEVEL)
        self._write(self._path(level, column, row), bytes(data))

    def put_sketch(self, level: Level, column: int, row: int, image: RgbImage) -> None:
        """Keep a coarse picture until the tile itself is made."""
        data = imagecodecs.jpeg8_encode(image, level=_JPEG_QUALITY, subsampling="444")
        self._write(self._sketch_path(level, column, row), bytes(data))

    def get_values(self, level: Level, place: ValuePlace, dtype: np.dtype[Any]) -> Values | None:
        """Return kept values of a channel, (height, width); None where they were not kept."""
        path = self._values_path(level, place, dtype)
        width, height = level.tile_size_px(*place[:2])
        try:
            data = zlib.decompressobj().decompress(
                read_kept(path), width * height * dtype.itemsize + 1
            )
            return np.frombuffer(data, dtype).reshape(height, width)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, zlib.error) as error:
            _log.warning("%s is damaged and will be made again (%s)", path, error)
            return None

    def put_values(self, level: Level, place: ValuePlace, values: Values) -> None:
        """Keep values of a channel, exactly."""
        data = zlib.compress(np.ascontiguousarray(values).tobytes(), 1)
        self._write(self._values_path(level, place, values.dtype), data)

    def _values_path(self, level: Level, place: ValuePlace, dtype: np.dtype[Any]) -> Path:
        column, row, channel, z, t = place
        stem = self._path(level, column, row).stem
        return self._own / f"{stem}-c{channel}z{z}t{t}-{dtype.name}.bin"

    def _write(self, path: Path, data: bytes) -> None:
        try:
            if not self._make_room(len(data)):
                return
            make_folder(self._own)
            atomic_write_bytes(path, data, synced=False)
        except OSError as error:
            _log.warning("%s cannot be kept (%s)", path, error)

    def _path(self, level: Level, column: int, row: int) -> Path:
        # The name holds all that shapes the tile, so another way to cut levels finds no old ones.
        grid = f"{level.downsample:.6g}-{level.tile_width_px}x{level.tile_height_px}"
        return self._own / f"{grid}-{column}-{row}.png"

    def _sketch_path(self, level: Level, column: int, row: int) -> Path:
        path = self._path(level, column, row)
        return path.with_name(f"{path.stem}-sketch.jpg")

    def _make_room(self, size_bytes: int) -> bool:
        """Count `size_bytes` as kept; return False where they do not fit. Raises OSError."""
        with self._lock:
            if self._is_full:
                return False
            if self._bytes is None:
                make_folder(self._own)
                self._bytes = sum(_folder_bytes(folder) for folder in self._all.iterdir())
            self._bytes += size_bytes
            if self._bytes > self._most_bytes:
                self._evict()
            self._is_full = self._bytes > self._most_bytes
            return not self._is_full

    def _evict(self) -> None:
        others = [folder for folder in self._all.iterdir() if folder != self._own]
        for folder in sorted(others, key=lambda folder: folder.stat().st_mtime):
            if self._bytes is None or self._bytes <= self._most_bytes:
                return
            self._bytes -= _folder_bytes(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _folder_bytes(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:  # another window has just replaced it
                continue
    return total
