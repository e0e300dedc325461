"""Fields as they would look in another stain or at another scale, to learn what is unlike them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from training.augmentation import EOSIN, HEMATOXYLIN, density, from_density

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

DAB = np.array([0.27, 0.57, 0.78])
"""Optical density in red, green and blue; Ruifrok and Johnston 2001."""
_GLOWS = ((0, 0, 1), (0, 0.3, 1), (1, 1, 1), (0, 1, 0), (1, 0.2, 0), (1, 0, 1))
_OTHER_SCALE = (3.3, 4.8)
_LEAST_PX = 16


def rescaled(image: Picture, factor: float) -> Picture:
    """Return the field with sides of so many times its pixels."""
    height, width = (max(_LEAST_PX, round(side * factor)) for side in image.shape[:2])
    resample = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def worn(rng: Generator, image: Picture) -> Picture:
    """Return the field on another day: a little larger or smaller, stronger or paler."""
    scaled = rescaled(image, float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))))
    strength = rng.uniform(0.75, 1.3) * rng.uniform(0.92, 1.08, 3)
    return _bytes(from_density(density(scaled) * strength))


def magnified(rng: Generator, image: Picture) -> Picture:
    """Return a part of the field, as large as the field."""
    factor = rng.uniform(*_OTHER_SCALE)
    height, width = (round(side / factor) for side in image.shape[:2])
    y, x = (
        int(rng.integers(0, side - part + 1))
        for side, part in zip(image.shape, (height, width), strict=False)
    )
    return rescaled(image[y : y + height, x : x + width], factor)


def reduced(rng: Generator, image: Picture) -> Picture:
    return rescaled(image, 1 / rng.uniform(*_OTHER_SCALE))


def immunostained(rng: Generator, image: Picture) -> Picture:
    """Return the field in hematoxylin and DAB: brown nuclei or cytoplasm, blue counterstain."""
    axes = np.stack([HEMATOXYLIN, EOSIN, np.cross(HEMATOXYLIN, EOSIN)])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    amounts = np.clip(density(image) @ np.linalg.inv(axes), 0, None)
    nuclei, rest = amounts[..., 0], amounts[..., 1]
    positive = ndimage.gaussian_filter(rng.standard_normal(nuclei.shape), 12)
    positive = (positive > np.quantile(positive, rng.uniform(0.1, 0.8))).astype(float)
    positive = ndimage.gaussian_filter(positive, 4)
    strength, counterstain = rng.uniform(0.1, 1.2), rng.uniform(0.2, 1.0)
    if rng.uniform() < 0.6:
        brown = 2 * strength * nuclei * positive
        blue = counterstain * nuclei * (1 - 0.7 * positive) + rng.uniform(0, 0.15) * rest
    else:
        brown = strength * (0.8 * rest + 0.2 * nuclei) * (0.8 * positive + 0.2)
        blue = counterstain * nuclei
    hue = HEMATOXYLIN + rng.normal(0, 0.06, 3), DAB + rng.normal(0, 0.05, 3)
    stained = blue[..., None] * hue[0] + brown[..., None] * hue[1] + rng.uniform(0, 0.06)
    return _bytes(from_density(stained))


def fluorescent(rng: Generator, image: Picture) -> Picture:
    """Return the field as it would glow in the dark, in the color of one dye."""
    glow = 255 - image.astype(np.float32).mean(2)
    dark, bright = np.percentile(glow, (rng.uniform(5, 50), 99.5))
    glow = np.clip((glow - dark) / (bright - dark + 1), 0, 1) ** rng.uniform(0.7, 2.0)
    color = np.array(_GLOWS[rng.integers(len(_GLOWS))])
    noise = rng.normal(rng.uniform(0, 12), rng.uniform(0, 3), image.shape)
    return _bytes(glow[..., None] * rng.uniform(60, 255) * color + noise)


def _bytes(picture: NDArray[np.floating]) -> Picture:
    return np.clip(picture, 0, 255).astype(np.uint8)
