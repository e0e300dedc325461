"""Windows of a block blended into maps of classes or values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.models.training_data import unlike_fields
from viewer.inference.tasks.windows import Windows
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.scoring import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import Head, ModelDescription
    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage

    Maps = NDArray[np.float32]

_SPREAD = 0.125
"""Standard deviation of the weights of a window, as a share of its side."""
_LEAST_WEIGHT = 1e-3


def activated(answers: Maps, head: Head, classes: int) -> Maps:
    """Return probabilities, or values where the head is "regression", (n, classes, h, w).

    Raises
    ------
    IndexError
        A class index is none.
    """
    match head:
        case "softmax":
            return softmax(answers, 1)
        case "sigmoid" | "logit":
            with np.errstate(over="ignore"):
                return (1 / (1 + np.exp(-answers))).astype(np.float32)
        case "indices":
            every = np.arange(classes, dtype=np.float32)[:, None, None]
            return (answers == every).astype(np.float32)
        case _:
            return answers


class SegmentationSteps:
    """Each block is answered by windows, of which the middle counts most (Gaussian weights)."""

    def __init__(self, model: ModelDescription, grid: BlockGrid, mpp_um: float) -> None:  # noqa: ARG002
        self._model = model
        self._grid = grid
        self._windows = Windows.of(model)
        self._unit = model.answer_downsample
        self._weights = gaussian(self._windows.inner_px // self._unit)

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:  # noqa: ARG002
        side = self._windows.patch_px
        return [
            region[row : row + side, column : column + side] for row, column in self._windows.places
        ]

    def result(
        self,
        answers: NDArray[np.float32],
        region: RgbImage,
        key: BlockKey,
        patches: Patches,  # noqa: ARG002
    ) -> PatchFeatures:
        margin = self._model.margin_px // self._unit
        inner = answers[:, :, margin : -margin or None, margin : -margin or None]
        maps = self._blended(activated(inner, self._model.head, len(self._model.classes)))
        cells = self._grid.cells
        side = maps.shape[1] // cells
        means = maps.reshape(len(maps), cells, side, cells, side).mean((2, 4))
        values = np.moveaxis(means, 0, 2).astype(np.float16)
        is_empty = ~np.isfinite(values).all(2)
        beside = self._beside(key)
        values[beside | is_empty] = np.nan
        is_unlike = bool(unlike_fields(self._model.training, [region])[0])
        unlike = ~beside & is_unlike & ~is_empty
        return PatchFeatures(values, is_empty & ~beside, unlike)

    def _blended(self, answers: Maps) -> Maps:
        """Return the maps of the block without its margin, (classes, side, side)."""
        windows, unit = self._windows, self._unit
        side, core = len(self._weights), windows.core_px // unit
        first = windows.before_px // unit
        sums = np.zeros((answers.shape[1], core, core), np.float32)
        weights = np.zeros((core, core), np.float32)
        for answer, (row, column) in zip(answers, windows.places, strict=True):
            y, x = row // unit - first, column // unit - first
            inside = (slice(max(0, y), min(core, y + side)), slice(max(0, x), min(core, x + side)))
            part = (
                slice(inside[0].start - y, inside[0].stop - y),
                slice(inside[1].start - x, inside[1].stop - x),
            )
            sums[:, *inside] += answer[:, *part] * self._weights[part]
            weights[inside] += self._weights[part]
        return sums / weights

    def _beside(self, key: BlockKey) -> NDArray[np.bool_]:
        """Return which cells (rows, columns) lie beside the slide."""
        grid = self._grid
        core = grid.core_box(key)
        starts = np.arange(grid.cells) * core.width / grid.cells
        slack = grid.downsample / 2
        rows = core.y0 + starts >= grid.slide.height - slack
        columns = core.x0 + starts >= grid.slide.width - slack
        return rows[:, None] | columns


def gaussian(side_px: int) -> NDArray[np.float32]:
    """Return the weights (side, side) of a window, 1 in its middle."""
    apart = (np.arange(side_px) - (side_px - 1) / 2) / (_SPREAD * side_px)
    line = np.exp(-(apart**2) / 2)
    return np.maximum(np.outer(line, line), _LEAST_WEIGHT).astype(np.float32)
