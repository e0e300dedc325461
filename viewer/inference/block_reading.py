"""The pixels of a model's blocks, read from the slide outside the model process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from viewer.geometry import Box
from viewer.overlays.patch_features import CELLS
from viewer.slides.errors import TileError
from viewer.slides.region import read_region
from viewer.slides.tissue import TissueMask, candidate_mask

if TYPE_CHECKING:
    from viewer.annotations.tissue_correction import TissueCorrection
    from viewer.inference.bundle import Task
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage, SlideSource

Patches = list[tuple[int, int]]

_PATCH_TASKS = ("classification", "embedding")


class BlockReader:
    """Knows which blocks hold tissue and reads them. Used by one thread."""

    def __init__(
        self,
        source: SlideSource,
        grid: BlockGrid,
        task: Task,
        correction: TissueCorrection | None = None,
    ) -> None:
        self._source = source
        self._grid = grid
        self._has_patches = task in _PATCH_TASKS
        self._tissue: TissueMask | None = None
        with suppress(TileError):  # then every block counts as tissue
            found = candidate_mask(source)
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
        return read_region(self._source, self._grid.input_box(key), side_px, side_px)

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
