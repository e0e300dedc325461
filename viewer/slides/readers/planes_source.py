"""A slide of any channels, planes and times, over a reader that gives windows of stored values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from viewer.slides.composites import composite, first_displays
from viewer.slides.errors import SlideAccessError, TileError, damaged_image
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import Level, RgbImage, SlideInfo
    from viewer.slides.tile_windows import Window

_RGB = (0, 1, 2)


class PlaneReader(Protocol):
    """What is different from format to format; for calls from any thread."""

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        """Return stored values (channels, height, width) of a window within a level.

        Of a slide in color the channels are red, green and blue, uint8.

        Raises
        ------
        ChunkError
            Something in the window cannot be read; `str()` says why.
        """
        ...

    def read_associated(self, name: str) -> RgbImage:
        """Return a picture beside the slide. Raises ChunkError."""
        ...

    def close(self) -> None: ...


def _with_stretch(info: SlideInfo) -> SlideInfo:
    """Return what is known of a slide, with the range of a single channel that is stretched.

    Of several channels each has its range where they are listed.
    """
    if len(info.axes.channels) != 1:
        return info
    (channel,) = info.axes.channels
    dtype = np.dtype(channel.dtype)
    black, white = channel.value_range
    if dtype.kind != "f" and (black, white) == (0.0, float(np.iinfo(dtype).max)):
        return info
    kind = "floating-point" if dtype.kind == "f" else f"{8 * dtype.itemsize}-bit"
    note = f"Stretched for display: {kind} values from {black:,.6g} to {white:,.6g}."
    return replace(info, notes=(*info.notes, note), display_range=(black, white))


class PlanesSource:
    """Cuts a slide into tiles and shows channels in their colors; fulfils `SlideSource`."""

    def __init__(
        self, path: Path, info: SlideInfo, levels: tuple[Level, ...], reader: PlaneReader
    ) -> None:
        self.path, self.info, self.levels = path, _with_stretch(info), levels
        self._reader: PlaneReader | None = reader
        self._displays = tuple(each for each in first_displays(info.axes) if each.shown)

    def expect(self, tiles: Sequence[tuple[int, int, int]], threads: int = 1) -> None:
        """Have what tiles are made of at hand, where the reader can fetch much at once."""
        del threads  # the reader has its own
        expect = getattr(self._reader, "expect", None)
        if expect is not None:
            windows = [(level, self._window(level, column, row)) for level, column, row in tiles]
            expect(windows, _RGB if self.info.axes.is_rgb else self.info.axes.first_shown)

    def _window(self, level: int, column: int, row: int) -> Window:
        grid = self.levels[level]
        left, top = column * grid.tile_width_px, row * grid.tile_height_px
        return (left, top, *grid.tile_size_px(column, row))

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        axes = self.info.axes
        if axes.is_rgb:
            colors = self.read_channels(level, column, row, _RGB)
            picture = np.empty((*colors.shape[1:], 3), np.uint8)
            for index, color in enumerate(colors):  # far quicker than one copy of turned axes
                picture[..., index] = color
            return picture
        values = self.read_channels(level, column, row, axes.first_shown)
        return composite([*values], self._displays)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        reader = self._reader
        if reader is None:
            raise TileError(level, column, row, "the slide has been closed")
        window = self._window(level, column, row)
        if min(window[2:]) <= 0:
            raise TileError(level, column, row, "there is no such tile")
        if not channels:
            return np.empty((0, window[3], window[2]), self.info.axes.dtype)
        try:
            values = reader.read(level, window, channels, z, t)
        except ChunkError as error:
            raise TileError(level, column, row, str(error)) from error
        if values.shape != (len(channels), window[3], window[2]):
            raise TileError(level, column, row, f"its data is of the wrong size {values.shape}")
        return np.ascontiguousarray(values)

    def read_associated(self, name: str) -> RgbImage:
        reader = self._reader
        if reader is None:
            raise SlideAccessError(self.path, f"{self.path.name} has been closed.")
        try:
            if name in self.info.associated:
                return np.ascontiguousarray(reader.read_associated(name))
            raise ChunkError("there is none of that name")
        except ChunkError as error:
            raise damaged_image(self.path, name, error) from error

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
