"""Colors as Little CMS alone shows them, which those of the product are held against."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

ADOBE = imagecodecs.cms_profile("adobergb")
"""A profile that changes colors."""


def by_little_cms(picture: Image.Image, profile: bytes) -> NDArray[np.uint8]:
    """Return a picture in sRGB, (height, width, 3), relative colorimetric."""
    shown = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert shown is not None
    return np.asarray(shown)
