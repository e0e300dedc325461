"""Model processes that wait: one that has imported torch, or those that hold a model for more."""

from __future__ import annotations

import atexit
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from viewer.inference.errors import ModelProcessError
from viewer.inference.process.model_process import ModelProcess

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.inference.process.model_process import LoadedModel

_KEPT_S = 600.0
"""A spare process that nobody wanted for as long ends, since it holds some 300 MB."""
_MOST_KEPT = 2
"""Of processes that hold a model: an encoder, and *Tissue quality* beside it."""

_lock = threading.Lock()
_spare: ModelProcess | None = None
_timer: threading.Timer | None = None
_kept: list[ModelProcess] | None = None
"""Those that hold a model, used last at the end; None where none are kept."""


def prepare_model_process() -> None:
    """Start a process that waits for a model, unless one waits already. Returns at once."""
    threading.Thread(target=_prepare, name="model spare", daemon=True).start()


def take_model_process(*, uses_cuda: bool, wanted: LoadedModel | None = None) -> ModelProcess:
    """Return the process that holds a model or waits for one, or a new one.

    Raises
    ------
    ModelProcessError
        No process can be started.
    """
    global _spare
    with _lock:
        held = None
        if wanted is not None:
            held = next((each for each in _kept or () if each.holds(wanted)), None)
        if held is not None and _kept is not None:
            _kept.remove(held)
    if held is not None:
        if held.is_running():
            return held
        held.close()
    with _lock:
        spare, _spare = _spare, None
    if spare is not None:
        if spare.is_running() and spare.uses_cuda >= uses_cuda:
            return spare
        spare.close()
    return ModelProcess(uses_cuda=uses_cuda)


@contextmanager
def model_processes_kept() -> Generator[None]:
    """Have processes keep their model from slide to slide: many slides of one model are to come."""
    global _kept
    with _lock:
        before, _kept = _kept, [] if _kept is None else _kept
    try:
        yield
    finally:
        if before is None:
            with _lock:
                ended, _kept = _kept or [], None
            for process in ended:
                process.close()


def keeps_model_processes() -> bool:
    """Return whether processes keep their model from slide to slide."""
    return _kept is not None


def give_back(process: ModelProcess) -> None:
    """Keep a process that holds a model and nothing of a slide, or end it where none are kept."""
    with _lock:
        ended = [process]
        if _kept is not None:
            _kept.append(process)
            ended = _kept[:-_MOST_KEPT]
            del _kept[:-_MOST_KEPT]
    for each in ended:
        each.close()


def discard_model_process() -> None:
    """End the process that waits, if there is one."""
    global _spare
    with _lock:
        spare, _spare = _spare, None
    if spare is not None:
        spare.close()


def _prepare() -> None:
    global _spare, _timer
    with _lock:
        if _spare is None or not _spare.is_running():
            try:
                _spare = ModelProcess()
            except ModelProcessError:
                return  # whoever needs one learns it then
        if _timer is not None:
            _timer.cancel()
        _timer = threading.Timer(_KEPT_S, discard_model_process)
        _timer.daemon = True
        _timer.start()


atexit.register(discard_model_process)
