"""Overviews of slides as what alignment compares: tissue without its stain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.alignment.transform import Affine
    from viewer.slides.source import RgbImage

Kind = Literal["density", "edges"]
KINDS: tuple[Kind, ...] = ("density", "edges")
"""Edges are where stains differ, also where one is dark where the other is bright."""
_DARK = 70.0
"""Mean brightness below which a picture is of fluorescence."""
_FINE_PX, _COARSE_PX = 1.0, 10.0
_CLIP = 99.5


class Feature(msgspec.Struct, frozen=True):
    """One kind of picture: what varies over some pixels, its mean taken away.

    Attributes
    ----------
    values
        (rows, columns) float32.
    """

    values: NDArray[np.float32]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[1], self.values.shape[0]

    def seen(self, affine: Affine, size_px: tuple[int, int]) -> NDArray[np.float32]:
        """Return the picture as seen from another.

        Parameters
        ----------
        affine
            Takes pixels of the other picture to pixels of this.
        """
        picture = Image.fromarray(self.values)
        return np.asarray(_warped(picture, affine, size_px, Image.Resampling.BILINEAR), np.float32)

    def inside(self, affine: Affine, size_px: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which pixels of the other picture lie within this."""
        whole = Image.new("L", self.size_px, 255)
        return np.asarray(_warped(whole, affine, size_px, Image.Resampling.NEAREST)) > 0


def _warped(
    picture: Image.Image, affine: Affine, size_px: tuple[int, int], how: Image.Resampling
) -> Image.Image:
    data = (affine.a, affine.b, affine.tx, affine.c, affine.d, affine.ty)
    return picture.transform(size_px, Image.Transform.AFFINE, data, how)


def structure(picture: RgbImage) -> NDArray[np.float32]:
    """Return how much tissue there is at each pixel, whatever its color; 0 to 1."""
    rgb = picture.astype(np.float32)
    if float(rgb.mean()) < _DARK:
        density = np.sqrt(rgb.max(axis=2))
        density -= np.percentile(density, 5)
    else:
        density = -np.log((rgb + 1.0) / 256.0).mean(axis=2)
    top = max(float(np.percentile(density, _CLIP)), 1e-3)
    return np.clip(density / top, 0.0, 1.0).astype(np.float32)


def feature(tissue: NDArray[np.float32], kind: Kind) -> Feature:
    """Return a picture of tissue as one that is compared."""
    if kind == "edges":
        smooth = _blurred(tissue, _FINE_PX)
        down, right = np.gradient(smooth)
        tissue = np.hypot(down, right).astype(np.float32)
    return Feature(_blurred(tissue, _FINE_PX) - _blurred(tissue, _COARSE_PX))


def resized(picture: NDArray[np.float32], size_px: tuple[int, int]) -> NDArray[np.float32]:
    """Return a picture of another width and height, averaged where it is smaller."""
    if size_px == (picture.shape[1], picture.shape[0]):
        return picture
    made = Image.fromarray(picture).resize(size_px, Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(made, np.float32)


def _blurred(picture: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Return a picture blurred by a Gaussian, mirrored at its edges."""
    from viewer.typed.scipy import inverse_transform, transform

    pad = int(3 * sigma_px) + 1
    pad_y, pad_x = min(pad, picture.shape[0] - 1), min(pad, picture.shape[1] - 1)
    wide = np.pad(picture, ((pad_y, pad_y), (pad_x, pad_x)), mode="reflect")
    rows = np.fft.fftfreq(wide.shape[0])[:, np.newaxis]
    columns = np.fft.rfftfreq(wide.shape[1])[np.newaxis]
    passed = np.exp(-2 * (np.pi * sigma_px) ** 2 * (rows**2 + columns**2))
    blurred = inverse_transform(transform(wide) * passed, wide.shape)
    kept = blurred[pad_y : pad_y + picture.shape[0], pad_x : pad_x + picture.shape[1]]
    return kept.astype(np.float32)
