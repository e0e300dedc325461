"""What the results of models mean, by their task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.models.bundle import ModelBundle
from viewer.inference.tasks.known import TASKS, kind_of
from viewer.overlays.scoring import head_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.description import Task
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.slide_prediction import SlidePrediction


def finds_objects(task: Task) -> bool:
    """Return whether a task finds objects, and not values of patches."""
    return TASKS[task].finds == "objects"


def reference_mean(origin: object) -> NDArray[np.float32] | None:
    """Return what a model of embeddings sees all slides from; None where its card names none."""
    reference = origin.description.reference if isinstance(origin, ModelBundle) else None
    return None if reference is None else np.array(reference.mean, np.float32)


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
