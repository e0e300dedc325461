"""Holds the limit of what kept results may take, by every run and in the background."""

from __future__ import annotations

import logging
import threading
import time

from viewer.folders import config_folder
from viewer.overlays.result_store import clear_results
from viewer.settings import load_settings

_log = logging.getLogger(__name__)
_EVERY_S = 600.0
_lock = threading.Lock()
_last_s = -_EVERY_S


def limit_soon() -> threading.Thread | None:
    """Begin to remove the results not used for longest beyond the limit of the settings.

    Returns the thread that does it; None where it was done in the last ten minutes.
    """
    global _last_s
    with _lock:
        if time.monotonic() - _last_s < _EVERY_S:
            return None
        _last_s = time.monotonic()
    thread = threading.Thread(target=_limit, name="results limit", daemon=True)
    thread.start()
    return thread


def _limit() -> None:
    try:
        clear_results(keep_bytes=load_settings(config_folder()).results_gib << 30)
    except OSError as error:
        _log.warning("The limit of kept results cannot be held (%s)", error)
