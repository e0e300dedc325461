"""How the pixels are shown: single stains, colour profile, brightness, contrast, gamma.

The order is fixed. Stains are separated in the slide's own RGB, where their vectors were measured;
then the ICC profile takes colours to sRGB; then the levels are bent. All of it changes what is
shown only: whoever measures or analyses takes the pixels from the slide.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage

_log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

BRIGHTNESS_RANGE = (-1.0, 1.0)
CONTRAST_RANGE = (0.2, 5.0)
GAMMA_RANGE = (0.2, 5.0)


class Stain(Enum):
    """What of the stains is shown. The value is the name for people."""

    NONE = "All stains"
    HAEMATOXYLIN = "Haematoxylin"
    EOSIN = "Eosin"
    DAB = "DAB"
    HAEMATOXYLIN_WITH_DAB = "Haematoxylin beside DAB"


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    """How a slide is shown; the default is the slide's own pixels.

    Attributes
    ----------
    brightness
        Added to every channel, as a share of white; in `BRIGHTNESS_RANGE`, 0 changes nothing.
    contrast
        Slope about middle grey; in `CONTRAST_RANGE`, 1 changes nothing.
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
        weights, colours = self._stain
        amounts = np.take(_OPTICAL_DENSITY, rgb).reshape(-1, 3) @ weights
        steps = np.clip(amounts, 0, _STAIN_STEPS - 1).astype(np.intp)
        return np.take(colours, steps, axis=0).reshape(rgb.shape)

    def _displayed(self, rgb: RgbImage) -> RgbImage:
        """Profile and levels, which treat each pixel by its colour alone."""
        if self._icc is not None:
            rgb = _through_icc(self._icc, rgb)
        return rgb if self._levels is None else np.take(self._levels, rgb)

    def _icc_transform(self, profile: bytes) -> ImageCms.ImageCmsTransform | None:
        transform = _icc_to_srgb(profile)
        if isinstance(transform, str):
            self.icc_error = transform
            return None
        return transform

    def _stain_tables(self, stain: Stain) -> tuple[FloatArray, RgbImage]:
        """Weights from optical density to a step of the colour table, and that table.

        Profile and levels go into the table once instead of over the pixels of every tile.
        """
        stain_set, index = _STAINS[stain]
        vectors = _stain_matrix(stain_set)
        weights = np.linalg.inv(vectors)[:, index] * (_STAIN_STEPS - 1) / _MAX_AMOUNT
        amounts = np.linspace(0.0, _MAX_AMOUNT, _STAIN_STEPS)
        colours = np.rint(255.0 * 10.0 ** -np.outer(amounts, vectors[index])).astype(np.uint8)
        return weights.astype(np.float32), self._displayed(colours[np.newaxis])[0]


def _level_table(look: DisplaySettings) -> RgbImage | None:
    """256 entries for each channel value, or None where levels stay as they are."""
    if (look.brightness, look.contrast, look.gamma) == (0.0, 1.0, 1.0):
        return None
    value = (np.arange(256) / 255.0) ** (1.0 / look.gamma)
    value = (value - 0.5) * look.contrast + 0.5 + look.brightness
    return np.rint(255.0 * np.clip(value, 0.0, 1.0)).astype(np.uint8)


# Colour deconvolution after A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical
# staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001) 291-299, with the default
# stain vectors of QuPath: the optical density of each stain in red, green and blue.
_HAEMATOXYLIN = (0.65111, 0.70119, 0.29049)
_EOSIN = (0.2159, 0.8012, 0.5581)
_DAB = (0.26917, 0.56824, 0.77759)
_H_AND_E = (_HAEMATOXYLIN, _EOSIN)
_H_AND_DAB = (_HAEMATOXYLIN, _DAB)
_STAINS = {
    Stain.HAEMATOXYLIN: (_H_AND_E, 0),
    Stain.EOSIN: (_H_AND_E, 1),
    Stain.HAEMATOXYLIN_WITH_DAB: (_H_AND_DAB, 0),
    Stain.DAB: (_H_AND_DAB, 1),
}

# The darkest pixel, 1 of 255 in each channel, has an optical density of 2.4 a channel.
_MAX_AMOUNT = 3.0
# So fine that neighbouring steps differ by less than one grey level.
_STAIN_STEPS = 2048
_OPTICAL_DENSITY: FloatArray = -np.log10(np.maximum(np.arange(256), 1) / 255.0).astype(np.float32)


def _stain_matrix(stain_set: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Rows of unit length: two stains and, square to both, what neither explains."""
    first, second = (np.array(vector) / np.linalg.norm(vector) for vector in stain_set)
    residual = np.cross(first, second)
    return np.stack([first, second, residual / np.linalg.norm(residual)])


@lru_cache(maxsize=8)
def _icc_to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | str | None:
    """The transform of a profile; None where it changes nothing, a sentence where it is broken.

    Relative colorimetric: the scanner's white becomes the screen's white, and colours that the
    screen can show stay true to each other. Without the one-pixel cache of Little CMS a
    transform may be shared by threads.
    """
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        reason = str(error).strip().rstrip(".") or "no reason given"
        sentence = (
            f"The slide's colour profile cannot be used ({reason}); "
            "its colours are shown as they are stored."
        )
        _log.warning(sentence)
        return sentence
    shown = _through_icc(transform, _COLOUR_GRID)
    changes = np.abs(shown.astype(np.int16) - _COLOUR_GRID)
    return transform if int(changes.max()) > 1 else None


def _colour_grid() -> RgbImage:
    """17 steps of each channel, uint8 (17, 289, 3)."""
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, 289, 3)


_COLOUR_GRID = _colour_grid()


def _through_icc(transform: ImageCms.ImageCmsTransform, rgb: RgbImage) -> RgbImage:
    picture = Image.fromarray(rgb)
    ImageCms.applyTransform(picture, transform, inPlace=True)
    return np.asarray(picture)
