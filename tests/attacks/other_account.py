"""What another account of the machine can do, where the tests may become one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER = 65534
needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0,
    reason="only root can act as another account of the machine",
)


def run_as_other(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program as an account that shares no group with this one."""
    return subprocess.run(
        command, user=_OTHER, group=_OTHER, extra_groups=[], capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def own_by_other(path: Path) -> None:
    """Make a file or folder the other account's."""
    os.chown(path, _OTHER, _OTHER)


def open_entries(folder: Path) -> list[str]:
    """Return what of a tree has rights for anybody but its owner."""
    found = [entry for entry in (folder, *folder.rglob("*")) if not entry.is_symlink()]
    return [f"{entry} {entry.stat().st_mode:o}" for entry in found if entry.stat().st_mode & 0o077]


@pytest.fixture
def public_place() -> Iterator[Path]:
    """A folder that every account may pass through, unlike those that pytest makes."""
    folder = Path(tempfile.mkdtemp(prefix="coverslip-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
