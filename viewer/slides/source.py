"""The one protocol that every reader of slides fulfils."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from viewer.geometry import Box, Optics
from viewer.slides.channels import Axes
from viewer.slides.lost_tiles import EVERY_VALUE
from viewer.slides.remote.address import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from viewer.slides.errors import TileError
    from viewer.slides.identity import SlideIdentity
    from viewer.slides.lost_tiles import ShownValues

RgbImage = NDArray[np.uint8]
"""uint8, shape (height, width, 3), sRGB or the slide's own RGB, C-contiguous."""

ScreenImage = NDArray[np.uint8]
"""uint8, shape (height, width, 4), blue, green, red and 255, as screens hold it, C-contiguous."""


_FEW_STORED = 4
"""Tiles made of more stored ones are not expected of a file: listing these would take long."""


class Level(msgspec.Struct, frozen=True):
    """One resolution of a slide, cut into a grid of tiles.

    Attributes
    ----------
    downsample
        Level-0 pixels per pixel of this level.
    stored_tiles_per_tile
        How many tiles of the file one tile of this level is made from: 1 for a level of the
        file, 4 ** k for one that is made here by k halvings. The loader keeps expensive tiles from
        blocking cheap ones.
    """

    width_px: int
    height_px: int
    downsample: float
    tile_width_px: int
    tile_height_px: int
    stored_tiles_per_tile: int = 1

    @property
    def columns(self) -> int:
        return math.ceil(self.width_px / self.tile_width_px)

    @property
    def rows(self) -> int:
        return math.ceil(self.height_px / self.tile_height_px)

    def tile_size_px(self, column: int, row: int) -> tuple[int, int]:
        """Width and height of a tile in this level's pixels; less at the right and lower edge."""
        width = min(self.tile_width_px, self.width_px - column * self.tile_width_px)
        height = min(self.tile_height_px, self.height_px - row * self.tile_height_px)
        return width, height

    def tile_box(self, column: int, row: int) -> Box:
        """Return the part of the slide that a tile covers, in level-0 pixels."""
        width, height = self.tile_size_px(column, row)
        x = column * self.tile_width_px
        y = row * self.tile_height_px
        k = self.downsample
        return Box(x * k, y * k, (x + width) * k, (y + height) * k)


