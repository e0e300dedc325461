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
_KINDS = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB, PHOTOMETRIC.ITULAB)


def is_lab(page: TiffPage) -> bool:
    """Return whether the samples of a page are L*a*b* of 8 or 16 bits."""
    is_known = page.dtype is not None and page.dtype.str[1:] in ("u1", "u2", "i1", "i2")
    return page.photometric in _KINDS and page.samplesperpixel >= 3 and is_known


def lab_as_rgb(samples: NDArray[Any], photometric: int) -> NDArray[Any]:
    """Return sRGB of the same unsigned type for L*a*b* (height, width, samples); more stay."""
    bits = 8 * samples.dtype.itemsize
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    stored = samples.view(unsigned)
    full = float((1 << bits) - 1)
    values = stored[..., :3].astype(np.float32)
    match photometric:
        case PHOTOMETRIC.CIELAB:
            lightness = values[..., 0] * (100 / full)
            # The colors are signed; of 16 bits the lower 8 are the fraction.
            opponents = stored[..., 1:3].view(unsigned.str.replace("u", "i")) / 2.0 ** (bits - 8)
        case PHOTOMETRIC.ICCLAB:
            lightness = values[..., 0] * (100 / (full if bits == 8 else 0xFF00))
            opponents = values[..., 1:] / 2.0 ** (bits - 8) - 128
        case _:
            lightness = values[..., 0] * (100 / full)
            opponents = values[..., 1:] * (np.array([170, 200]) / full) - np.array([85, 75])
    y = (lightness + 16) / 116
    parts = np.stack([y + opponents[..., 0] / 500, y, y - opponents[..., 1] / 200], -1)
    xyz = np.where(parts > _EDGE, parts**3, 3 * _EDGE**2 * (parts - 4 / 29)) * _WHITE_D50
    linear = np.clip(xyz @ _TO_SRGB.T, 0, 1)
    shown = np.where(linear <= _LINEAR_MOST, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rgb = np.rint(shown * full).astype(unsigned)
    return np.concatenate([rgb, stored[..., 3:]], axis=2) if stored.shape[2] > 3 else rgb
