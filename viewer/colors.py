"""Colours as models and classes name them."""

from __future__ import annotations

CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Colors that color-blind readers can tell apart; Okabe and Ito 2008."""

BAND_COLOURS = {
    1.25: "#7c6cf2",
    2.5: "#3b82f6",
    5.0: "#06a8b8",
    10.0: "#22a55a",
    20.0: "#e08a00",
    40.0: "#e5484d",
}
"""Of magnifications, from violet for the widest look to red for cells."""
UNKNOWN_COLOUR = "#8a8f98"


def class_colour(index: int) -> str:
    """The colour of a class that has none of its own, by its number."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def rgb_of(colour: str) -> list[int]:
    """Red, green and blue of "#rrggbb", 0 to 255."""
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
