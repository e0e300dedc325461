"""Whether a device that was chosen can be here at all, found out without PyTorch."""

from __future__ import annotations

import ctypes.util
import glob
import importlib.metadata
import platform
import sys
from functools import lru_cache

_CUDA_FILES = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/nvmap")
"""Of NVIDIA's driver on Linux: a card, within Windows (WSL), and a Jetson."""


@lru_cache(maxsize=8)
def why_no_device(device: str) -> str:
    """Return why models cannot run on a device of the settings, in a few words.

    "" where they may: only PyTorch itself can tell for certain, in a model's process.
    """
    if device == "cuda":
        return _why_no_cuda()
    if device == "mps" and (sys.platform != "darwin" or platform.machine() != "arm64"):
        return "this is no Mac with an Apple chip"
    return ""


def _why_no_cuda() -> str:
    if sys.platform == "win32":
        has_driver = ctypes.util.find_library("nvcuda") is not None
    else:
        has_driver = any(glob.glob(pattern) for pattern in _CUDA_FILES)
    if not has_driver:
        return "no NVIDIA GPU, or no driver for it, is found"
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "PyTorch is not installed"
    return "the PyTorch that is installed has no CUDA" if version.endswith("+cpu") else ""
