"""Small disks of memory that a test may fill, or make read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a disk of a size, such as "2m", below a folder; skip where none may be mounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def mount_again(disk: Path, options: str) -> None:
    """Change a disk, such as "size=8m" or "ro"."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Fill a disk by a file named filler."""
    zeros = ["dd", "if=/dev/zero", f"of={disk / 'filler'}", "bs=4k"]
    assert subprocess.run(zeros, check=False, capture_output=True).returncode != 0
