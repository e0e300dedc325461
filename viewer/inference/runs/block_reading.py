"""The pixels of a model's blocks, read from the slide outside the model process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from viewer.geometry import Box
from viewer.inference.runs.channel_input import as_fed
from viewer.inference.tasks.known import TASKS
from viewer.overlays.patch_features import CELLS
from viewer.slides.errors import TileError
from viewer.slides.region import coarsest_level, read_level, read_region
from viewer.slides.tissue import TissueMask, candidate_mask, tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.annotations.tissue_correction import TissueCorrection
    from viewer.inference.models.description import ModelDescription, ModelInput
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage, SlideSource

Answer = TypeVar("Answer")
Patches = list[tuple[int, int]]

_RANGE_SIDE_PX = 1024
"""Of the level that the range of a slide's values is taken from, in its longer side."""


class BlockReader:
    """Knows which blocks hold tissue and reads them. Used by one thread.

    Parameters
    ----------
    tries
        How often what cannot be read is read again, such as of a slide on a server that refuses
        for a while. With more than one, a slide whose tissue cannot be told is not read at all.

    Raises
    ------
    TileError
        The tissue cannot be told, and there was more than one try.
    """

    def __init__(
        self,
        source: SlideSource,
        grid: BlockGrid,
        model: ModelDescription,
        correction: TissueCorrection | None = None,
        tries: int = 1,
    ) -> None:
        self._tries = tries
        self._source = as_fed(source, model.input.slide_channels)
        self._grid = grid
        self._input = model.input
        self._has_patches = TASKS[model.task].is_by_patch
        self._ranges: list[tuple[float, float]] | None = None
        self._tissue: TissueMask | None = None
        # Else every block counts as tissue.
        with suppress(*(() if tries > 1 else (TileError,))):
            found = self._again(lambda: candidate_mask(source))
            self._tissue = found if correction is None else correction.applied(found)

    def patches(self, key: BlockKey) -> Patches | None:
        """Return rows and columns of a block's patches with tissue; None for a block without any.

        The list is empty for tasks that are not answered patch by patch.
        """
        if not self._has_tissue(self._grid.core_box(key)):
            return None
        return (self._tissue_patches(key) or None) if self._has_patches else []

    def read(self, key: BlockKey) -> RgbImage:
        """Return a block with its margin, uint8 (side, side, 3). Raises TileError."""
        side_px = self._grid.input_px
        box = self._grid.input_box(key)
        smaller_by = self._input.resampling
        return self._again(
            lambda: read_region(self._source, box, side_px, side_px, smaller_by=smaller_by)
        )

    def ranges(self) -> list[tuple[float, float]]:
        """Return low and high value of each channel of the slide where the model is fed by them.

        They are the same for all blocks, whatever part of the slide is asked for. Raises TileError.
        """
        if self._ranges is None:
            is_asked = self._input.scaling in ("percentiles", "standard")
            self._ranges = (
                self._again(lambda: value_ranges(self._source, self._input)) if is_asked else []
            )
        return self._ranges

    def _again(self, read: Callable[[], Answer]) -> Answer:
        """Read, and again where it cannot be read; raises as it does in the end."""
        for _ in range(self._tries - 1):
            with suppress(TileError):
                return read()
        return read()

    def _tissue_patches(self, key: BlockKey) -> Patches:
        core = self._grid.core_box(key)
        side = core.width / CELLS

        def box(row: int, column: int) -> Box:
            x, y = core.x0 + column * side, core.y0 + row * side
            return Box(x, y, x + side, y + side)

        every = [(row, column) for row in range(CELLS) for column in range(CELLS)]
        return [
            patch
            for patch in every
            if self._grid.is_on_slide((at := box(*patch)).x0, at.y0) and self._has_tissue(at)
        ]

    def _has_tissue(self, box: Box) -> bool:
        return self._tissue is None or self._tissue.meets(box)


def value_ranges(source: SlideSource, asked: ModelInput) -> list[tuple[float, float]]:
    """Return low and high value of each channel of a slide (0 to 255), from its low magnification.

    They are two percentiles, or the mean of its tissue and a deviation more than that.

    Raises
    ------
    TileError
        The level cannot be read.
    """
    picture = read_level(source, coarsest_level(source.levels, _RANGE_SIDE_PX))
    pixels = picture.reshape(-1, 3)
    if asked.scaling == "standard":
        inside = _resized(tissue_mask(source).cells, picture.shape[:2]).ravel()
        pixels = pixels[inside] if inside.any() else pixels
    of = pixels.reshape(-1, 1) if asked.jointly else pixels
    if asked.scaling == "standard":
        low = of.mean(0, dtype=np.float64)
        high = low + of.std(0, dtype=np.float64)
    else:
        low, high = np.percentile(of, asked.percentiles, axis=0)
    channels = 3 if asked.jointly else 1
    return list(zip(low.tolist() * channels, high.tolist() * channels, strict=True))


def _resized(cells: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a grid over a slide as a picture of it of another size, by the nearest cell."""
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(shape, cells.shape, strict=True)
    )
    return cells[rows[:, np.newaxis], columns]
