"""The steps of each kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.steps.attention import AttentionSteps
from viewer.inference.steps.detection import DetectionSteps
from viewer.inference.steps.instances import InstanceSteps
from viewer.inference.steps.patches import PatchSteps
from viewer.inference.steps.segmentation import SegmentationSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from viewer.inference.models.description import ModelDescription, Task
    from viewer.inference.steps.step import TaskSteps
    from viewer.overlays.blocks import BlockGrid

STEPS: Mapping[Task, Callable[[ModelDescription, BlockGrid, float], TaskSteps]] = {
    "instances": InstanceSteps,
    "classification": PatchSteps,
    "embedding": PatchSteps,
    "attention": AttentionSteps,
    "segmentation": SegmentationSteps,
    "detection": DetectionSteps,
}
"""Made of a model, its grid and the micrometers per level-0 pixel."""
