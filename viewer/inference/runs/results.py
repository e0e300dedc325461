"""What models give, by their task: made, kept and put together, without running any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.models.bundle import ModelBundle
from viewer.inference.tasks.known import TASKS, kind_of
from viewer.overlays.blocks import CELLS
from viewer.overlays.former_objects import kept_objects
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.scoring import head_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.description import Head, Task
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.overlays.slide_prediction import SlidePrediction

    Result = Objects | PatchFeatures
    ResultMap = ObjectMap | PatchFeatureMap


def finds_objects(task: Task) -> bool:
    """Return whether a task finds objects, and not values of patches."""
    return TASKS[task].finds == "objects"


def no_result(task: Task) -> Result:
    """What is kept of a block without tissue."""
    return Objects.none() if finds_objects(task) else PatchFeatures.none()


def decode_result(task: Task, data: bytes, cells: int = CELLS) -> Result:
    """Read what a model's process sends of a block with so many cells along a side.

    Raises ObjectsError or PatchFeaturesError where the bytes are damaged.
    """
    if finds_objects(task):
        return Objects.from_bytes(data)
    return PatchFeatures.from_bytes(data, cells)


def decode_kept_result(task: Task, data: bytes, cells: int = CELLS) -> Result:
    """Read a result that this or an earlier version kept; raises as `decode_result`.

    What a model's process sends is never read in this way.
    """
    return kept_objects(data) if finds_objects(task) else PatchFeatures.from_bytes(data, cells)


def empty_map(task: Task, grid: BlockGrid, mpp_um: float, head: Head = "softmax") -> ResultMap:
    """For the results of a slide; micrometers per level-0 pixel."""
    kind = TASKS[task]
    if kind.finds == "objects":
        return ObjectMap(grid, mpp_um, are_boxes=not kind.outlines)
    return PatchFeatureMap(grid, mpp_um, kind.kept_head(head))


def add_result(found: ResultMap, key: BlockKey, result: Result) -> None:
    """Takes the result of a block."""
    match found, result:
        case ObjectMap(), Objects():
            found.add(key, result)
        case PatchFeatureMap(), PatchFeatures():
            found.add(key, result)
        case _:
            raise TypeError(f"{type(result).__name__} does not belong in {type(found).__name__}")


def reference_mean(origin: object) -> NDArray[np.float32] | None:
    """Return what a model of embeddings sees all slides from; None where its card names none."""
    reference = origin.description.reference if isinstance(origin, ModelBundle) else None
    return None if reference is None else np.array(reference.mean, np.float32)


def has_holes(result: Result) -> bool:
    """Return whether some of a block has no answer, or none to rely on."""
    if isinstance(result, Objects):
        return result.is_unanswered or result.is_unlike
    return bool((result.unanswered | result.unlike).any())


def cell_values(
    found: PatchFeatureMap,
    task: str,
    colors: Sequence[tuple[str, str]],
    judged: SlidePrediction | None = None,
) -> tuple[NDArray[np.float32], list[str]]:
    """(rows, columns, d): probabilities, attention or vectors; and a name for each of the d."""
    classes = [name for name, _ in colors]
    if judged is not None:
        return np.moveaxis(judged.attention, 0, 2), judged.head_names(classes)
    kind = kind_of(task)
    if kind.has_head:
        return head_values(found.values, found.head), classes
    values = found.values.astype(np.float32)
    if kind.keeps_vectors:
        return values, [f"e{index}" for index in range(values.shape[2])]
    return np.exp(values) if kind.keeps_logarithms else values, classes
