"""Which resolutions of a file are sizes of pixels, and which only tell a printer what to do."""

from __future__ import annotations

COARSEST_SCAN_UM = 10.0
"""Print and screen resolutions, 72 to 2400 dpi, are all coarser; scans of slides are finer."""


def believable_mpp_um(x_um: float, y_um: float) -> tuple[float, float] | None:
    """Return the pixel size that resolution tags tell, or None where they tell dots per inch.

    Parameters
    ----------
    x_um, y_um
        Micrometers per level-0 pixel, as computed from the tags.
    """
    if 0 < x_um < COARSEST_SCAN_UM and 0 < y_um < COARSEST_SCAN_UM:
        return x_um, y_um
    return None
