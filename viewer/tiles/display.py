"""How the pixels are shown: single stains, color profile, brightness, contrast, gamma.

The order is fixed. Stains are separated in the slide's own RGB, where their vectors were measured;
then the ICC profile takes colors to sRGB; then the levels are bent. All of it changes what is
shown only: whoever measures or analyzes takes the pixels from the slide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.composites import first_displays
from viewer.slides.displayed import changing_profile
from viewer.tiles.stains import Stain, stain_steps, stain_tables

if TYPE_CHECKING:
    from viewer.slides.composites import ChannelDisplay
    from viewer.slides.source import RgbImage, SlideInfo

BRIGHTNESS_RANGE = (-1.0, 1.0)
CONTRAST_RANGE = (0.2, 5.0)
GAMMA_RANGE = (0.2, 5.0)


class DisplaySettings(msgspec.Struct, frozen=True):
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
    channels
        How each channel is shown; empty for RGB slides, and where all are as they are at first.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    stain: Stain = Stain.NONE
    icc: bool = False
    channels: tuple[ChannelDisplay, ...] = ()

    @property
    def is_plain(self) -> bool:
        return self == DisplaySettings()


class DisplayTransform:
    """Applies a look to tiles of one slide; may be called from many threads at once.

    A profile that cannot be used is not used; `profile_problem` says why.
    """

    def __init__(self, look: DisplaySettings, icc_profile: bytes | None = None) -> None:
        self.look = look
        self._icc = changing_profile(icc_profile) if look.icc and icc_profile else None
        self._levels = _level_table(look)
        self._stain = None
        if look.stain is not Stain.NONE:
            weights, colors = stain_tables(look.stain)
            # Profile and levels go into the table once instead of over the pixels of every tile.
            self._stain = weights, self._displayed(colors[np.newaxis])[0]

    @property
    def is_identity(self) -> bool:
        """Return whether pixels are shown as they are."""
        return self._icc is None and self._levels is None and self._stain is None

    def apply(self, rgb: RgbImage) -> RgbImage:
        """Return the pixels to show, uint8 (height, width, 3).

        The input itself for a plain look.
        """
        if self._stain is None:
            return self._displayed(rgb)
        weights, colors = self._stain
        return np.take(colors, stain_steps(rgb, weights), axis=0)

    def _displayed(self, rgb: RgbImage) -> RgbImage:
        """Profile and levels, which treat each pixel by its color alone."""
        if self._icc is not None:
            rgb = self._icc.to_srgb(rgb)
        return rgb if self._levels is None else np.take(self._levels, rgb)


def default_display(info: SlideInfo, *, uses_icc: bool = True) -> DisplaySettings:
    """Return how a slide is shown before anybody adjusts it: by its profile, if it can be used."""
    from viewer.slides.colors.profile import is_usable

    icc = uses_icc and is_usable(info.icc_profile)
    return DisplaySettings(icc=icc, channels=first_displays(info.axes))


def _level_table(look: DisplaySettings) -> RgbImage | None:
    """256 entries for each channel value, or None where levels stay as they are."""
    if (look.brightness, look.contrast, look.gamma) == (0.0, 1.0, 1.0):
        return None
    value = (np.arange(256) / 255.0) ** (1.0 / look.gamma)
    value = (value - 0.5) * look.contrast + 0.5 + look.brightness
    return np.rint(255.0 * np.clip(value, 0.0, 1.0)).astype(np.uint8)
