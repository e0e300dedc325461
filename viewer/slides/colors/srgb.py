"""The way from a color profile to sRGB."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL._imagingcms import CmsProfile

_profile_of: Callable[[str], CmsProfile] = vars(ImageCms)["createProfile"]
"""Of Pillow, whose type is not complete."""


def srgb() -> ImageCms.ImageCmsProfile:
    """Return the profile of sRGB that Little CMS makes."""
    return ImageCms.ImageCmsProfile(_profile_of("sRGB"))


def to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Return the way from pixels of a mode of Pillow's to RGB; threads may share it.

    Raises
    ------
    ImageCms.PyCMSError, OSError, ValueError
        The profile is damaged, or is none of such pixels.
    """
    # Without the one-pixel cache of Little CMS a transform may be shared by threads.
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        srgb(),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.NOCACHE,
    )
