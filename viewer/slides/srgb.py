"""The way from a color profile to sRGB."""

from __future__ import annotations

import io

from PIL import ImageCms


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
        ImageCms.createProfile("sRGB"),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.NOCACHE,
    )
