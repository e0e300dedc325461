"""Colours as models and classes name them."""

from __future__ import annotations


def rgb_of(colour: str) -> list[int]:
    """Red, green and blue of "#rrggbb", 0 to 255."""
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
