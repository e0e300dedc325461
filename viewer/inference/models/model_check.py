"""A model is loaded and works once, in a process of its own, to see whether it can."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from viewer.inference.errors import ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.model_process import ModelProcess, thread_count

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle


def try_model(bundle: ModelBundle) -> None:
    """Feed a model once, on the CPU.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says, or the process ended.
    ModelFailedError
        The model does not work.
    """
    try:
        with closing(ModelProcess(uses_cuda=False)) as process:
            process.load(bundle, "cpu", thread_count())
            process.try_out()
    except ModelProcessError as error:
        raise BundleError(f"{bundle.name} cannot be used: {error}") from error
