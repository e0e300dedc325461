"""Smaller levels that lack tiles of which the full size has the pixels.

A tile that no level stores is clear glass, or nothing of a channel: many writers leave it out. One
that a smaller level alone lacks was lost, and tissue would be gone at some zooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.readers.sample_colors import ColorModel
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from viewer.slides.readers.tiff.level import LevelChunks

LEVELS_LEFT_OUT = (
    "A smaller level of this file lacks tiles that the full size has: it is made from the full "
    "size instead."
)
_MOST_LOOKED_AT = 16
"""Tiles of the full size that are decoded for a level."""
_GLASS = 230
"""Means from here on are clear glass, which writers leave out; levels store it nowhere alike."""


def lacking_levels(levels: Sequence[LevelChunks]) -> list[int]:
    """Return which of the smaller levels lack tiles where the finest shows more than glass."""
    finest = levels[0]
    lacking: list[int] = []
    for index, level in enumerate(levels[1:], start=1):
        places = [*_lost(finest, level)]
        finest.expect(places)
        if any(_is_tissue(finest, place) for place in places):
            lacking.append(index)
    return lacking


def _lost(finest: LevelChunks, level: LevelChunks) -> Iterator[tuple[int, int]]:
    """Yield column and row of tiles of the finest level that lie in gaps of another."""
    stored, finer = level.stored, finest.stored
    if stored is None or finer is None or stored.all():
        return
    rows, columns = np.nonzero(~stored)
    x_px = (columns + 0.5) * level.chunk_width_px * finest.width_px / level.width_px
    y_px = (rows + 0.5) * level.chunk_height_px * finest.height_px / level.height_px
    column = np.minimum(x_px // finest.chunk_width_px, finest.columns - 1).astype(int)
    row = np.minimum(y_px // finest.chunk_height_px, finest.rows - 1).astype(int)
    places = np.unique(np.stack([column, row])[:, finer[row, column]], axis=1).T
    step = max(1.0, len(places) / _MOST_LOOKED_AT)
    for number in range(min(len(places), _MOST_LOOKED_AT)):
        at = places[int(number * step)]
        yield int(at[0]), int(at[1])


def _is_tissue(finest: LevelChunks, place: tuple[int, int]) -> bool:
    """Return whether a tile shows more than a gap does: white in pictures, zero in channels."""
    assert finest.colors is not None
    try:
        if finest.colors.model is ColorModel.GRAY:
            return bool(finest.read_values(*place).any())
        return bool(finest.read_rgb(*place).mean() < _GLASS)
    except ChunkError:
        return False
