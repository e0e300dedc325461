"""How the pixels are shown: single stains, color profile, brightness, contrast, gamma.

The order is fixed. Stains are separated in the slide's own RGB, where their vectors were measured;
then the ICC profile takes colors to sRGB; then the levels are bent. All of it changes what is
shown only: whoever measures or analyzes takes the pixels from the slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage, SlideInfo
    from viewer.tiles.color_profile import ColorProfile

FloatArray = NDArray[np.float32]

BRIGHTNESS_RANGE = (-1.0, 1.0)
CONTRAST_RANGE = (0.2, 5.0)
GAMMA_RANGE = (0.2, 5.0)


class Stain(Enum):
    """What of the stains is shown. The value is the name for people."""

    NONE = "All stains"
    HEMATOXYLIN = "Hematoxylin"
    EOSIN = "Eosin"
    DAB = "DAB"
    HEMATOXYLIN_WITH_DAB = "Hematoxylin beside DAB"


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    """How a slide is shown; the default is the slide's own pixels.

    Attributes
    ----------
    brightness
        Added to every channel, as a share of white; in `BRIGHTNESS_RANGE`, 0 changes nothing.
    contrast
        Slope about middle gray; in `CONTRAST_RANGE`, 1 changes nothing.
    gamma
        Channels are raised to 1 / gamma, so more than 1 lightens; in `GAMMA_RANGE`.
    stain
        A single stain, as it would look alone on clear glass.
    icc
        Whether the slide's ICC profile is used, where it has one.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    stain: Stain = Stain.NONE
    icc: bool = False

    @property
    def is_plain(self) -> bool:
        return self == DisplaySettings()


class DisplayTransform:
    """Applies a look to tiles of one slide; may be called from many threads at once.

    Attributes
    ----------
    icc_error
        One sentence, where the look asks for the ICC profile and the profile cannot be used.
    """

    def __init__(self, look: DisplaySettings, icc_profile: bytes | None = None) -> None:
        self.look = look
        self.icc_error: str | None = None
        self._icc = self._icc_transform(icc_profile) if look.icc and icc_profile else None
        self._levels = _level_table(look)
        self._stain = None if look.stain is Stain.NONE else self._stain_tables(look.stain)

    def apply(self, rgb: RgbImage) -> RgbImage:
        """The pixels to show, uint8 (height, width, 3); the input itself for a plain look."""
        if self._stain is None:
            return self._displayed(rgb)
        weights, colors = self._stain
        amounts = np.take(_OPTICAL_DENSITY, rgb).reshape(-1, 3) @ weights
        steps = np.clip(amounts, 0, _STAIN_STEPS - 1).astype(np.intp)
        return np.take(colors, steps, axis=0).reshape(rgb.shape)

    def _displayed(self, rgb: RgbImage) -> RgbImage:
        """Profile and levels, which treat each pixel by its color alone."""
        if self._icc is not None:
            rgb = self._icc.to_srgb(rgb)
        return rgb if self._levels is None else np.take(self._levels, rgb)

    def _icc_transform(self, profile: bytes) -> ColorProfile | None:
        from viewer.tiles.color_profile import ColorProfileError, color_profile

        found = color_profile(profile)
        if isinstance(found, ColorProfileError):
            self.icc_error = str(found)
            return None
        return found if found.changes_colors else None

    def _stain_tables(self, stain: Stain) -> tuple[FloatArray, RgbImage]:
        """Weights from optical density to a step of the color table, and that table.

        Profile and levels go into the table once instead of over the pixels of every tile.
        """
        stain_set, index = _STAINS[stain]
        vectors = _stain_matrix(stain_set)
        per_density = np.linalg.inv(vectors)[:, index]
        # No pixel has more of it, so that nothing is cut off.
        most = float(np.maximum(per_density, 0).sum() * _OPTICAL_DENSITY.max())
        weights = per_density * (_STAIN_STEPS - 1) / most
        amounts = np.linspace(0.0, most, _STAIN_STEPS)
        colors = np.rint(255.0 * 10.0 ** -np.outer(amounts, vectors[index])).astype(np.uint8)
        return weights.astype(np.float32), self._displayed(colors[np.newaxis])[0]


def default_display(info: SlideInfo, *, uses_icc: bool = True) -> DisplaySettings:
    """Return how a slide is shown before anybody adjusts it: by its profile, if it can be used."""
    from viewer.tiles.color_profile import is_usable

    return DisplaySettings(icc=uses_icc and is_usable(info.icc_profile))


def displayed(info: SlideInfo, rgb: RgbImage, *, uses_icc: bool = True) -> RgbImage:
    """Return pixels of a slide as they are shown before anybody adjusts it.

    For all that is painted beside the canvas: thumbnails, label, macro, galleries.
    """
    return DisplayTransform(default_display(info, uses_icc=uses_icc), info.icc_profile).apply(rgb)


def _level_table(look: DisplaySettings) -> RgbImage | None:
    """256 entries for each channel value, or None where levels stay as they are."""
    if (look.brightness, look.contrast, look.gamma) == (0.0, 1.0, 1.0):
        return None
    value = (np.arange(256) / 255.0) ** (1.0 / look.gamma)
    value = (value - 0.5) * look.contrast + 0.5 + look.brightness
    return np.rint(255.0 * np.clip(value, 0.0, 1.0)).astype(np.uint8)


# Color deconvolution after A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical
# staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001) 291-299, with the default
# stain vectors of QuPath: the optical density of each stain in red, green and blue.
_HEMATOXYLIN = (0.65111, 0.70119, 0.29049)
_EOSIN = (0.2159, 0.8012, 0.5581)
_DAB = (0.26917, 0.56824, 0.77759)
_H_AND_E = (_HEMATOXYLIN, _EOSIN)
_H_AND_DAB = (_HEMATOXYLIN, _DAB)
_STAINS = {
    Stain.HEMATOXYLIN: (_H_AND_E, 0),
    Stain.EOSIN: (_H_AND_E, 1),
    Stain.HEMATOXYLIN_WITH_DAB: (_H_AND_DAB, 0),
    Stain.DAB: (_H_AND_DAB, 1),
}

# So fine that neighboring steps differ by less than one gray level.
_STAIN_STEPS = 4096
_OPTICAL_DENSITY: FloatArray = -np.log10(np.maximum(np.arange(256), 1) / 255.0).astype(np.float32)


def _stain_matrix(stain_set: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Rows of unit length: two stains and, square to both, what neither explains."""
    first, second = (np.array(vector) / np.linalg.norm(vector) for vector in stain_set)
    residual = np.cross(first, second)
    return np.stack([first, second, residual / np.linalg.norm(residual)])
