"""What every child may read: the interpreter, its libraries and Coverslip's own modules."""

from __future__ import annotations

import glob
import os
import sys
import sysconfig
from pathlib import Path

import viewer

_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/proc/self/auxv",
    "/proc/self/cgroup",
    "/proc/self/fd",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/proc/self/task",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
)
_CUDA = (
    "/etc/nvidia",
    "/proc/devices",
    "/proc/driver/nvidia",
    "/sys/bus/pci",
    "/sys/devices",
    "/sys/module/nvidia",
    "/usr/local/cuda",
    "/usr/local/nvidia",
    "/usr/share/nvidia",
)
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


def package_root() -> str:
    """Return the folder from which `viewer` is imported: a checkout, or site-packages."""
    return str(Path(viewer.__file__).resolve().parents[1])


def package_folders() -> list[str]:
    """Return the folders of installed packages, in the order in which this process searches them.

    Nothing else of `sys.path` is taken: neither the working folder nor PYTHONPATH.
    """
    named = (path for path in sys.path if os.path.basename(path) in _PACKAGE_FOLDERS)
    return [path for path in named if os.path.isabs(path)]


def library_paths() -> list[str]:
    """Return the files and folders without which no child can run."""
    own = str(Path(viewer.__file__).resolve().parent)
    standard = sysconfig.get_path("stdlib")
    return [own, standard, *_interpreter_libraries(), *package_folders(), *_SYSTEM]


def cuda_paths() -> list[str]:
    """Return what CUDA's driver reads beside the libraries."""
    return list(_CUDA)


def cuda_devices() -> list[str]:
    """Return the device files of NVIDIA's driver; none where there is no such device."""
    return sorted(glob.glob("/dev/nvidia*"))


def _interpreter_libraries() -> list[str]:
    """Return the folders of libpython and of what conda lays beside it."""
    if sys.base_prefix in ("/usr", "/usr/local"):
        return []
    found = [os.path.join(prefix, "lib") for prefix in {sys.base_prefix, sys.exec_prefix}]
    return [*found, "/nix/store"] if sys.base_prefix.startswith("/nix/store/") else found
