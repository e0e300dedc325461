"""The steps before and after a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_map import BlockResult
    from viewer.slides.source import RgbImage


class TaskSteps(Protocol):
    """The steps before and after the model. `patches` are those of a block that hold tissue."""

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:
        """Return what the model is fed for a block; `region` is the block with its margin."""
        ...

    def result(
        self, answers: NDArray[np.float32], region: RgbImage, key: BlockKey, patches: Patches
    ) -> BlockResult:
        """Return what is kept of its answers, one for each image."""
        ...
