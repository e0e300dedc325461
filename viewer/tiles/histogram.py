"""How often each value of a channel occurs, and the range that shows it best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.slides.errors import SlideLostError, TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.channels import ImagePlane
    from viewer.slides.source import Level, SlideSource

BINS = 256
_MOST_PX = 2 << 20
"""Of a level that is looked at whole; of a larger one, tiles from its middle."""
_LEFT_OUT_PERCENT = 0.1
"""Of the values, at either end, that auto contrast saturates."""
_KEPT_VALUES = 1 << 20


class ChannelHistogram(msgspec.Struct, frozen=True):
    """Counts of values in `BINS` bins of equal width, and a range for auto contrast.

    Attributes
    ----------
    low, high
        The smallest and largest value.
    auto
        Values that 0.1 % of all lie below and above.
    """

    counts: NDArray[np.int64]
    low: float
    high: float
    auto: tuple[float, float]


def channel_histogram(
    source: SlideSource, channel: int, plane: ImagePlane
) -> ChannelHistogram | None:
    """Return the histogram of a channel at its coarsest level; None where nothing can be read.

    Tiles that cannot be read are left out. For worker threads.

    Raises
    ------
    SlideLostError
        The file is no longer the one that was opened.
    """
    parts: list[NDArray[Any]] = []
    level = _level(source)
    for column, row in _tiles(source.levels[level]):
        try:
            values = source.read_channels(level, column, row, (channel,), plane.z, plane.t)
        except SlideLostError:
            raise
        except TileError:
            continue
        parts.append(values.reshape(-1))
    return histogram_of(np.concatenate(parts)) if parts else None


def histogram_of(values: NDArray[Any]) -> ChannelHistogram | None:
    """Return the histogram of values of any type; None where none is a number."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return None
    if values.size > _KEPT_VALUES:
        values = values[:: values.size // _KEPT_VALUES]
    low, high = float(values.min()), float(values.max())
    top = high if high > low else low + 1
    counts, _ = np.histogram(values.astype(np.float64), BINS, (low, top))
    first, last = np.percentile(values, [_LEFT_OUT_PERCENT, 100 - _LEFT_OUT_PERCENT]).tolist()
    # Of a few bright spots on black, all but the spots lies within the percentiles.
    auto = (first, last) if last > first else (low, top)
    return ChannelHistogram(counts, low, high, auto)


def _level(source: SlideSource) -> int:
    return len(source.levels) - 1


def _tiles(level: Level) -> list[tuple[int, int]]:
    tiles = [(column, row) for row in range(level.rows) for column in range(level.columns)]
    most = max(1, _MOST_PX // (level.tile_width_px * level.tile_height_px))
    middle_x, middle_y = (level.columns - 1) / 2, (level.rows - 1) / 2
    tiles.sort(key=lambda tile: (tile[0] - middle_x) ** 2 + (tile[1] - middle_y) ** 2)
    return tiles[:most]
