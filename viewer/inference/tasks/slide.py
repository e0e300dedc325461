"""Classes of a whole slide, by the vectors of its patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import TaskKind

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription


class Slide(TaskKind):
    """A model of the vectors that its encoder makes."""

    name = "slide"
    asks_for = "slide"
    keeps_vectors = True
    shows = "judgment"
    explains = "slide"

    def complaint(self, about: ModelDescription) -> str:
        return "slide models are safetensors or torchscript" if about.format == "onnx" else ""
