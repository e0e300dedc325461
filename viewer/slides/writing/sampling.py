"""Whether what was written reads back: tiles spread over the slide, by the program's readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.errors import SlideError, TileError
from viewer.slides.opener import open_slide
from viewer.slides.writing.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.slides.source import Level

_TILES_PER_LEVEL = 6


def sampled_tiles(level: Level) -> Iterator[tuple[int, int]]:
    """Yield columns and rows of tiles from corner to corner of a level."""
    count = min(_TILES_PER_LEVEL, level.columns * level.rows)
    seen: set[tuple[int, int]] = set()
    for index in range(count):
        share = index / max(count - 1, 1)
        column = round(share * (level.columns - 1))
        row = round((1 - share if index % 2 else share) * (level.rows - 1))
        if (column, row) not in seen:
            seen.add((column, row))
            yield column, row


def check_same_pixels(slide: Path, copy: Path) -> None:
    """Hold tiles of each level of a copy against the slide's, pixel by pixel.

    Raises
    ------
    VerificationError
        The copy cannot be read, or differs.
    SlideError
        The slide itself cannot be read.
    """
    source = open_slide(slide)
    try:
        try:
            written = open_slide(copy)
        except SlideError as error:
            raise VerificationError(
                f"The copy cannot be read back ({error}); nothing was written."
            ) from error
        try:
            if source.levels[0].width_px != written.levels[0].width_px or len(source.levels) != len(
                written.levels
            ):
                raise VerificationError(
                    "The copy has other levels than the slide; nothing was written."
                )
            for index, level in enumerate(source.levels):
                if level.stored_tiles_per_tile != 1:
                    continue
                for column, row in sampled_tiles(level):
                    try:
                        wanted = source.read_tile(index, column, row)
                    except TileError:
                        continue  # the copy has the same damaged bytes
                    if not np.array_equal(wanted, written.read_tile(index, column, row)):
                        raise VerificationError(
                            "The copy shows other pixels than the slide; nothing was written."
                        )
        except TileError as error:
            raise VerificationError(
                f"The copy cannot be read back ({error}); nothing was written."
            ) from error
        finally:
            written.close()
    finally:
        source.close()
