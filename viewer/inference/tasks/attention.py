"""Where readers are expected to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import Shape, TaskKind

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription


class Attention(TaskKind):
    """A value for each place in a block and each magnification."""

    name = "attention"
    steps = "viewer.inference.steps.attention:AttentionSteps"
    keeps_logarithms = True
    tells_where_to_look = True
    shows = "expected attention"

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        rows, columns = (
            (side_px - about.patch_px) // about.stride + 1 for side_px in (height_px, width_px)
        )
        return count, len(about.classes), rows, columns
