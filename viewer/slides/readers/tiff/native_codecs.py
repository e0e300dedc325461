"""Functions of the C libraries that imagecodecs brings, for what its own functions do not give.

Its functions decode a whole image or block; the libraries give rows one after the other.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module


@cache
def native_library(codec: str) -> ctypes.CDLL | None:
    """Return the library behind a module of imagecodecs ("zstd"); None where it is not to be had.

    Where the library is a part of the module (Windows), its functions cannot be called.
    """
    try:
        found = import_module(f"imagecodecs._{codec}").__file__
        return ctypes.CDLL(found) if found else None
    except (ImportError, OSError):
        return None
