"""Whether what a model says of noise can be what model.json says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.heads import head_complaint
from viewer.inference.tasks.known import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription


def check_answers(about: ModelDescription, answers: NDArray[np.float32]) -> None:
    """Refuse answers (probes, ...) that contradict what a model is said to answer with.

    Raises
    ------
    ModelFailedError
        One sentence says how.
    """
    kind = TASKS[about.task]
    if kind.has_head:
        if complaint := head_complaint(about.head, answers, len(about.classes)):
            raise ModelFailedError(f"The model {about.name} {complaint}.")
    elif kind.outlines:
        from viewer.inference.decoders.known import DECODERS  # which a model of patches spares

        DECODERS[about.decoder](answers[0], about)
    elif kind.finds == "objects":
        from viewer.inference.steps.detection import boxes_of

        boxes_of(answers[0], about)
