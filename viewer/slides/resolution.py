"""Which resolutions of a file are sizes of pixels, and which only tell a printer what to do."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.geometry import Optics

COARSEST_SCAN_UM = 10.0
"""Print and screen resolutions, 72 to 2400 dpi, are all coarser; scans of slides are finer."""

_FINEST_SCAN_UM = 1e-5
"""Less than any microscope resolves, of electrons too: what writers put who know nothing."""

_COARSEST_PICTURE_UM = 1000.0
"""A photograph of the glass is ten times finer."""

_UM_AT_POWER_1 = 10.0
"""Cameras and scanners have about 10 µm / power per pixel, give or take a factor of two."""

_SUSPECT_FACTOR = 5.0
_OBLONG = 1.05
"""Scanners whose sides differ by less show nothing that could be seen as stretched."""


def positive(text: str | None) -> float | None:
    """Return a positive number of a text such as "0.25" or "0,25"; None for anything else."""
    if text is None or not re.fullmatch(r"\s*[\d.,eE+-]+\s*", text):
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def believable_mpp_um(x_um: float, y_um: float) -> tuple[float, float] | None:
    """Return the pixel size that resolution tags tell, or None where they tell dots per inch.

    Parameters
    ----------
    x_um, y_um
        Micrometers per level-0 pixel, as computed from the tags.
    """
    is_scan = all(_FINEST_SCAN_UM < size < COARSEST_SCAN_UM for size in (x_um, y_um))
    return (x_um, y_um) if is_scan else None


def scale_doubt(
    optics: Optics,
    rejected_um: tuple[float, float] | None = None,
    sides: tuple[float, float] | None = None,
) -> str:
    """Return what is to be said of a pixel size, else "".

    That is where it is far from what the objective's power or any scan allows, and where pixels are
    oblong.

    Parameters
    ----------
    rejected_um
        What the file says, in x and y, where that was not believed.
    sides
        Width and height of a pixel in any unit, where the file tells them.
    """
    doubt = _power_doubt(optics, rejected_um) or _size_doubt(optics)
    return " ".join(filter(None, (doubt, _oblong(optics, sides))))


def _power_doubt(optics: Optics, rejected_um: tuple[float, float] | None) -> str:
    power, sizes = optics.objective_power, optics.mpp_um or rejected_um
    if power is None or sizes is None:
        return ""
    usual_um = _UM_AT_POWER_1 / power
    factor = max(max(size, usual_um) / min(size, usual_um) for size in sizes)
    if factor < _SUSPECT_FACTOR:
        return ""
    what = f"{sizes[0]:.3g} µm per pixel do not go with a {power:g}x objective"
    rest = f"about {usual_um:.2g} µm"
    if optics.mpp_um is None:
        return f"Pixel size unknown: {what} ({rest}), so the file's resolution is not used."
    return f"Doubtful pixel size: {what} ({rest}); check it before measuring."


def _size_doubt(optics: Optics) -> str:
    if optics.mpp_um is None:
        return ""
    least_um, size_um = min(optics.mpp_um), max(optics.mpp_um)
    if least_um < _FINEST_SCAN_UM:
        return (
            f"Doubtful pixel size: {least_um:.3g} µm per pixel is finer than any microscope "
            "resolves; check its unit before measuring."
        )
    if size_um < _COARSEST_PICTURE_UM:
        return ""
    return (
        f"Doubtful pixel size: {size_um:,.6g} µm per pixel is coarser than any picture of a slide; "
        "check its unit before measuring."
    )


def _oblong(optics: Optics, sides: tuple[float, float] | None) -> str:
    x, y = optics.mpp_um or sides or (1.0, 1.0)
    if max(x, y) < _OBLONG * min(x, y):
        return ""
    said = f"{x:.3g} × {y:.3g} µm" if optics.mpp_um else f"{x / y:.3g} times as wide as high"
    return f"Its pixels are not square ({said}): shapes are shown stretched."
