"""A slide that is another's to close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viewer.slides.lost_tiles import EVERY_VALUE
from viewer.slides.source import lost_in

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.errors import TileError
    from viewer.slides.lost_tiles import ShownValues
    from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource


class LentSource:
    """Passes everything on to a slide, and leaves it open."""

    def __init__(self, source: SlideSource) -> None:
        self._source = source

    @property
    def path(self) -> Path:
        return self._source.path

    @property
    def info(self) -> SlideInfo:
        return self._source.info

    @property
    def levels(self) -> tuple[Level, ...]:
        return self._source.levels

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        return self._source.read_tile(level, column, row)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return self._source.read_channels(level, column, row, channels, z, t)

    def read_associated(self, name: str) -> RgbImage:
        return self._source.read_associated(name)

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        return lost_in(self._source, level, column, row, values)

    def close(self) -> None:
        """Leave the slide open: who lent it closes it."""
