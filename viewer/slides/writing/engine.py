"""Coding all tiles of a conversion into its spool: copied, coded from pixels, or halved."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.slides.derived.halving import halved, halved_values
from viewer.slides.readers.shared_file import SharedFile
from viewer.slides.remote.address import is_address
from viewer.slides.writing.pixels import SourcePixels
from viewer.slides.writing.tile_copying import copied_level, copied_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan, OutLevel
    from viewer.slides.writing.spool import Spool
    from viewer.slides.writing.watch import Watch

_MOST_WORKERS = 16
_BATCH = 16


class TileCounts(msgspec.Struct):
    """How the tiles of a conversion came about."""

    copied: int = 0
    coded: int = 0
    halved: int = 0
    resumed: int = 0
    unreadable: int = 0
    sentences: list[str] = msgspec.field(default_factory=list[str])


class ConversionRun:
    """One conversion under way.

    Parameters
    ----------
    coding_of
        Gives how a level is coded where its tiles are not copied.
    may_copy
        Whether the target takes JPEG tiles as they are.
    """

    def __init__(
        self,
        source: SlideSource,
        plan: ConvertPlan,
        spool: Spool,
        coding_of: Callable[[OutLevel], Coding],
        *,
        may_copy: bool,
    ) -> None:
        self._source = source
        self._plan = plan
        self._spool = spool
        self._pixels = SourcePixels(source)
        # A folder is opened under its own name; nothing of it is copied, nor of one on a server.
        is_local_file = source.path.is_file() and not is_address(source.path)
        self._file = SharedFile(source.path) if is_local_file else None
        copied = [
            copied_level(source, plan, level, self._file) if may_copy and self._file else None
            for level in plan.levels
        ]
        self._copied = copied
        self.codings: list[Coding] = [
            coding_of(level) if copy is None else copy.coding
            for level, copy in zip(plan.levels, copied, strict=True)
        ]
        self.counts = TileCounts(resumed=spool.resumed)
        self._done = 0

    def run(self, watch: Watch) -> TileCounts:
        """Code all tiles that an earlier run has not. Raises WritingError, SlideError, OSError."""
        plan, spool = self._plan, self._spool
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_WORKERS), "convert") as pool:
            for index, level in enumerate(plan.levels):
                for plane in range(len(plan.planes)):
                    missing = spool.sizes[plane][index] == 0
                    self._tell(level.tiles - int(missing.sum()), watch)
                    copy = self._copied[index]
                    if copy is not None and plan.planes[plane][1:] == (0, 0):
                        assert self._file is not None  # nothing is copied without one
                        for tiles, data, _unfit in copied_tiles(copy, self._file, missing):
                            watch.check()
                            spool.put(plane, index, tiles, data)
                            self.counts.copied += len(tiles)
                            missing[tiles] = False
                            self._tell(len(tiles), watch)
                    self._code(pool, plane, index, np.flatnonzero(missing).tolist(), watch)
        self.counts.unreadable = self._pixels.unreadable
        self.counts.sentences = list(self._pixels.sentences)
        return self.counts

    def _code(
        self, pool: ThreadPoolExecutor, plane: int, level: int, tiles: list[int], watch: Watch
    ) -> None:
        """Code tiles in all threads; the disk gets them in batches, in any order."""
        waiting: deque[tuple[list[int], Future[list[bytes]]]] = deque()
        batches = [tiles[start : start + _BATCH] for start in range(0, len(tiles), _BATCH)]
        most = 2 * min(os.cpu_count() or 1, _MOST_WORKERS)

        def store() -> None:
            numbers, future = waiting.popleft()
            self._spool.put(plane, level, numbers, future.result())
            self._tell(len(numbers), watch)

        try:
            for batch in batches:
                watch.check()
                waiting.append((batch, pool.submit(self._coded, plane, level, batch)))
                if len(waiting) >= most:
                    store()
            while waiting:
                watch.check()
                store()
        except BaseException:
            for _, future in waiting:
                future.cancel()
            raise
        if self._plan.levels[level].stored is None:
            self.counts.halved += len(tiles)
        else:
            self.counts.coded += len(tiles)

    def _coded(self, plane: int, level: int, tiles: Iterable[int]) -> list[bytes]:
        coding = self.codings[level]
        return [coding.encode(self.tile(plane, level, tile)) for tile in tiles]

    def tile(self, plane: int, level: int, tile: int) -> NDArray[Any]:
        """Return the pixels that a tile is to show, whole: what is beyond the edge is filled."""
        out = self._plan.levels[level]
        row, column = divmod(tile, out.columns)
        x, y = column * out.tile_width_px, row * out.tile_height_px
        width = min(out.tile_width_px, out.width_px - x)
        height = min(out.tile_height_px, out.height_px - y)
        if out.stored is None:
            part = self._halved(plane, level, column, row)[:height, :width]
        else:
            left, top = self._plan.origin
            at = (x + left, y + top)
            part = self._pixels.rectangle(
                out.stored, self._plan.planes[plane], *at, (width, height)
            )
        if part.shape[:2] == (out.tile_height_px, out.tile_width_px):
            return part
        # Lossless codings pay nothing for a plain rest; JPEG rings less where the edge goes on.
        gaps = [(0, out.tile_height_px - height), (0, out.tile_width_px - width)]
        gaps += [(0, 0)] * (part.ndim - 2)
        return np.pad(part, gaps, "edge" if self.codings[level].is_lossy else "constant")

    def pixels_of(self, plane: int, x: int, y: int, size_px: tuple[int, int]) -> NDArray[Any]:
        """Return what the slide shows in a rectangle of the written level 0."""
        left, top = self._plan.origin
        return self._pixels.rectangle(0, self._plan.planes[plane], x + left, y + top, size_px)

    def _halved(self, plane: int, level: int, column: int, row: int) -> NDArray[Any]:
        """Return the mean of the up to four tiles below, as they were written."""
        finer, coding = self._plan.levels[level - 1], self.codings[level - 1]
        rows = range(2 * row, min(2 * row + 2, finer.rows))
        columns = range(2 * column, min(2 * column + 2, finer.columns))
        whole: list[NDArray[Any]] = []
        for y in rows:
            parts: list[NDArray[Any]] = []
            for x in columns:
                data = self._spool.read(plane, level - 1, y * finer.columns + x)
                width = min(finer.tile_width_px, finer.width_px - x * finer.tile_width_px)
                height = min(finer.tile_height_px, finer.height_px - y * finer.tile_height_px)
                parts.append(coding.decode(data)[:height, :width])
            whole.append(np.concatenate(parts, axis=1))
        image = np.concatenate(whole, axis=0)
        if image.dtype == np.uint8 and image.ndim == 3:
            return halved(np.ascontiguousarray(image))
        if image.ndim == 3:
            return np.moveaxis(halved_values(np.moveaxis(image, 2, 0)), 0, 2)
        return halved_values(image)

    def _tell(self, tiles: int, watch: Watch) -> None:
        self._done += tiles
        watch.progressed(self._done / max(self._plan.tiles, 1))
