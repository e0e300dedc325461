"""All kinds of tasks; another one is a class of its own, and put into `TASKS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.attention import Attention
from viewer.inference.tasks.detection import Detection
from viewer.inference.tasks.instances import Instances
from viewer.inference.tasks.patches import Classification, Embedding
from viewer.inference.tasks.prompt import Prompt
from viewer.inference.tasks.scores import Scores
from viewer.inference.tasks.segmentation import Segmentation
from viewer.inference.tasks.slide import Slide

if TYPE_CHECKING:
    from viewer.inference.models.description import Task
    from viewer.inference.tasks.task import TaskKind

_ALL = (
    Instances(), Classification(), Embedding(), Attention(), Slide(), Prompt(), Segmentation(),
    Detection(),
)  # fmt: skip

TASKS: dict[Task, TaskKind] = {kind.name: kind for kind in _ALL}
_OF_FILES = Scores()


def kind_of(task: str) -> TaskKind:
    """Return the kind of a model's task, or of "scores", the values of a file."""
    return TASKS.get(task, _OF_FILES)
