"""Chunks without a file: left out on purpose, or lost.

By the Zarr standard a chunk without a file holds the fill value throughout, and writers leave such
chunks out. A file that was lost looks the same, and zarr shows the fill value for it too. The other
levels of the image tell both apart: where one of them holds anything else there, the file was lost.
Of an image of one level its writer tells: who stores chunks that are empty leaves none out. A
picture in color is empty nowhere.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache

from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from viewer.slides.ngff.arrays import ReadKey
    from viewer.slides.ngff.images import NgffImage
    from viewer.slides.readers.ome_zarr.chunk_versions import ChunkVersions
    from viewer.slides.tile_windows import Window

_MOST_LOOKED_AT = 500
"""Chunks of a level whose files are looked for when a slide is opened."""
_MOST_KEPT = 200_000
_MOST_EVIDENCE_PX = 2048
_MOST_WEIGHED, _WEIGHED_BYTES = 64, 4096
"""Chunks of which the smallest are decoded to find an empty one; more bytes are all one."""
_MOST_TRIED, _MOST_TRIED_BYTES = 8, 64 << 20
"""Chunks that are decoded for that, and all of them together."""
_LOST = (
    "the file of its chunk {key} is missing, and the writer did not leave it out as empty; copy "
    "the slide again with all files"
)


class MissingChunks:
    """Knows which chunks of an image have a file; for calls from any thread.

    Parameters
    ----------
    values
        Reads level, window, channels, plane and time, with the fill value where a file is missing.
    versions
        Of the files, where they lie in a folder.
    is_picture
        Whether the image is a picture in color.
    """

    def __init__(
        self,
        read: ReadKey,
        image: NgffImage,
        values: Callable[[int, Window, tuple[int, ...], int, int], NDArray[Any]],
        versions: ChunkVersions | None = None,
        *,
        is_picture: bool,
    ) -> None:
        self._versions = versions
        self._is_picture = is_picture
        self._stores_empty: bool | None = None
        self._read = read
        self._image = image
        self._values = values
        self._there: LRUCache[tuple[int, tuple[int, ...]], bool] = LRUCache(_MOST_KEPT)
        self._left_out: LRUCache[tuple[int, tuple[int, ...]], bool] = LRUCache(_MOST_KEPT)
        self._lock = threading.Lock()

    def check(self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int) -> None:
        """Raise ChunkError where a chunk that the window needs was lost."""
        for chunk in self.chunks(level, window, channels, z, t):
            if not self._is_there(level, chunk) and not self._was_left_out(level, chunk):
                raise ChunkError(_LOST.format(key=self._image.levels[level].array.chunk_key(chunk)))

    def check_unchanged(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> None:
        """Raise SlideChangedError where a chunk that was read is not the one that was opened."""
        if self._versions is None:
            return
        for chunk in self.chunks(level, window, channels, z, t):
            key = self._image.levels[level].array.chunk_key(chunk)
            self._versions.check(key, was_there=self._is_there(level, chunk))

    def note(self) -> str:
        """Return one sentence where chunks without a file are met; empty where all have one."""
        missing = any(
            not self._is_there(index, chunk)
            for index, level in enumerate(self._image.levels)
            for chunk in level.array.spread_chunks(_MOST_LOOKED_AT)
        )
        if not missing:
            return ""
        if len(self._image.levels) == 1 and not self._is_picture:
            return (
                "Some chunks of this Zarr have no file: they are shown as empty, as the standard "
                "has it, unless others are stored that are empty too."
            )
        return (
            "Some chunks of this Zarr have no file: they are shown as empty where its other levels "
            "are empty too, and hatched where they are not or where nothing tells."
        )

    def _is_there(self, level: int, chunk: tuple[int, ...]) -> bool:
        with self._lock:
            known = self._there.get((level, chunk))
        if known is None:
            key = self._image.levels[level].array.chunk_key(chunk)
            try:
                known = self._read(key, 0, 1) is not None
            except OSError:
                known = True  # its own reading says what is wrong with it
            with self._lock:
                self._there[level, chunk] = known
        return known

    def _was_left_out(self, level: int, chunk: tuple[int, ...]) -> bool:
        with self._lock:
            known = self._left_out.get((level, chunk))
        if known is None:
            known = self._looks_left_out(level, chunk)
            with self._lock:
                self._left_out[level, chunk] = known
        return known

    def _looks_left_out(self, level: int, chunk: tuple[int, ...]) -> bool:
        """Return whether the levels beside this one are empty where the chunk lies."""
        array = self._image.levels[level].array
        if math.isnan(array.fill_value):
            return True  # which says itself that nothing is known there
        places = dict(zip(self._image.axes, chunk, strict=True))
        coarser = range(level + 1, len(self._image.levels))
        finer = range(level - 1, -1, -1)
        if len(self._image.levels) == 1:
            return not self._is_picture and not self._has_empty_ones()
        for other in (*coarser, *finer):
            evidence = self._holds_something(level, other, places)
            if evidence is not None:
                return not evidence
        return True

    def _has_empty_ones(self) -> bool:
        """Return whether chunks of the only level are stored that hold the fill value throughout.

        The smallest are looked at, as those are packed best.
        """
        if self._stores_empty is None:
            array = self._image.levels[0].array
            decoded_bytes = math.prod(array.chunks) * np.dtype(array.dtype).itemsize
            sizes: list[tuple[int, tuple[int, ...]]] = []
            for chunk in array.spread_chunks(_MOST_WEIGHED):
                if self._is_there(0, chunk):
                    sizes.append((self._size_bytes(array.chunk_key(chunk)), chunk))
            most = min(_MOST_TRIED, max(1, _MOST_TRIED_BYTES // decoded_bytes))
            self._stores_empty = any(self._is_empty(chunk) for _, chunk in sorted(sizes)[:most])
        return self._stores_empty

    def _size_bytes(self, key: str) -> int:
        try:
            return len(self._read(key, 0, _WEIGHED_BYTES) or b"")
        except OSError:
            return 0

    def _is_empty(self, chunk: tuple[int, ...]) -> bool:
        image, array = self._image, self._image.levels[0].array
        places = dict(zip(image.axes, chunk, strict=True))
        covered = {axis: self._along(axis, array, places) for axis in "tczyx"}
        x, y = covered["x"], covered["y"]
        window = (x[0], y[0], len(x), len(y))
        try:
            return all(
                bool((self._values(0, window, covered["c"], z, t) == array.fill_value).all())
                for z, t in itertools.product(covered["z"], covered["t"])
            )
        except ChunkError:
            return False

    def _holds_something(self, level: int, other: int, places: dict[str, int]) -> bool | None:
        """Return whether another level has more than fill values there; None if it cannot tell."""
        own, array = self._image.levels[level].array, self._image.levels[other].array
        at = {axis: index for index, axis in enumerate(self._image.axes)}
        bounds: dict[str, tuple[int, int]] = {}
        for axis in "xy":
            size, chunk = own.shape[at[axis]], own.chunks[at[axis]]
            factor = array.shape[at[axis]] / size
            start, end = places[axis] * chunk, min((places[axis] + 1) * chunk, size)
            # Pixels at the border can be means with those beyond it.
            inner = 1 if factor < 1 else 0
            first = math.ceil(start * factor) + (inner if start else 0)
            last = math.floor(end * factor) - (inner if end < size else 0)
            if last <= first:
                return None
            middle = (first + last) // 2
            half = _MOST_EVIDENCE_PX // 2
            bounds[axis] = (max(first, middle - half), min(last, middle + half))
        (x0, x1), (y0, y1) = bounds["x"], bounds["y"]
        window = (x0, y0, x1 - x0, y1 - y0)
        channels = self._along("c", own, places)
        fill = array.fill_value
        for z, t in itertools.product(self._along("z", own, places), self._along("t", own, places)):
            plane = z * array.shape[at["z"]] // own.shape[at["z"]] if "z" in at else 0
            if not any(
                self._is_there(other, chunk)
                for chunk in self.chunks(other, window, channels, plane, t)
            ):
                continue
            try:
                values = self._values(other, window, channels, plane, t)
            except ChunkError:
                continue
            return bool((values != fill).any())
        return None

    def _along(self, axis: str, array: Any, places: dict[str, int]) -> tuple[int, ...]:
        """Return the elements that a chunk covers along an axis."""
        at = self._image.axes.find(axis)
        if at < 0:
            return (0,)
        chunk = array.chunks[at]
        start = places[axis] * chunk
        return tuple(range(start, min(start + chunk, array.shape[at])))

    def chunks(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> Iterator[tuple[int, ...]]:
        """Yield the places of the chunks that a window touches."""
        array = self._image.levels[level].array
        left, top, width, height = window
        covered = {
            "t": (t,),
            "z": (z,),
            "c": channels,
            "y": (top, top + height - 1),
            "x": (left, left + width - 1),
        }
        ranges: list[list[int]] = []
        for axis, chunk in zip(self._image.axes, array.chunks, strict=True):
            touched = [index // chunk for index in covered[axis]]
            ranges.append(
                sorted(set(touched)) if axis == "c" else list(range(touched[0], touched[-1] + 1))
            )
        yield from itertools.product(*ranges)
