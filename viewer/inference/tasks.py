"""What a model is fed for a block, and what is made of its answer, by its task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from viewer.geometry import Box
from viewer.inference.instances import clear_outside, labeled, objects_of
from viewer.inference.training_data import unlike_fields
from viewer.overlays.objects import UNLIKE, Objects
from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.block_reading import Patches
    from viewer.inference.bundle import ModelDescription
    from viewer.inference.results import Result
    from viewer.inference.training_data import TrainingData
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage


_LARGEST = {np.float16: (-65_000.0, 65_000.0), np.float32: (-3e38, 3e38)}
"""What a kind of numbers holds; infinity stands for no answer."""


class TaskSteps(Protocol):
    """The steps before and after the model. `patches` are those of a block that hold tissue."""

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:
        """Return what the model is fed for a block; `region` is the block with its margin."""
        ...

    def result(
        self, answers: NDArray[np.float32], region: RgbImage, key: BlockKey, patches: Patches
    ) -> Result:
        """Return what is kept of its answers, one for each image."""
        ...


class InstanceSteps:
    """One image a block; its maps are cut into objects."""

    def __init__(
        self, grid: BlockGrid, mpp_um: float, training: TrainingData | None = None
    ) -> None:
        self._grid = grid
        self._mpp_um = mpp_um
        self._training = training

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:  # noqa: ARG002
        return [region]

    def result(
        self,
        answers: NDArray[np.float32],
        region: RgbImage,
        key: BlockKey,
        patches: Patches,  # noqa: ARG002
    ) -> Objects:
        if not np.isfinite(answers[0]).all():
            return Objects.unanswered()
        grid = self._grid
        maps = 1 / (1 + np.exp(-answers[0]))
        core = grid.core_box(key).intersection(Box(0, 0, *grid.slide))
        pixel_um = grid.downsample * self._mpp_um
        labels = labeled(maps)
        box = grid.input_box(key)
        # Beyond the slide the model saw it mirrored: what it found there is not there.
        clear_outside(labels, box, grid.slide)
        objects = objects_of(labels, maps[0], region, box, core, pixel_um)
        is_unlike = bool(unlike_fields(self._training, [self._on_slide(region, box)])[0])
        unlike = np.full(len(objects), is_unlike, np.float32)
        measurements = {**objects.measurements, UNLIKE: unlike}
        return replace(objects, measurements=measurements, is_unlike=is_unlike)

    def _on_slide(self, region: RgbImage, box: Box) -> RgbImage:
        """Return the part of a block that is no mirror image."""
        slide, scale = self._grid.slide, self._grid.downsample
        left, top = (max(0, round(-start / scale)) for start in (box.x0, box.y0))
        right = max(left + 1, round((min(box.x1, slide.width) - box.x0) / scale))
        bottom = max(top + 1, round((min(box.y1, slide.height) - box.y0) / scale))
        return region[top:bottom, left:right]


class AttentionSteps:
    """One image a block; its answer holds a value for each patch and magnification."""

    def __init__(self, grid: BlockGrid) -> None:
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


class PatchSteps:
    """An image for each patch with tissue; its answer is a vector."""

    def __init__(self, model: ModelDescription) -> None:
        self._patch_px, self._stride_px = model.patch_px, model.stride
        # Scores are small and read as figures; vectors are long and only compared.
        self._kind = np.float16 if model.task == "embedding" else np.float32
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
