"""A class for each pixel by its color, stain and texture: what a reader taught by strokes."""

from __future__ import annotations

import torch
from torch import nn

from viewer.inference.teaching.pixel_features import PixelFeatures

HIDDEN = 32


class PixelClassifier(nn.Module):
    """(n, 3, h, w) RGB from 0 to 1, h and w multiples of 8 -> (n, classes, h, w) logits.

    Features are standardized and go through one hidden layer.

    Parameters
    ----------
    classes
        How many.
    scales, texture
        As of `PixelFeatures`; `texture` is 0 or 1.
    """

    mean: torch.Tensor
    factor: torch.Tensor

    def __init__(self, classes: int = 2, scales: int = 4, texture: int = 1) -> None:
        super().__init__()
        self.features = PixelFeatures(scales, texture=bool(texture))
        length = self.features.length
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("factor", torch.ones(length))
        self.hidden = nn.Linear(length, HIDDEN)
        self.head = nn.Linear(HIDDEN, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.answers(self.features(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def answers(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (..., classes) of features (..., d)."""
        return self.head(torch.tanh(self.hidden((features - self.mean) * self.factor)))
