"""The steps of each kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.inference.models.description import ModelDescription, Task
    from viewer.inference.steps.step import TaskSteps
    from viewer.overlays.blocks import BlockGrid

    MakeSteps = Callable[[ModelDescription, BlockGrid, float], TaskSteps]
    """Of a model, its grid and the micrometers per level-0 pixel."""


def steps_of(task: Task) -> MakeSteps:
    """Return what makes the steps of a task.

    Only those of this task are imported: what cuts objects out takes half a second of a core,
    for which no model of patches waits.

    Raises
    ------
    ValueError
        Such a model works through no blocks.
    """
    match task:
        case "instances":
            from viewer.inference.steps.instances import InstanceSteps

            return InstanceSteps
        case "detection":
            from viewer.inference.steps.detection import DetectionSteps

            return DetectionSteps
        case "classification" | "embedding":
            from viewer.inference.steps.patches import PatchSteps

            return PatchSteps
        case "attention":
            from viewer.inference.steps.attention import AttentionSteps

            return AttentionSteps
        case "segmentation":
            from viewer.inference.steps.segmentation import SegmentationSteps

            return SegmentationSteps
        case "slide" | "prompt":
            raise ValueError(f"A {task} model works through no blocks.")
