"""A slide that is never shown under the name of another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from viewer.slides.errors import SlideError, SlideLostError, TileError
from viewer.slides.identity import SlideIdentity
from viewer.slides.lost_tiles import EVERY_VALUE
from viewer.slides.readers.jpeg_tiles import stored_jpeg_tiles
from viewer.slides.source import becoming_of, expect, lost_in, screen_tile, silence_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.file_version import Version
    from viewer.slides.lost_tiles import ShownValues
    from viewer.slides.readers.jpeg_tiles import DirectTiles
    from viewer.slides.source import Level, RgbImage, ScreenImage, SlideInfo, SlideSource


class GuardedSource:
    """Looks at the file after every read, and knows the slide's identity.

    After, since a look before could not see a file that is overwritten during the read.

    Parameters
    ----------
    is_over_guarded
        Whether the source makes levels of one that is guarded itself: tiles that the file stores
        have been looked after by then.
    """

    def __init__(
        self, source: SlideSource, version: Version, *, is_over_guarded: bool = False
    ) -> None:
        self._source = source
        self._version = version
        self._is_looked_after = [
            is_over_guarded and each.stored_tiles_per_tile == 1 for each in source.levels
        ]
        info = source.info
        if info.naming is None:
            info = replace(info, naming=SlideIdentity(version, info.properties, info.part))
        self._info = info

    @property
    def path(self) -> Path:
        return self._source.path

    @property
    def info(self) -> SlideInfo:
        return self._info

    @property
    def levels(self) -> tuple[Level, ...]:
        return self._source.levels

    @property
    def inner(self) -> SlideSource:
        """Return the reader itself, for tests and for saying which one it is."""
        return self._source

    @property
    def direct_tiles(self) -> list[DirectTiles | None]:
        """Return where the JPEG tiles of each level lie; None for levels of other codings."""
        return stored_jpeg_tiles(self._source)

    @property
    def version(self) -> Version:
        """Return what tells whether the slide is still the one that was opened."""
        return self._version

    def expect(self, tiles: Sequence[tuple[int, int, int]], threads: int = 1) -> None:
        expect(self._source, tiles, threads)

    def becoming(self, level: int, column: int, row: int) -> Iterator[RgbImage | None]:
        return becoming_of(self._source, level, column, row)

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        return lost_in(self._source, level, column, row, values)

    @property
    def gone(self) -> str:
        """Return a sentence where a file of the slide is not in its place any more, else ""."""
        return self._version.gone

    @property
    def silence(self) -> str:
        return silence_of(self._source)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        return self._checked(self._source.read_tile, level, column, row)

    def read_for_screen(self, level: int, column: int, row: int) -> ScreenImage | RgbImage:
        return self._checked(partial(screen_tile, self._source), level, column, row)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        try:
            values = self._source.read_channels(level, column, row, channels, z, t)
        except TileError as error:
            self._check_failure(error)
            raise
        self._version.check()
        return values

    def read_associated(self, name: str) -> RgbImage:
        try:
            image = self._source.read_associated(name)
        except SlideError as error:
            self._check_failure(error)
            raise
        self._version.check()
        return image

    def close(self) -> None:
        self._source.close()

    def _checked(
        self, read: Callable[[int, int, int], RgbImage], level: int, column: int, row: int
    ) -> RgbImage:
        if self._is_looked_after[level]:
            return read(level, column, row)
        try:
            image = read(level, column, row)
        except TileError as error:
            self._check_failure(error)
            raise
        self._version.check()
        return image

    def _check_failure(self, error: Exception) -> None:
        """Tell a slide that changed, or is gone, from one of which a part cannot be read."""
        self._version.check()
        if not isinstance(error, SlideLostError):
            self._version.check_there()
