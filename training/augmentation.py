"""Training fields as other scanners, stains and laboratories would have shown them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]
    Labels = NDArray[np.int32]
    Mask = NDArray[np.bool_]

HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
"""Optical density in red, green and blue; Ruifrok and Johnston 2001."""
EOSIN = np.array([0.10, 0.90, 0.25])
_NOISE_PX = 320
_NOISES = 96
_LEAST_PX = 12
"""A piece of a nucleus smaller than this is background."""


def example(
    rng: Generator, image: NDArray[np.uint8], labels: Labels, side_px: int
) -> tuple[Picture, Labels]:
    """Return a turned, scaled and stained square of a field: float32 (side, side, 3) of 0 to 255.

    Its labels are those of the field, cut: what is not known there (below 0) stays so.
    """
    picture, cut = _turned(rng, image, labels, side_px)
    if rng.uniform() > 0.25:
        picture = restained(rng, picture, cut > 0)
    else:
        picture = from_density(density(picture) * rng.uniform(0.85, 1.15, 3))
    if rng.uniform() < 0.08:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    return picture.astype(np.float32), cut


def varied(rng: Generator, picture: Picture) -> Picture:
    """Return the same stain on another day: strength, hue, sharpness and noise."""
    optical = density(picture) * rng.uniform(0.7, 1.35) * rng.uniform(0.85, 1.15, 3)
    return _worn(rng, from_density(optical + rng.uniform(0, 0.06))).astype(np.float32)


def density(picture: NDArray[np.floating]) -> Picture:
    """Optical density of a picture of 0 to 255."""
    return -np.log((np.clip(picture, 0, 255).astype(np.float32) + 1) / 256)


def from_density(optical: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.clip(256 * np.exp(-optical) - 1, 0, 255)


def restained(rng: Generator, picture: Picture, nuclei: Mask) -> NDArray[np.floating]:
    """Return the same nuclei in hematoxylin and eosin of random hue and strength."""
    optical = density(picture)
    kind = rng.uniform()
    if kind < 0.15:
        stained = optical * rng.uniform(0.85, 1.15, 3)
    else:
        stained = _hematoxylin(rng, optical, nuclei) + _eosin(rng, optical, nuclei)
        stained = stained + rng.uniform(0, 0.08)
        if kind < 0.45:
            share = rng.uniform(0.2, 0.8)
            stained = share * stained + (1 - share) * optical
    out = from_density(stained)
    if rng.uniform() < 0.3:
        out = out * rng.uniform(0.85, 1.1, 3)
    return _worn(rng, out)


def _hematoxylin(rng: Generator, optical: Picture, nuclei: Mask) -> NDArray[np.floating]:
    is_known = nuclei.sum() > 50
    hue = np.median(optical[nuclei], 0) if is_known else HEMATOXYLIN
    amount = np.clip(optical, 0, None) @ _unit(hue)
    if (~nuclei).any():
        amount = amount - np.median(amount[~nuclei]) * rng.uniform(0.6, 1.0)
    amount = np.clip(amount, 0, None)
    top = np.percentile(amount[nuclei], 80) if is_known else 0.8
    amount = amount / max(float(top), 0.15) * rng.uniform(0.45, 1.5)
    return amount[..., None] * _unit(np.clip(HEMATOXYLIN + rng.normal(0, 0.10, 3), 0.02, None))


def _eosin(rng: Generator, optical: Picture, nuclei: Mask) -> NDArray[np.floating]:
    """Fibres, cytoplasm, gaps and blood round the nuclei."""
    shape = nuclei.shape
    amount = _noise(rng, shape) ** rng.uniform(0.5, 2.0) * rng.uniform(0.05, 0.75)
    if rng.uniform() < 0.3:  # gaps without tissue
        near = ndimage.gaussian_filter(nuclei.astype(np.float32), 6) * 3
        amount = amount * (near + _noise(rng, shape) > rng.uniform(0.3, 0.6))
    mean = optical.mean(2)
    own = np.clip(mean - np.percentile(mean, 2), 0, None) * ~nuclei
    amount = (amount + own * rng.uniform(0, 1.2)) * np.where(nuclei, rng.uniform(0.3, 1.0), 1.0)
    if rng.uniform() < 0.4:  # blood
        blood = (_noise(rng, shape) > 0.75) & ~ndimage.binary_dilation(nuclei, iterations=2)
        smooth = ndimage.gaussian_filter(blood.astype(np.float32), 1)
        amount = amount + smooth * rng.uniform(0.3, 1.0)
    return amount[..., None] * _unit(np.clip(EOSIN + rng.normal(0, 0.12, 3), 0.01, None))


def _worn(rng: Generator, picture: NDArray[np.floating]) -> NDArray[np.floating]:
    """Sometimes out of focus, sometimes noisy."""
    if rng.uniform() < 0.3:
        sigma = rng.uniform(0.3, 1.2)
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0))
    if rng.uniform() < 0.3:
        picture = picture + rng.normal(0, rng.uniform(1, 7), picture.shape)
    return np.clip(picture, 0, 255)


def _turned(
    rng: Generator, image: NDArray[np.uint8], labels: Labels, side_px: int
) -> tuple[Picture, Labels]:
    """Return a square at any angle, its median nucleus between 60 and 900 pixels."""
    areas = np.bincount(np.maximum(labels, 0).ravel())[1:]
    median = float(np.median(areas[areas > 0])) if (areas > 0).any() else 300.0
    low = min(max(0.35, np.sqrt(60 / median)), 1.0)
    high = min(1.9, max(1.0, np.sqrt(900 / median)))
    scale = np.exp(rng.uniform(np.log(low), np.log(high))) if rng.uniform() > 0.3 else 1.0
    aspect, angle = np.exp(rng.normal(0, 0.08)), rng.uniform(0, 2 * np.pi)
    sine, cosine = np.sin(angle), np.cos(angle)
    back = np.array([[cosine, -sine], [sine, cosine]])
    back = back @ np.diag([1 / (scale * aspect), aspect / scale])
    if rng.uniform() < 0.5:
        back = back @ np.diag([1, -1])
    reach = side_px / scale * 0.3
    middle = [
        np.clip(rng.uniform(0, size), min(reach, size / 2), max(size - reach, size / 2))
        for size in labels.shape
    ]
    offset = np.array(middle) - back @ np.full(2, side_px / 2)
    source = image.astype(np.float32)
    if scale < 0.8:
        source = ndimage.gaussian_filter(source, (0.4 / scale, 0.4 / scale, 0))

    def cut(plane: NDArray[np.generic], order: int) -> NDArray[np.generic]:
        shape = (side_px, side_px)
        return ndimage.affine_transform(plane, back, offset, shape, order=order, mode="reflect")

    picture = np.stack([cut(source[..., channel], 1) for channel in range(3)], -1)
    return picture, _parted(cut(labels, 0).astype(np.int32))


def _parted(labels: Labels) -> Labels:
    """Mirrored or cut pieces of one label become objects of their own."""
    parted, count = np.minimum(labels, 0), 0
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is None:
            continue
        pieces, found = ndimage.label(labels[place] == number)
        for piece in range(1, found + 1):
            is_piece = pieces == piece
            if is_piece.sum() >= _LEAST_PX:
                count += 1
                parted[place][is_piece] = count
    return parted


def _noise(rng: Generator, shape: tuple[int, ...]) -> Picture:
    """Smooth or fibrous noise of 0 to 1."""
    noise = _noises()[rng.integers(_NOISES)]
    y, x = (int(rng.integers(_NOISE_PX - side + 1)) for side in shape)
    noise = noise[y : y + shape[0], x : x + shape[1]][:: rng.choice([1, -1])]
    noise = noise.T if rng.uniform() < 0.5 and shape[0] == shape[1] else noise
    noise = noise - noise.min()
    return noise / (noise.max() + 1e-6)


@lru_cache(maxsize=1)
def _noises() -> list[Picture]:
    rng = np.random.default_rng(7)
    return [_made_noise(rng) for _ in range(_NOISES)]


def _made_noise(rng: Generator) -> Picture:
    total = np.zeros((_NOISE_PX, _NOISE_PX), np.float32)
    angle_deg, is_fibrous = rng.uniform(0, 180), rng.uniform() < 0.6
    for scale in (2, 4, 8, 16, 32):
        plane = rng.standard_normal(total.shape).astype(np.float32)
        sigma = (scale * 0.4, scale * 1.6) if is_fibrous else (scale, scale)
        plane = ndimage.gaussian_filter(plane, sigma)
        total += plane / (plane.std() + 1e-6) * scale ** rng.uniform(0.0, 0.9)
    if is_fibrous:
        total = ndimage.rotate(total, angle_deg, reshape=False, mode="reflect", order=1)
    total -= total.min()
    return total / (total.max() + 1e-6)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    return vector / np.linalg.norm(vector)
