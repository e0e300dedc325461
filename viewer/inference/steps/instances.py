"""Maps of a block cut into objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from viewer.geometry import Box
from viewer.inference.cells.detection import StainImages, renumbered
from viewer.inference.cells.finding import measured_cells
from viewer.inference.decoders.known import DECODERS
from viewer.inference.instances import clear_outside, objects_of
from viewer.inference.models.training_data import unlike_fields
from viewer.inference.tasks.instances import LOGITS, feature_maps
from viewer.inference.teaching.object_features import object_features
from viewer.overlays.objects import UNLIKE, Objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.labeled import Labeled
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage


class InstanceSteps:
    """One image a block; its maps are cut into objects."""

    def __init__(self, model: ModelDescription, grid: BlockGrid, mpp_um: float) -> None:
        self._model = model
        self._grid = grid
        self._mpp_um = mpp_um
        self._decode = DECODERS[model.decoder]

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
        box = self._grid.input_box(key)
        found = [self._whole(each) for each in self._decode(answers[0], self._model)]
        measure = self._cells if self._model.cells is not None else self._objects
        maps = answers[0, LOGITS:] if feature_maps(self._model) else None
        objects = Objects.joined([measure(each, region, key, maps) for each in found])
        unlikes = unlike_fields(self._model.training, [self._on_slide(region, box)])
        unlike = np.full(len(objects), unlikes[0], np.float32)
        measurements = {**objects.measurements, UNLIKE: unlike}
        objects = replace(objects, measurements=measurements, is_unlike=bool(unlikes[0]))
        taught = self._model.taught
        return objects if taught is None else taught.classified(objects)

    def _features(
        self, labels: NDArray[np.int32], region: RgbImage, maps: NDArray[np.float32] | None
    ) -> NDArray[np.float16] | None:
        """Return what is pooled in each number of a label map; None where it is not asked for."""
        if not self._model.features:
            return None
        if maps is not None and (border := (labels.shape[0] - maps.shape[1]) // 2):
            maps = np.pad(maps, ((0, 0), (border, border), (border, border)))
        pixel_um = self._model.mpp_um * region.shape[0] / labels.shape[0]
        return object_features(labels, region, maps, pixel_um)

    def _whole(self, found: Labeled) -> Labeled:
        """Return what was found with a border round it where the network answers for less."""
        answer_px = self._model.answer_px or self._model.patch_px
        lost = (self._model.patch_px - answer_px) // 2
        border = lost * found.labels.shape[0] // answer_px
        if not border:
            return found
        chances = found.probability
        return replace(
            found,
            labels=np.pad(found.labels, border),
            probability=None if chances is None else np.pad(chances, border),
        )

    def _objects(
        self, found: Labeled, region: RgbImage, key: BlockKey, maps: NDArray[np.float32] | None
    ) -> Objects:
        """Return the objects of a label map whose middle lies in the block."""
        grid, labels = self._grid, found.labels
        box = grid.input_box(key)
        core = grid.core_box(key).intersection(Box(0, 0, *grid.slide))
        # Beyond the slide the model saw it mirrored: what it found there is not there.
        clear_outside(labels, box, grid.slide)
        pixel_um = box.width / labels.shape[1] * self._mpp_um
        are_nuclei = self._model.decoder == "coverslip"
        return objects_of(
            labels, found.probability, region, box, core, pixel_um, found.classes,
            are_nuclei=are_nuclei, features=self._features(labels, region, maps),
        )  # fmt: skip

    def _cells(
        self, found: Labeled, region: RgbImage, key: BlockKey, maps: NDArray[np.float32] | None
    ) -> Objects:
        """Return the cells of a label map whose middle lies in the block, by the settings."""
        settings = self._model.cells
        assert settings is not None
        grid, box = self._grid, self._grid.input_box(key)
        core = grid.core_box(key).intersection(Box(0, 0, *grid.slide))
        clear_outside(found.labels, box, grid.slide)
        labels = renumbered(found.labels)
        features = self._features(labels, region, maps)
        images = StainImages(region, settings)
        return measured_cells(labels, images, box, core, settings, features=features)

    def _on_slide(self, region: RgbImage, box: Box) -> RgbImage:
        """Return the part of a block that is no mirror image."""
        slide, scale = self._grid.slide, self._grid.downsample
        left, top = (max(0, round(-start / scale)) for start in (box.x0, box.y0))
        right = max(left + 1, round((min(box.x1, slide.width) - box.x0) / scale))
        bottom = max(top + 1, round((min(box.y1, slide.height) - box.y0) / scale))
        return region[top:bottom, left:right]
