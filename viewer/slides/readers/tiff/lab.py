"""L*a*b* of TIFFs, in its three spellings, as sRGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import PHOTOMETRIC

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage

_WHITE_D50 = (0.96422, 1.0, 0.82521)
_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""From XYZ under D50, as the ICC adapts it, to linear sRGB."""
_EDGE = 6 / 29
_LINEAR_MOST = 0.0031308
_TYPES = ("u1", "u2", "i1", "i2", "f2", "f4", "f8")
_KINDS = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB, PHOTOMETRIC.ITULAB)


def is_lab(page: TiffPage) -> bool:
    """Return whether the samples of a page are L*a*b* of 8 or 16 bits, or of floating point."""
    is_known = page.dtype is not None and page.dtype.str[1:] in _TYPES
    return page.photometric in _KINDS and page.samplesperpixel >= 3 and is_known


def lab_as_rgb(samples: NDArray[Any], photometric: int) -> NDArray[Any]:
    """Return sRGB for L*a*b* (height, width, samples); more samples stay.

    It is of the same type but for signed samples of 8 bits, which become unsigned, and goes from 0
    to the largest number of the type, of floating point to 1.
    """
    if samples.dtype.kind == "f":  # the numbers themselves
        rgb = _srgb(samples[..., 0], samples[..., 1:3]).astype(samples.dtype)
        return np.concatenate([rgb, samples[..., 3:]], axis=2)
    bits = 8 * samples.dtype.itemsize
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    stored = samples.view(unsigned)
    full = float((1 << bits) - 1)
    values = stored[..., :3].astype(np.float32)
    match photometric:
        case PHOTOMETRIC.CIELAB:
            # The colors are signed; of 16 bits the lower 8 are the fraction.
            opponents = stored[..., 1:3].view(unsigned.str.replace("u", "i")) / 2.0 ** (bits - 8)
            if samples.dtype == np.int16:  # so is the lightness of libvips
                full = float(np.iinfo(np.int16).max)
                values, stored = samples.astype(np.float32), samples
            lightness = values[..., 0] * (100 / full)
        case PHOTOMETRIC.ICCLAB:
            lightness = values[..., 0] * (100 / (full if bits == 8 else 0xFF00))
            opponents = values[..., 1:] / 2.0 ** (bits - 8) - 128
        case _:
            lightness = values[..., 0] * (100 / full)
            opponents = values[..., 1:] * (np.array([170, 200]) / full) - np.array([85, 75])
    rgb = np.rint(_srgb(lightness, opponents) * full).astype(stored.dtype)
    return np.concatenate([rgb, stored[..., 3:]], axis=2) if stored.shape[2] > 3 else rgb


def _srgb(lightness: NDArray[Any], opponents: NDArray[Any]) -> NDArray[np.float64]:
    """Return sRGB from 0 to 1, (height, width, 3), for L* and for a* and b*."""
    y = (lightness + 16) / 116
    parts = np.stack([y + opponents[..., 0] / 500, y, y - opponents[..., 1] / 200], -1)
    xyz = np.where(parts > _EDGE, parts**3, 3 * _EDGE**2 * (parts - 4 / 29)) * _WHITE_D50
    linear = np.clip(xyz @ _TO_SRGB.T, 0, 1)
    return np.where(linear <= _LINEAR_MOST, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
