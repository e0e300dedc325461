"""Where readers are expected to look in a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage


class AttentionSteps:
    """One image a block; its answer holds a value for each patch and magnification."""

    def __init__(self, model: ModelDescription, grid: BlockGrid, mpp_um: float) -> None:  # noqa: ARG002
        self._grid = grid

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:  # noqa: ARG002
        return [region]

    def result(
        self,
        answers: NDArray[np.float32],
        region: RgbImage,  # noqa: ARG002
        key: BlockKey,
        patches: Patches,  # noqa: ARG002
    ) -> PatchFeatures:
        values = np.moveaxis(answers[0], 0, 2).astype(np.float16)
        is_empty = ~np.isfinite(values).all(2)
        core, grid = self._grid.core_box(key), self._grid
        step = np.arange(CELLS) * core.width / CELLS
        beside = np.zeros((CELLS, CELLS), bool)
        beside[[not grid.is_on_slide(0, core.y0 + each) for each in step]] = True
        beside[:, [not grid.is_on_slide(core.x0 + each, 0) for each in step]] = True
        values[beside | is_empty] = np.nan
        return PatchFeatures(values, is_empty & ~beside)
