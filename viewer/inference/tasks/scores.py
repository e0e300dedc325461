"""Values of places that a file tells."""

from __future__ import annotations

from viewer.inference.tasks.task import TaskKind


class Scores(TaskKind):
    """What no model gave: such values are painted as they are, tile by tile."""

    shows = "values"
