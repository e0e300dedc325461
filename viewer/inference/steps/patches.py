"""Classes or vectors of the patches of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.models.training_data import unlike_fields
from viewer.inference.tasks.known import TASKS
from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage

_LARGEST = {np.float16: (-65_000.0, 65_000.0), np.float32: (-3e38, 3e38)}
"""What a kind of numbers holds; infinity stands for no answer."""


class PatchSteps:
    """An image for each patch with tissue; its answer is a vector."""

    def __init__(self, model: ModelDescription, grid: BlockGrid, mpp_um: float) -> None:  # noqa: ARG002
        self._patch_px, self._stride_px = model.patch_px, model.stride
        # Scores are small and read as figures; vectors are long and only compared.
        self._kind = np.float16 if TASKS[model.task].keeps_vectors else np.float32
        self._training = model.training

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:
        side, step = self._patch_px, self._stride_px
        return [
            region[row * step : row * step + side, column * step : column * step + side]
            for row, column in patches
        ]

    def result(
        self,
        answers: NDArray[np.float32],
        region: RgbImage,
        key: BlockKey,  # noqa: ARG002
        patches: Patches,
    ) -> PatchFeatures:
        values = np.full((CELLS, CELLS, answers.shape[1]), np.nan, self._kind)
        unanswered = np.zeros((CELLS, CELLS), bool)
        finite = np.all(np.isfinite(answers), axis=1)
        for (row, column), answer, is_answered in zip(patches, answers, finite, strict=True):
            if is_answered:
                values[row, column] = np.clip(answer, *_LARGEST[self._kind])
            else:
                unanswered[row, column] = True
        unlike = np.zeros((CELLS, CELLS), bool)
        rows, columns = np.array(patches).reshape(-1, 2).T
        unlike[rows, columns] = unlike_fields(self._training, self.images(region, patches))
        return PatchFeatures(values, unanswered, unlike)
