"""What all tests of the canvas begin with."""

from __future__ import annotations

import pytest
from scaled_tiles import load_scaling

from viewer.canvas.tile_scaling import tile_scaler


@pytest.fixture(scope="session", autouse=True)
def _scaled_tiles() -> None:
    """Load OpenCV first: it comes at a moment of its own, and rounds otherwise than Qt."""
    load_scaling()
    assert tile_scaler.is_ready
