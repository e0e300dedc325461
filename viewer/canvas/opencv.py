"""OpenCV, which scales pictures while other threads run; loaded in a thread once nobody waits.

Of it only what scales is called: its decoders of images and videos see no file.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from pathlib import Path

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20
_is_loaded = threading.Event()


class _OfThread(threading.local):
    is_quick = False


_of_thread = _OfThread()


def load() -> bool:
    """Load it, which takes a while, and return whether it is there."""
    try:
        _read_library()
        import cv2
    except (ImportError, OSError):
        _log.warning("OpenCV cannot be loaded: zooming is slower.", exc_info=True)
        return False
    cv2.setNumThreads(1)
    _is_loaded.set()
    return True


def is_loaded() -> bool:
    """Return whether `import cv2` is done at once."""
    return _is_loaded.is_set()


def be_quick() -> None:
    """Let this thread scale in half the time, and be off by one value of 255 at most."""
    if not _of_thread.is_quick:
        import cv2

        cv2.ipp.setUseIPP_NotExact(flag=True)  # OpenCV keeps this for each thread
        _of_thread.is_quick = True


def _read_library() -> None:
    """Bring OpenCV's files into memory; an import alone holds up all threads for their disk."""
    spec = importlib.util.find_spec("cv2")
    for folder in (spec and spec.submodule_search_locations) or ():
        beside = Path(folder).parent.glob("opencv_python*.libs/*")
        for path in (*Path(folder).glob("*.so"), *Path(folder).glob("*.pyd"), *beside):
            with path.open("rb", buffering=0) as file:
                while file.read(_READ_BYTES):
                    pass
