"""Lengths, areas and angles as the status bar and the ruler show them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.geometry import Point

_UM_PER_MM = 1000.0


def length_text(length_px: float, mpp_um: float | None) -> str:
    """In um, in mm from 10 of them; in pixels where the slide tells no scale."""
    if mpp_um is None:
        return f"{length_px:,.1f} px"
    um = length_px * mpp_um
    return f"{um:,.1f} µm" if um < 10 * _UM_PER_MM else f"{um / _UM_PER_MM:,.2f} mm"


def area_text(area_px: float, mpp_um: float | None) -> str:
    """In um2, in mm2 from a tenth of one; in pixels where the slide tells no scale."""
    if mpp_um is None:
        return f"{area_px:,.0f} px²"
    um2 = area_px * mpp_um**2
    mm2 = um2 / _UM_PER_MM**2
    return f"{um2:,.1f} µm²" if mm2 < 0.1 else f"{mm2:,.3f} mm²"


def angle_deg(end: Point, corner: Point, other: Point) -> float:
    """Between the two lines from a corner, 0 to 180."""
    first = math.atan2(end.y - corner.y, end.x - corner.x)
    second = math.atan2(other.y - corner.y, other.x - corner.x)
    turn = math.degrees(abs(first - second)) % 360
    return min(turn, 360 - turn)
