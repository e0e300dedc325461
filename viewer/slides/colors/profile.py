"""A slide's ICC profile: whether it can be used, and what its colors are on a screen."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import CoverslipError
from viewer.limits import COLOR_PROFILE_BYTES, LimitError
from viewer.slides.colors.tables import UnusableError, color_table

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage

_log = logging.getLogger(__name__)

_MOST_AT_HAND = 4
"""Profiles, of 64 MiB each."""
_RGB = b"RGB "
_SPACES = {b"GRAY": "gray", b"CMYK": "CMYK", b"Lab ": "Lab", b"XYZ ": "XYZ", b"YCbr": "YCbCr"}
"""Color spaces of profiles, at bytes 16 to 19 of their header."""
_SIGNATURE = b"acsp"


class ColorProfileError(CoverslipError):
    """A profile that cannot be used for RGB pixels; `str()` is one sentence."""


class ColorProfile:
    """Takes RGB pixels to sRGB; may be used by many threads.

    Raises
    ------
    ColorProfileError
        The profile is damaged, or it is not for RGB.
    """

    def __init__(self, profile: bytes) -> None:
        _check(profile)
        try:
            self._table = color_table(profile)
        except UnusableError as error:
            raise _unusable(str(error)) from error

    @property
    def changes_colors(self) -> bool:
        """Return whether any color changes by more than rounding."""
        return self._table is not None

    def to_srgb(self, rgb: RgbImage) -> RgbImage:
        """Return the pixels in sRGB, uint8 (height, width, 3); the input where none changes."""
        if self._table is None:
            return rgb
        color = rgb[..., 0].astype(np.intp)
        for channel in (1, 2):
            color <<= 8
            color |= rgb[..., channel]
        shown = self._table.take(color).view(np.uint8).reshape(*rgb.shape[:2], 4)
        return np.ascontiguousarray(shown[..., :3])


@lru_cache(maxsize=_MOST_AT_HAND)
def color_profile(profile: bytes) -> ColorProfile | ColorProfileError:
    """Return a slide's profile ready for use, or why it cannot be used; slow at the first call."""
    try:
        return ColorProfile(profile)
    except ColorProfileError as error:
        _log.info("%s", error)  # it is said in the window
        return error


def profile_problem(profile: bytes | None) -> str:
    """Return one sentence where a slide's profile cannot be used; "" where it can or is none."""
    found = color_profile(profile) if profile else None
    return str(found) if isinstance(found, ColorProfileError) else ""


def is_usable(profile: bytes | None) -> bool:
    """Return whether there is a profile that can be used."""
    return bool(profile) and not profile_problem(profile)


def _check(profile: bytes) -> None:
    """Refuse what is no profile of RGB. Raises ColorProfileError."""
    try:
        COLOR_PROFILE_BYTES.check(len(profile), "it")
    except LimitError as error:
        raise _unusable(str(error)) from error
    space = profile[16:20]
    if profile[36:40] != _SIGNATURE:
        raise _unusable("it is damaged")
    if space != _RGB:
        name = _SPACES.get(space, space.decode("ascii", "replace").strip())
        raise _unusable(f"it is for {name}, and the slide's pixels are RGB")


def _unusable(reason: str) -> ColorProfileError:
    return ColorProfileError(
        f"The slide's color profile cannot be used ({reason}): its colors are shown as stored."
    )
