"""Color, stain and texture of each pixel at several scales, which a pixel classifier tells by."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from viewer.inference.teaching.pixel_settings import COLORS, WITH_TEXTURE

_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_LEAST_LIGHT = 1 / 255
_FLAT = 1e-4
"""Of a structure tensor: below, a place has no direction."""


class PixelFeatures(nn.Module):
    """(n, 3, h, w) RGB from 0 to 1, h and w multiples of 2^(scales - 1) -> (n, features, h, w).

    The pixels are separated into two stains and a residual (Ruifrok 2001). At each scale, twice as
    coarse as the one before, there are the smoothed stains, and with `texture` of the first stain
    and of the optical density each the deviation, gradient and Laplacian, and of the density the
    strength and direction of the structure tensor (Bigün 1987). A scale is a pyramid's level: the
    same place gives the same numbers wherever the picture begins, if that is a multiple of
    2^(scales - 1) pixels of the slide.

    Parameters
    ----------
    scales
        How many, from 1 to 4: smoothed by about 1, 2, 4 and 8 pixels.
    """

    stains: torch.Tensor

    def __init__(self, scales: int = 4, *, texture: bool = True) -> None:
        super().__init__()
        if not 1 <= scales <= 4:
            raise ValueError("scales is a number from 1 to 4")
        self._scales, self._texture = scales, texture
        self.length = scales * (WITH_TEXTURE if texture else COLORS)
        self.register_buffer("stains", torch.eye(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        density = -torch.log10(x.clamp(min=_LEAST_LIGHT))
        separated = torch.einsum("oi,nihw->nohw", self.stains, density)
        planes = torch.cat([separated, density.mean(1, keepdim=True)], 1)
        size = x.shape[2:]
        found: list[torch.Tensor] = []
        for scale in range(self._scales):
            features, smoothed = self._at_scale(planes)
            if scale:
                features = functional.interpolate(
                    features, size=size, mode="bilinear", align_corners=False
                )
            found.append(features)
            if scale < self._scales - 1:
                planes = functional.avg_pool2d(smoothed, 2)
        return torch.cat(found, 1)

    def _at_scale(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of a level, and its four planes smoothed."""
        if not self._texture:
            smoothed = _smoothed(planes)
            return smoothed[:, :3], smoothed
        textured = planes[:, [0, 3]]
        both = _smoothed(torch.cat([planes, textured * textured], 1))
        smoothed, squares = both[:, :4], both[:, 4:]
        mean = smoothed[:, [0, 3]]
        deviation = (squares - mean * mean).clamp(min=0).sqrt()
        around = functional.pad(mean, (1, 1, 1, 1), mode="replicate")
        left, right = around[:, :, 1:-1, :-2], around[:, :, 1:-1, 2:]
        above, below = around[:, :, :-2, 1:-1], around[:, :, 2:, 1:-1]
        dx, dy = (right - left) / 2, (below - above) / 2
        laplacian = left + right + above + below - 4 * mean
        gx, gy = dx[:, 1:], dy[:, 1:]
        xx, yy, xy = torch.split(_smoothed(torch.cat([gx * gx, gy * gy, gx * gy], 1)), 1, 1)
        strength, spread = xx + yy, ((xx - yy) ** 2 + 4 * xy * xy).sqrt()
        tensor = [strength.sqrt(), spread / (strength + _FLAT)]
        gradient = (dx * dx + dy * dy).sqrt()
        return torch.cat([smoothed[:, :3], deviation, gradient, laplacian, *tensor], 1), smoothed


def _smoothed(x: torch.Tensor) -> torch.Tensor:
    """Return planes smoothed by about one pixel, by 1 4 6 4 1 along both sides."""
    height, width = x.shape[2:]
    wide = functional.pad(x, (2, 2, 2, 2), mode="replicate")
    across = sum(tap * wide[:, :, :, at : at + width] for at, tap in enumerate(_TAPS))
    assert isinstance(across, torch.Tensor)
    down = sum(tap * across[:, :, at : at + height] for at, tap in enumerate(_TAPS))
    assert isinstance(down, torch.Tensor)
    return down
