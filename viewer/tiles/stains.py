"""Single stains of a slide: color deconvolution.

After A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical staining by color
deconvolution", Anal. Quant. Cytol. Histol. 23 (2001) 291-299, with the default stain vectors of
QuPath: the optical density of each stain in red, green and blue.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage

FloatArray = NDArray[np.float32]


class Stain(Enum):
    """What of the stains is shown. The value is the name for people."""

    NONE = "All stains"
    HEMATOXYLIN = "Hematoxylin"
    EOSIN = "Eosin"
    DAB = "DAB"
    HEMATOXYLIN_WITH_DAB = "Hematoxylin beside DAB"


HEMATOXYLIN = (0.65111, 0.70119, 0.29049)
EOSIN = (0.2159, 0.8012, 0.5581)
DAB = (0.26917, 0.56824, 0.77759)
_H_AND_E = (HEMATOXYLIN, EOSIN)
_H_AND_DAB = (HEMATOXYLIN, DAB)
_STAINS = {
    Stain.HEMATOXYLIN: (_H_AND_E, 0),
    Stain.EOSIN: (_H_AND_E, 1),
    Stain.HEMATOXYLIN_WITH_DAB: (_H_AND_DAB, 0),
    Stain.DAB: (_H_AND_DAB, 1),
}

# So fine that neighboring steps differ by less than one gray level.
_STAIN_STEPS = 4096
_OPTICAL_DENSITY: FloatArray = -np.log10(np.maximum(np.arange(256), 1) / 255.0).astype(np.float32)


def stain_tables(stain: Stain) -> tuple[FloatArray, RgbImage]:
    """Return weights (3,) from optical density to a step, and the color (steps, 3) of each step."""
    stain_set, index = _STAINS[stain]
    vectors = _stain_matrix(stain_set)
    per_density = np.linalg.inv(vectors)[:, index]
    # No pixel has more of it, so that nothing is cut off.
    most = float(np.maximum(per_density, 0).sum() * _OPTICAL_DENSITY.max())
    weights = per_density * (_STAIN_STEPS - 1) / most
    amounts = np.linspace(0.0, most, _STAIN_STEPS)
    colors = np.rint(255.0 * 10.0 ** -np.outer(amounts, vectors[index])).astype(np.uint8)
    return weights.astype(np.float32), colors


def stain_steps(rgb: RgbImage, weights: FloatArray) -> NDArray[np.intp]:
    """Return the step (height, width) of the stain in each pixel of `rgb` (height, width, 3)."""
    amounts = np.take(_OPTICAL_DENSITY, rgb).reshape(-1, 3) @ weights
    return np.clip(amounts, 0, _STAIN_STEPS - 1).astype(np.intp).reshape(rgb.shape[:2])


def _stain_matrix(stain_set: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return rows of unit length: two stains and, square to both, what neither explains."""
    first, second = (np.array(vector) / np.linalg.norm(vector) for vector in stain_set)
    residual = np.cross(first, second)
    return np.stack([first, second, residual / np.linalg.norm(residual)])
