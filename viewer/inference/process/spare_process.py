"""A model process that has imported torch already, kept ready so that results come sooner."""

from __future__ import annotations

import atexit
import threading

from viewer.inference.errors import ModelProcessError
from viewer.inference.process.model_process import ModelProcess

_KEPT_S = 600.0
"""A spare process that nobody wanted for as long ends, since it holds some 300 MB."""

_lock = threading.Lock()
_spare: ModelProcess | None = None
_timer: threading.Timer | None = None


def prepare_model_process() -> None:
    """Start a process that waits for a model, unless one waits already. Returns at once."""
    threading.Thread(target=_prepare, name="model spare", daemon=True).start()


def take_model_process(*, uses_cuda: bool) -> ModelProcess:
    """Return the process that waits, or a new one. Raises ModelProcessError."""
    global _spare
    with _lock:
        spare, _spare = _spare, None
    if spare is not None:
        if spare.is_running() and spare.uses_cuda >= uses_cuda:
            return spare
        spare.close()
    return ModelProcess(uses_cuda=uses_cuda)


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
