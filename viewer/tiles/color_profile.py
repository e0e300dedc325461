"""A slide's ICC profile: whether it can be used, and what its colors are on a screen."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import CoverslipError
from viewer.limits import COLOR_PROFILE_BYTES, LimitError
from viewer.slides.srgb import to_srgb

if TYPE_CHECKING:
    from PIL import ImageCms

    from viewer.slides.source import RgbImage

_log = logging.getLogger(__name__)

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
        self._transform = _transform(profile)
        grid = _color_grid()
        changes = np.abs(self.to_srgb(grid.copy()).astype(np.int16) - grid)
        self.changes_colors = int(changes.max()) > 1
        """Whether any color changes by more than rounding."""

    def to_srgb(self, rgb: RgbImage) -> RgbImage:
        """Return the pixels in sRGB, uint8 (height, width, 3).

        Relative colorimetric: the scanner's white becomes the screen's white, and colors that the
        screen can show stay true to each other.
        """
        from PIL import Image, ImageCms

        picture = Image.fromarray(rgb)
        ImageCms.applyTransform(picture, self._transform, inPlace=True)
        return np.asarray(picture)


@lru_cache(maxsize=8)
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


def _transform(profile: bytes) -> ImageCms.ImageCmsTransform:
    from PIL import ImageCms

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
    try:
        return to_srgb(profile, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        reason = str(error).strip().rstrip(".") or "it is damaged"
        raise _unusable(reason) from error


def _unusable(reason: str) -> ColorProfileError:
    return ColorProfileError(
        f"The slide's color profile cannot be used ({reason}): its colors are shown as stored."
    )


def _color_grid() -> RgbImage:
    """17 steps of each channel, uint8 (17, 289, 3)."""
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, 289, 3)
