"""Whether what was written reads back: tiles spread over the slide, by the program's readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.errors import SlideError, SlideLostError, TileError
from viewer.slides.opener import open_slide
from viewer.slides.writing.errors import VerificationError, WritingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import Level, SlideSource
    from viewer.slides.writing.engine import ConversionRun
    from viewer.slides.writing.plan import ConvertPlan

_TILES_PER_LEVEL = 6
_MOST_MEAN_LOSS = 40.0
"""Of a lossy tile: noise at the lowest quality stays below, another tile does not."""


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


def check_same_pixels(
    slide: Path, copy: Path, removed_px: Collection[tuple[int, int]] = ()
) -> None:
    """Hold tiles of each level of a copy against the slide's, pixel by pixel.

    Parameters
    ----------
    removed_px
        Widths and heights of images that the copy leaves out, though the slide may be read as if
        they were levels.

    Raises
    ------
    VerificationError
        The copy cannot be read, or differs.
    SlideError
        The slide itself cannot be read.
    """
    with ThreadPoolExecutor(1, "open") as pool:
        opening = pool.submit(open_slide, copy)
        try:
            source = open_slide(slide)
        except BaseException:
            if opening.exception() is None:
                opening.result().close()
            raise
    try:
        try:
            written = opening.result()
        except SlideError as error:
            raise VerificationError(
                f"The copy cannot be read back ({error}); nothing was written."
            ) from error
        try:
            places = {_size_px(level): index for index, level in enumerate(written.levels)}
            kept = {
                index: level
                for index, level in enumerate(source.levels)
                if _size_px(level) not in removed_px
            }
            if 0 not in kept or not all(_size_px(level) in places for level in kept.values()):
                raise VerificationError(
                    "The copy has other levels than the slide; nothing was written."
                )
            for index, level in kept.items():
                if level.stored_tiles_per_tile != 1:
                    continue
                place = places[_size_px(level)]
                for column, row in sampled_tiles(level):
                    try:
                        wanted = source.read_tile(index, column, row)
                    except SlideLostError as error:
                        raise _lost(error) from error
                    except TileError:
                        continue  # the copy has the same damaged bytes
                    if not np.array_equal(wanted, written.read_tile(place, column, row)):
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


def _size_px(level: Level) -> tuple[int, int]:
    return level.width_px, level.height_px


def check_conversion(run: ConversionRun, plan: ConvertPlan, written: Path) -> None:
    """Read tiles of what was written back and hold them against the slide's.

    Raises
    ------
    VerificationError
        It cannot be read, or shows something else.
    """
    try:
        copy = open_slide(written)
    except SlideError as error:
        raise VerificationError(
            f"What was written cannot be read back ({error}); nothing stands at its place."
        ) from error
    try:
        sizes = {(level.width_px, level.height_px) for level in copy.levels}
        if not all((level.width_px, level.height_px) in sizes for level in plan.levels):
            raise VerificationError("What was written has other levels than it should.")
        grid = copy.levels[0]
        for number in range(len(plan.planes)):
            for column, row in sampled_tiles(grid):
                x, y = column * grid.tile_width_px, row * grid.tile_height_px
                found = _plane_tile(copy, plan, number, column, row)
                try:
                    wanted = run.pixels_of(number, x, y, (found.shape[1], found.shape[0]))
                except SlideLostError as error:
                    raise _lost(error) from error
                if _differ(found, wanted, is_lossy=run.codings[0].is_lossy):
                    raise VerificationError(
                        "What was written shows other pixels than the slide; nothing stands at "
                        "its place."
                    )
    except TileError as error:
        raise VerificationError(
            f"What was written cannot be read back ({error}); nothing stands at its place."
        ) from error
    finally:
        copy.close()


def _lost(error: SlideLostError) -> WritingError:
    """Return the error of a slide that cannot be read any more, as of one that is written."""
    return WritingError(f"{error} Nothing was written.")


def _plane_tile(
    copy: SlideSource, plan: ConvertPlan, number: int, column: int, row: int
) -> NDArray[Any]:
    """Return a tile of a plane of level 0, RGB as (height, width, 3), a channel without the 3."""
    c, z, t = plan.place_of(number)
    if not plan.is_rgb:
        return copy.read_channels(0, column, row, (c,), z, t)[0]
    if number == 0:
        return copy.read_tile(0, column, row)
    return np.moveaxis(copy.read_channels(0, column, row, (0, 1, 2), z, t), 0, 2)


def _differ(found: NDArray[Any], wanted: NDArray[Any], *, is_lossy: bool) -> bool:
    if not is_lossy:
        return not np.array_equal(found, wanted, equal_nan=True)
    loss = np.abs(found.astype(np.int16) - wanted.astype(np.int16)).mean()
    return float(loss) > _MOST_MEAN_LOSS
