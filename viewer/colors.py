"""Colors as models and classes name them."""

from __future__ import annotations

from colorsys import hls_to_rgb

CLASS_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Colors that color-blind readers can tell apart; Okabe and Ito 2008."""

BAND_COLORS = {
    1.25: "#7c6cf2",
    2.5: "#3b82f6",
    5.0: "#06a8b8",
    10.0: "#22a55a",
    20.0: "#e08a00",
    40.0: "#e5484d",
}
"""Of magnifications, from violet for the widest look to red for cells."""
UNKNOWN_COLOR = "#8a8f98"


_FIRST_HUE, _GOLDEN_RATIO = 0.28, (5**0.5 - 1) / 2
_LIGHTNESSES, _SATURATION = (0.25, 0.45, 0.65), 0.95
"""The first 24 colors are at least 54 of 255 apart with these."""


def class_color(index: int) -> str:
    """Return the color of a class that has none of its own, by its number; no two have the same."""
    if index < len(CLASS_COLORS):
        return CLASS_COLORS[index]
    hue = (_FIRST_HUE + index * _GOLDEN_RATIO) % 1
    lightness = _LIGHTNESSES[index % len(_LIGHTNESSES)]
    rgb = hls_to_rgb(hue, lightness, _SATURATION)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def rgb_of(color: str) -> list[int]:
    """Red, green and blue of "#rrggbb", 0 to 255."""
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]