class ImageEntry(msgspec.Struct, frozen=True):
    """One of the images that a file holds; `open_slide(path, image=index)` opens it."""

    index: int
    name: str
    width_px: int
    height_px: int
    levels: int


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What a slide says of itself.

    Attributes
    ----------
    reader
        Which reader serves the pixels, for the properties panel and for bug reports.
    associated
        Names of the small pictures beside the tissue, such as label, macro, thumbnail.
    properties
        Everything the file tells, by OpenSlide's names where OpenSlide reads it.
    naming
        What the slide is called; `open_slide` sees to it.
    notes
        Sentences on what is not shown, shown stretched, or to be doubted.
    profiles_beside
        ICC profiles of associated pictures, by their names, where not the slide's holds: of those
        that have one of their own, and b"" of those in another color space than the slide.
    images
        All images of the file where it holds several, and `image`, the index of the open one.
    part
        Tells an image from the one that the file opens with; empty for that one.
    display_range
        The stored values that are shown as black and white, where pixels are stretched to 8 bits.
    axes
        Its channels, focal planes and time points; by default RGB and one plane.
    """

    vendor: str
    reader: str
    optics: Optics
    associated: tuple[str, ...] = ()
    icc_profile: bytes | None = None
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    profiles_beside: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    images: tuple[ImageEntry, ...] = ()
    image: int = 0
    part: str = ""
    display_range: tuple[float, float] | None = None
    axes: Axes = field(default_factory=Axes)
    naming: SlideIdentity | None = field(default=None, compare=False)

    @property
    def identity(self) -> str:
        """Return the content key: the one name under which anything of the slide is kept.

        Read from the file at the first call, so for worker threads until then.

        Raises
        ------
        SlideError
            The file cannot be read any more, or is no longer the one that was opened.
        """
        return "" if self.naming is None else self.naming.key

    def learn_identity(self) -> None:
        """Read what the slide is called, so that nobody waits for it later; for worker threads.

        Raises SlideError as `identity` does.
        """
        if self.naming is not None:
            self.naming.learn()

    def check_identity(self) -> None:
        """Look whether the slide would have this identity now; for worker threads.

        Raises SlideChangedError where it would not, and SlideError as `identity` does.
        """
        if self.naming is not None:
            self.naming.check()

    def is_called(self, name: str) -> bool:
        """Return whether an identity, which version 0.1 may have written, is this slide's.

        Raises SlideError as `identity` does.
        """
        return self.naming is not None and self.naming.is_called(name)


class SlideSource(Protocol):
    """A slide whose tiles can be read, from any thread.

    `levels` runs from the finest (level 0, downsample 1.0) to the coarsest, with no step of much
    more than two and a coarsest level of a few tiles (`open_slide` sees to that).
    """

    @property
    def path(self) -> Path: ...

    @property
    def info(self) -> SlideInfo: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        """Return one tile, uint8 (height, width, 3), cut at the edges as `Level.tile_size_px` says.

        Of a slide with planes or time points it is the first of them; of a slide of channels it
        is the picture of `composites.first_displays`.

        Raises
        ------
        TileError
            This tile cannot be read; the reason is in the error.
        """
        ...

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        """Return a tile's stored values, (channels, height, width), in the order asked for.

        The type is that of `info.axes.channels`; where channels differ, one that holds them all.
        An RGB slide gives its red, green and blue as channels 0, 1 and 2, uint8. What the file
        leaves out on purpose (a sparse tile) is 0 in a channel and white in RGB.

        Parameters
        ----------
        channels, z, t
            Counted from 0; those that the slide has.

        Raises
        ------
        TileError
            A part of it cannot be read: nothing else takes its place.
        """
        ...

    def read_associated(self, name: str) -> RgbImage:
        """Return one of `info.associated`, uint8 (height, width, 3).

        Raises
        ------
        SlideError
            The picture cannot be read.
        """
        ...

    def close(self) -> None:
        """Free files. Calls of `read_tile` that are under way may then raise TileError."""
        ...


class DescribedSource:
    """Of a source, what is known once it is open: where it lies, what it is, and its levels."""

    _path: Path
    _info: SlideInfo
    _levels: tuple[Level, ...]

    @property
    def path(self) -> Path:
        return self._path

    @property
    def info(self) -> SlideInfo:
        return self._info

    @property
    def levels(self) -> tuple[Level, ...]:
        return self._levels


def expect(source: SlideSource, tiles: Sequence[tuple[int, int, int]], threads: int = 1) -> None:
    """Tell a source which tiles will be read next, in this order: level, column and row of each.

    A slide on a server fetches them all at once, and the process of one on a disk reads the next
    ones while those before are taken over. Only as many `threads` as are to read them help.
    """
    take = getattr(source, "expect", None)
    if take is None:
        return
    if not is_address(source.path):
        levels = source.levels
        tiles = [each for each in tiles if levels[each[0]].stored_tiles_per_tile <= _FEW_STORED]
    take(tiles, threads)


def becoming_of(
    source: SlideSource, level: int, column: int, row: int
) -> Iterator[RgbImage | None]:
    """Yield ever sharper pictures of a tile that takes long to make, a moment's work each.

    None where a moment brought no other picture; nothing at all where `read_tile` is quick.
    """
    becoming = getattr(source, "becoming", None)
    return iter(()) if becoming is None else becoming(level, column, row)


def screen_tile(source: SlideSource, level: int, column: int, row: int) -> ScreenImage | RgbImage:
    """Return a tile as a screen holds it where the source has it so, else what `read_tile` gives.

    Decoders that can write either spare whoever paints a conversion. Raises TileError.
    """
    read = getattr(source, "read_for_screen", None)
    return source.read_tile(level, column, row) if read is None else read(level, column, row)


def silence_of(source: SlideSource) -> str:
    """Return a sentence where the source's server gives nothing now, else ""."""
    return str(getattr(source, "silence", ""))


def gone_of(source: SlideSource) -> str:
    """Return a sentence where a file of the source is not in its place any more, else ""."""
    return str(getattr(source, "gone", ""))


def lost_in(
    source: SlideSource, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
) -> list[TileError]:
    """Return why parts of a tile that was read are hatched: stored tiles it is made of are lost.

    Parameters
    ----------
    values
        Those that matter.
    """
    find = getattr(source, "lost_in", None)
    return [] if find is None else find(level, column, row, values)


def with_note(source: SlideSource, note: str) -> SlideSource:
    """Return the source with one more of `info.notes`, before the others."""
    return _AlteredSource(
        source, source.path, replace(source.info, notes=(note, *source.info.notes))
    )


def renamed(
    source: SlideSource, path: Path, images: tuple[ImageEntry, ...], image: int
) -> SlideSource:
    """Return the source as one of the images of the folder at `path`, which holds its file."""
    return _AlteredSource(source, path, replace(source.info, images=images, image=image))


class _AlteredSource:
    """A source of which more is said than its reader knows."""

    def __init__(self, source: SlideSource, path: Path, info: SlideInfo) -> None:
        self._source = source
        self.info, self.path, self.levels = info, path, source.levels
        self.read_tile, self.read_channels = source.read_tile, source.read_channels
        self.read_associated = source.read_associated
        self.close = source.close

    def expect(self, tiles: Sequence[tuple[int, int, int]], threads: int = 1) -> None:
        expect(self._source, tiles, threads)

    def becoming(self, level: int, column: int, row: int) -> Iterator[RgbImage | None]:
        return becoming_of(self._source, level, column, row)

    def read_for_screen(self, level: int, column: int, row: int) -> ScreenImage | RgbImage:
        return screen_tile(self._source, level, column, row)

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        return lost_in(self._source, level, column, row, values)

    @property
    def silence(self) -> str:
        return silence_of(self._source)

    @property
    def gone(self) -> str:
        return gone_of(self._source)
