"""Fixtures of the tests of slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def in_this_process(own_home: Path) -> None:
    """Read slides in the tests' own process, where the bounds of readers can be changed."""
    (own_home / "config").mkdir(exist_ok=True)
    settings = {"trusted_folders": ["/"]}
    (own_home / "config" / "settings.json").write_bytes(msgspec.json.encode(settings))
