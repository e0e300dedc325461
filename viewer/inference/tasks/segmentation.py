"""A class or value for each pixel, kept as the mean of small cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import Shape, TaskKind, answer_complaint, map_advice, map_sides
from viewer.inference.tasks.windows import Windows

if TYPE_CHECKING:
    from viewer.geometry import Size
    from viewer.inference.models.description import Head, ModelDescription

_LEAST_CELL_PX = 2
_MOST_CELLS = 4_000_000
_MOST_VALUES = 32_000_000
"""Of a slide, which are kept in 64 MB."""


class Segmentation(TaskKind):
    """Maps of the classes over a block, blended from windows that overlap."""

    name = "segmentation"
    steps = "viewer.inference.steps.segmentation:SegmentationSteps"
    is_square = True
    has_head = True
    overlaps = True
    is_map = True
    is_told_by_shape = False

    def complaint(self, about: ModelDescription) -> str:
        if sentence := answer_complaint(about):
            return sentence
        windows = Windows.of(about)
        if windows.inner_px < about.answer_downsample or about.margin_px % about.answer_downsample:
            return "margin_px has to be a multiple of answer_downsample, and leave something"
        if windows.step_px % about.answer_downsample or windows.step_px < windows.inner_px / 2:
            return (
                "stride_px has to be a multiple of answer_downsample, and at least half of what a "
                "patch is answered for"
            )
        if windows.step_px > windows.inner_px:
            return "stride_px leaves gaps between what the patches are answered for"
        if about.head == "logit" and len(about.classes) != 1:
            return 'head "logit" has one class, the one that the logit is of'
        return ""

    def heads(self, about: ModelDescription) -> tuple[Head, ...]:
        return *super().heads(about), "indices"

    def kept_head(self, head: Head) -> Head:
        """Return what means are of: probabilities, whatever the network gave."""
        return head if head == "regression" else "probabilities"

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        windows = Windows.of(about)
        return windows.core_px, windows.margin_px

    def cells(self, about: ModelDescription, slide_px: Size) -> int:
        """Return how many cells lie along a side of a block.

        They are as small as a bound on their number over the slide allows.

        Parameters
        ----------
        slide_px
            Size of the slide in pixels of `mpp_um`.
        """
        windows = Windows.of(about)
        most = min(_MOST_CELLS, _MOST_VALUES // max(1, len(about.classes)))
        least_px = max(
            _LEAST_CELL_PX,
            about.answer_downsample,
            (slide_px.width * slide_px.height / most) ** 0.5,
        )
        step_px, unit = windows.step_px, about.answer_downsample
        sizes = [px for px in range(unit, step_px + 1, unit) if step_px % px == 0]
        cell_px = next((px for px in sizes if px >= least_px), step_px)
        return windows.core_px // cell_px

    def shape_advice(self, about: ModelDescription, shape: Shape, wanted: Shape) -> str:
        return map_advice(about, shape, wanted)

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        channels = 1 if about.head == "indices" else len(about.classes)
        return count, channels, *map_sides(about, height_px, width_px)
