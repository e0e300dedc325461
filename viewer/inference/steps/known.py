"""The steps of each kind of task."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from viewer.inference.tasks.known import TASKS

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
    module, _, name = TASKS[task].steps.partition(":")
    if not module:
        raise ValueError(f"A {task} model works through no blocks.")
    made: MakeSteps = getattr(import_module(module), name)
    return made
