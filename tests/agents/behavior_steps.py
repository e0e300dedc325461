"""Slides made for tests of predictors: tissue with dense and loose places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MPP_UM = 1.0


def write_slide(path: Path, pixels: NDArray[np.uint8], mpp_um: float = MPP_UM) -> Path:
    """A tiled TIFF that tells its pixel size."""
    per_cm = 10_000 / mpp_um
    tifffile.imwrite(
        path,
        pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )
    return path


def painted_tissue(seed: int, width_px: int = 2048, height_px: int = 1536) -> NDArray[np.uint8]:
    """A pink piece of tissue on glass with nuclei at 1 um/px, some places dense with them."""
    rng = np.random.default_rng(seed)
    y, x = np.arange(height_px, dtype=np.float32), np.arange(width_px, dtype=np.float32)
    dense = np.full((height_px, width_px), 0.0006, np.float32)
    for _ in range(4):
        at = rng.uniform(0.15, 0.85, 2) * (width_px, height_px)
        radius = rng.uniform(90, 160)
        down, along = (
            np.exp(-((line - middle) ** 2) / (2 * radius**2))
            for line, middle in ((y, at[1]), (x, at[0]))
        )
        dense += np.float32(0.010) * np.outer(down, along)
    edge = ((y / height_px - 0.5) / 0.44)[:, None] ** 2 + ((x / width_px - 0.5) / 0.44) ** 2
    ragged = ndimage.zoom(rng.normal(0, 0.1, (6, 8)), (height_px / 6, width_px / 8), order=1)
    tissue = np.asarray(edge + ragged < 1)
    nuclei = (rng.random(dense.shape) < dense) & tissue
    blue = np.minimum(ndimage.gaussian_filter(nuclei.astype(np.float32), 2.2) * 28, 1)
    shade = rng.normal(0, 6, dense.shape).astype(np.float32)
    picture = np.empty((height_px, width_px, 3), np.uint8)
    for channel, (pink, dark) in enumerate(((232, 80), (170, 50), (200, 140))):
        color = np.where(tissue, shade + np.float32(pink), np.float32(245))
        color += (np.float32(dark) - color) * blue
        picture[..., channel] = np.clip(color, 0, 255, out=color)
    return picture
