"""Whether what runs models is installed: the viewer alone needs no PyTorch."""

from __future__ import annotations

import importlib.util
from functools import cache

_NEEDED = ("torch", "safetensors", "skimage")


@cache
def missing_ai() -> str:
    """Return one sentence that says what to install for models; "" where nothing is missing."""
    # Found, not imported: the window's process never holds torch.
    if all(importlib.util.find_spec(name) is not None for name in _NEEDED):
        return ""
    return (
        "Models need PyTorch, which is not installed: run pip install 'coverslip[ai]', or, for "
        "the smaller PyTorch without CUDA, pip install 'coverslip[ai]' --extra-index-url "
        "https://download.pytorch.org/whl/cpu."
    )
