"""Fixtures of the tests of slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def in_this_process(own_home: Path) -> None:
    """Read slides in the tests' own process, where the bounds of readers can be changed."""
    (own_home / "config").mkdir(exist_ok=True)
    settings = {"trusted_folders": ["/"]}
    (own_home / "config" / "settings.json").write_bytes(msgspec.json.encode(settings))


@pytest.fixture
def template(shared_slide: Callable[[str], Path]) -> Path:
    """Return a DICOM slide whose tags are taken over by those that are written."""
    return shared_slide("slides/sm_image.dcm")


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Return a picture that changes slowly, (1, 200, 300, 3)."""
    y, x = np.mgrid[:200, :300]
    return np.stack([y, x, (x * y) // 300], axis=-1).astype(np.uint8)[np.newaxis]
