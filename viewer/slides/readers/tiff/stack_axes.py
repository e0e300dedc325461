"""The channels of a TIFF image as a slide has them: names, colors, types, ranges of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import KEPT_BYTES, ChunkWindows
from viewer.slides.readers.sample_colors import ColorModel
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.level import LevelChunks
from viewer.slides.readers.tiff.overview import overview_of
from viewer.slides.readers.tiff.page_colors import in_own_colors
from viewer.slides.readers.tiff.page_tags import bits_per_sample, no_data
from viewer.slides.readers.tiff.planes import Planes, is_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from viewer.slides.readers.sample_colors import DisplayRange, SampleColors
    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.readers.tiff.layout import TiffImage
    from viewer.slides.readers.tiff.stacks import Stack
    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_WHOLE_PX = 4 << 20
"""Levels up to this size are looked through whole, if the slide has few channels."""
_MOST_LOOKED_AT = 256
"""Tiles of all channels together that opening looks at."""
_SPREAD_PLANES, _FEW_CHANNELS = 3, 8
"""Focal planes that are looked at, of a slide of few channels; of many it is the middle one."""


def channel_samples(image: TiffImage, colors: SampleColors) -> int:
    """Return how many channels a page of the image holds; 0 where its pages are colors."""
    level = image.levels[0]
    page = level.page
    is_gray = colors.model is ColorModel.GRAY and colors.alpha is None and not colors.is_inverted
    # ImageJ gives a page of several channels the look-up table of the first as its palette.
    is_tinted = colors.model is ColorModel.PALETTE and len(image.stack.channels) > 1
    if not (is_gray or is_tinted) or len(level.pages) > 1 or page.dtype is None:
        return 0
    samples = page.samplesperpixel
    count = samples * len(image.stack.channels)
    # One channel of 8 bits without a name is a gray picture, which is shown as it is.
    is_named = any(channel.name for channel in image.stack.channels)
    is_plain = count == 1 and bits_per_sample(page) <= 8 and not is_named
    return 0 if is_plain else samples


class ImageStack:
    """All that is read of the image of an open TIFF beside its first plane.

    Attributes
    ----------
    samples
        How many channels a page holds; 0 where pages are colors.
    lacks_first
        Whether the file does not hold the first plane, which it tells of.
    kept
        Of decoded tiles and strips, whatever they are read for.
    """

    def __init__(
        self,
        image: TiffImage,
        levels: Sequence[LevelChunks],
        colors: SampleColors,
        files: TiffFiles,
    ) -> None:
        self._image = image
        self._files = files
        most = max(level.part_bytes for level in levels)
        self.kept = KeptChunks(max(KEPT_BYTES, most))
        self.samples = channel_samples(image, colors)
        if self.samples == 1 == len(image.stack.channels) and overview_of(levels) is not None:
            self.samples = 0  # a gray picture in strips: its overview is made as that of RGB
        self.orientation = levels[0].orientation
        self.lacks_first = image.first_place != (0, 0, 0)
        self.planes = Planes(image, max(self.samples, 1), self.orientation, files, self.kept)

    def read_rgb(self, level: int, first: LevelChunks, z: int, t: int, window: Window) -> RgbImage:
        """Return a window of another plane of an RGB image, uint8 (height, width, 3).

        Parameters
        ----------
        first
            The same level of the first plane, which has the colors.

        Raises
        ------
        ChunkError
            A part of it cannot be read, or the file has no such plane.
        """
        stored = self._image.levels[level]
        pages = [stored.page_at(c, z, t) for c in range(len(stored.pages))]
        found = tuple(page for page in pages if page is not None and is_alike(stored.page, page))
        if len(found) < len(pages):
            raise ChunkError("the file does not hold this plane")
        chunks = LevelChunks(found, self._files)
        assert first.colors is not None
        chunks.colors = in_own_colors(found, first.colors)
        key = ("rgb", level, z, t)
        windows = ChunkWindows(chunks, key, self.kept, self.orientation, chunks.read_rgb)
        return windows.read(*window)


def stack_axes(image: TiffImage, samples: int, planes: Planes, shown: DisplayRange | None) -> Axes:
    """Return the axes of an image, with ranges of values from a look at its smallest level.

    Parameters
    ----------
    samples
        What `channel_samples` gives.
    shown
        The range in which the first channel is shown as gray, where that is known.
    """
    stack = image.stack
    counts = stack.z_count, stack.z_spacing_um, stack.t_count, stack.t_interval_s
    if not samples:
        return Axes((), *counts)
    dtype = image.levels[0].page.dtype
    stored = np.dtype(np.uint8) if dtype is None or dtype.kind == "b" else dtype
    given = [part for channel in stack.channels for part in channel.samples(samples)]
    names = [channel.name for channel in given]
    if len(given) == 1:
        names = [names[0] or "Gray"]
    known = distinct_names(names)
    shown = shown if len(given) == 1 else None
    channels = tuple(
        Channel(
            name,
            channel.color or usual_color(name, index, len(given)),
            stored.name,
            channel.shown_range or shown or _value_range(image, planes, index, len(given)),
        )
        for index, (name, channel) in enumerate(zip(known, given, strict=True))
    )
    return Axes(channels, *counts)


def _value_range(
    image: TiffImage, planes: Planes, channel: int, channels: int
) -> tuple[float, float]:
    """Return the smallest and largest value that is found; a bit more where they are equal."""
    level = len(image.levels) - 1
    samples = image.levels[0].page.samplesperpixel
    unknown = no_data(image.levels[0].page)
    planes_looked_at = _SPREAD_PLANES if channels <= _FEW_CHANNELS else 1
    looked = _spread(image.stack.z_count, planes_looked_at)
    most = max(2, _MOST_LOOKED_AT // (channels * len(looked)))
    low, high = np.inf, -np.inf
    for z in looked:
        try:
            chunks = planes.chunks(level, channel, z, 0)
        except ChunkError:
            continue
        for values in _chunks(chunks, most, channels):
            part = values[..., channel % samples]
            part = part[np.isfinite(part)] if part.dtype.kind == "f" else part
            part = part if unknown is None else part[part != unknown]
            if part.size:
                low, high = min(low, float(part.min())), max(high, float(part.max()))
    if not low <= high:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0


def _chunks(level: LevelChunks, most: int, channels: int) -> Iterator[NDArray[Any]]:
    count = level.columns * level.rows
    is_small = level.width_px * level.height_px * channels <= _WHOLE_PX
    return level.spread(count if is_small else most)


def _spread(count: int, most: int) -> list[int]:
    """Return the first, the last and what lies between, up to `most` of `count`.

    One alone is the middle one.
    """
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count // 2]
    return sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})


def hidden_channels(stack: Stack, shown: int) -> tuple[str, ...]:
    """Return a sentence where an RGB image has more pages of color than the ones shown."""
    count = len(stack.channels)
    return (f"Shown: channel 1 of {count // shown}.",) if count > shown else ()
