"""Pixel sizes that do not go with the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.readers.tiff.metadata import raw_resolution_um

if TYPE_CHECKING:
    from tifffile import TiffPage

    from viewer.geometry import Optics

_UM_AT_POWER_1 = 10.0
"""Cameras and scanners have about 10 µm / power per pixel, give or take a factor of two."""

_SUSPECT_FACTOR = 5.0


def scale_doubt(page: TiffPage, optics: Optics) -> str:
    """Return a sentence where the pixel size is far from what the objective's power allows."""
    power = optics.objective_power
    if power is None:
        return ""
    usual_um = _UM_AT_POWER_1 / power
    sizes = optics.mpp_um or raw_resolution_um(page)
    if sizes is None:
        return ""
    factor = max(max(size, usual_um) / min(size, usual_um) for size in sizes)
    if factor < _SUSPECT_FACTOR:
        return ""
    what = f"{sizes[0]:.3g} µm per pixel do not go with a {power:g}x objective"
    rest = f"about {usual_um:.2g} µm"
    if optics.mpp_um is None:
        return f"Pixel size unknown: {what} ({rest}), so the file's resolution is not used."
    return f"Doubtful pixel size: {what} ({rest}); check it before measuring."
