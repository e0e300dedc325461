"""An answer for each patch with tissue: classes or a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import Shape, TaskKind

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription


class Classification(TaskKind):
    """Classes of patches."""

    name = "classification"
    steps = "viewer.inference.steps.patches:PatchSteps"
    is_by_patch = True
    is_square = True
    has_head = True
    explains = "tile"

    def complaint(self, about: ModelDescription) -> str:
        if about.head == "logit" and len(about.classes) != 1:
            return 'head "logit" has one class, the one that the logit is of'
        return ""

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:  # noqa: ARG002
        return count, len(about.classes)


class Embedding(TaskKind):
    """Vectors of patches."""

    name = "embedding"
    steps = "viewer.inference.steps.patches:PatchSteps"
    is_by_patch = True
    is_square = True
    needs_classes = False
    encodes = True
    keeps_vectors = True
    shows = "likeness"
    own = ("reference", "words")

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:  # noqa: ARG002
        return count, "any"
