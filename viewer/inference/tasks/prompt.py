"""The outline of what is pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import TaskKind

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription


class Prompt(TaskKind):
    """A mask for points and boxes."""

    name = "prompt"
    asks_for = "prompt"
    needs_classes = False

    def complaint(self, about: ModelDescription) -> str:
        return "" if about.format == "torchscript" else "models of the task prompt are torchscript"
