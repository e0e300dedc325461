"""What all tests of the canvas begin with."""

from __future__ import annotations

import pytest

from viewer.canvas.tile_scaling import tile_scaler


@pytest.fixture(scope="session", autouse=True)
def _scaled_tiles() -> None:
    """Load OpenCV first: it comes at a moment of its own, and rounds otherwise than Qt."""
    tile_scaler.wait_loaded()
    assert tile_scaler.is_ready
