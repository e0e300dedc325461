"""A model is loaded and works once, in a process of its own, to see whether it can."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING

from viewer.inference.errors import ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.model_process import ModelProcess, thread_count
from viewer.progress import tell_progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.inference.models.bundle import ModelBundle


_STARTED, _LOADED, _WORKED = 0.2, 0.6, 0.9
"""Shares that are told, of all that it takes to add a model."""
_LOOK_S = 0.1


def try_model(bundle: ModelBundle) -> None:
    """Feed a model once, on the CPU, for as long as whoever hears of the progress wants it.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says, or the process ended.
    ModelFailedError
        The model does not work.
    """
    try:
        with closing(ModelProcess(uses_cuda=False)) as process, _killed_when_unwanted(process):
            tell_progress(_STARTED)
            process.load(bundle, "cpu", thread_count())
            tell_progress(_LOADED)
            process.try_out()
            tell_progress(_WORKED)
    except ModelProcessError as error:
        raise BundleError(f"{bundle.name} cannot be used: {error}") from error


@contextmanager
def _killed_when_unwanted(process: ModelProcess) -> Generator[None]:
    """End a process within the block once nobody wants what it does.

    A model that never answers leaves the thread that waits for it no moment to ask.

    Raises
    ------
    Exception
        What whoever hears of the progress raised.
    """
    is_over = threading.Event()
    reasons: list[Exception] = []

    def look() -> None:
        while not is_over.wait(_LOOK_S):
            try:
                tell_progress(0.0)
            except Exception as reason:  # of whoever hears it, raised below
                reasons.append(reason)
                process.kill()
                return

    watcher = threading.Thread(
        target=copy_context().run, args=(look,), name="model trial", daemon=True
    )
    watcher.start()
    try:
        yield
    except ModelProcessError:
        if reasons:
            raise reasons[0] from None
        raise
    finally:
        is_over.set()
        watcher.join()
