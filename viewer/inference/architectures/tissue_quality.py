"""Sound tissue distinguished from pen, blur and dark places by color and contrast: no learning."""

from __future__ import annotations

import torch
from torch import nn

CLASSES = ("Sound tissue", "Out of focus", "Pen mark", "Dark or folded", "Background")
_SLOPE = 20.0


class TissueQuality(nn.Module):
    """(n, 3, h, w) RGB of 0 to 1 at 2 um/px -> (n, 5) logits in the order of `CLASSES`.

    The thresholds are shares of a patch, but for the first: the contrast of the Laplacian over the
    contrast of the optical density, which is above 1 in focus and below 0.6 for a blur of 2 um.
    """

    least_sharpness: torch.Tensor
    least_pen: torch.Tensor
    least_dark: torch.Tensor
    least_black: torch.Tensor
    least_tissue: torch.Tensor
    laplacian: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least_sharpness", torch.tensor(0.75))
        self.register_buffer("least_pen", torch.tensor(0.15))
        self.register_buffer("least_dark", torch.tensor(0.7))
        self.register_buffer("least_black", torch.tensor(0.25))
        self.register_buffer("least_tissue", torch.tensor(0.1))
        kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
        self.register_buffer("laplacian", kernel[None, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        density = -torch.log(x.clamp(min=1 / 255)).mean(1, keepdim=True)
        tissue = _share(density > 0.12)
        contrast = nn.functional.conv2d(density, self.laplacian).std((1, 2, 3))
        sharpness = contrast / (density.std((1, 2, 3)) + 1e-3)
        dark = torch.maximum(
            _share(density > 0.9) - self.least_dark, _share(_is_black(x)) - self.least_black
        )
        scores = [
            torch.zeros_like(tissue),
            (self.least_sharpness - sharpness) / self.least_sharpness,
            5 * (_share(_is_pen(x)) - self.least_pen),  # ink is smooth too, and ink it is
            5 * dark,
            2 * (self.least_tissue - tissue),
        ]
        return _SLOPE * torch.stack(scores, 1)


def _share(pixels: torch.Tensor) -> torch.Tensor:
    """(n,) of a mask (n, 1, h, w)."""
    return pixels.float().mean((1, 2, 3))


def _is_pen(x: torch.Tensor) -> torch.Tensor:
    """Green, blue and red ink: hues that hematoxylin and eosin do not have."""
    red, green, blue = torch.split(255 * x, 1, 1)
    most, least = torch.maximum(torch.maximum(red, green), blue), (255 * x).amin(1, keepdim=True)
    saturation = (most - least) / (most + 1)
    is_green = (green > red + 12) & (green >= blue - 10) & (saturation > 0.12)
    is_blue = (blue > red + 50) & (green > red) & (saturation > 0.3)
    is_red = (red > green + 70) & ((green - blue).abs() < 25) & (red > 140) & (saturation > 0.5)
    return is_green | is_blue | is_red


def _is_black(x: torch.Tensor) -> torch.Tensor:
    """Edges of coverslips and bubbles, black ink."""
    most, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    return (most < 70 / 255) & ((most - least) < 0.4 * most)
