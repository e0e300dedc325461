"""Waits for OpenCV, which scales tiles from a moment of its own on."""

from __future__ import annotations

from viewer.canvas.tile_scaling import TileScaler, tile_scaler


def load_scaling(scaler: TileScaler = tile_scaler) -> None:
    """Have a scaler load OpenCV, and wait for the end of it."""
    scaler.load()
    assert scaler._loaded is not None
    scaler._loaded.result()
