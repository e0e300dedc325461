"""Where the scanned part of a slide begins, from which QuPath counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.slides.source import SlideInfo


def bounds_px(info: SlideInfo) -> tuple[float, float]:
    """Return left and top of the bounds that a slide tells (MIRAX, SCN), level-0 pixels, else 0, 0.

    Places here count from the corner of level 0, as OpenSlide's do; QuPath cuts a slide to its
    bounds and counts from these.
    """
    try:
        x, y = (float(info.properties[f"openslide.bounds-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return 0.0, 0.0
    return x, y
