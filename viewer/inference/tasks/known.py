"""All kinds of tasks; another one is a class of its own and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.attention import Attention
from viewer.inference.tasks.instances import Instances
from viewer.inference.tasks.patches import Classification, Embedding
from viewer.inference.tasks.prompt import Prompt
from viewer.inference.tasks.slide import Slide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.inference.description import Task
    from viewer.inference.tasks.task import TaskKind

_ALL = (Instances(), Classification(), Embedding(), Attention(), Slide(), Prompt())

TASKS: Mapping[Task, TaskKind] = {kind.name: kind for kind in _ALL}
