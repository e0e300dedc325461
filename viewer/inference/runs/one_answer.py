"""What a model answers to one request, in a process of its own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.messages import Refused
from viewer.inference.process.model_process import ModelProcess, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.errors import CoverslipError
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import Request

_Answer = TypeVar("_Answer")


def one_answer(
    bundle: ModelBundle,
    request: Callable[[ModelProcess], Request],
    kind: type[_Answer],
    failure: type[CoverslipError],
) -> _Answer:
    """Load a model on the processor, ask it one thing and return its answer of this kind.

    Raises
    ------
    CoverslipError
        There is none: a `failure`, whose sentence says why.
    """
    try:
        with closing(ModelProcess(uses_cuda=False)) as process:
            process.load(bundle, "cpu", thread_count())
            answer = process.ask(request(process))
    except (BundleError, ModelFailedError, ModelProcessError) as error:
        raise failure(str(error)) from error
    if isinstance(answer, Refused):
        raise failure(answer.sentence)
    if not isinstance(answer, kind):
        raise failure("The model gave no answer.")
    return answer
