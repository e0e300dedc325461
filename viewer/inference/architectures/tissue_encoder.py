"""The downward half of the nuclei network as an encoder of tissue, and a classifier on it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from viewer.inference.architectures.nuclei_unet import ResidualBlock

WIDTHS = (24, 32, 64, 96, 128)
LENGTH = sum(WIDTHS)


class TissueEncoder(nn.Module):
    """(n, 3, h, w) normalized RGB -> (n, 344): the mean of each channel at each of five scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ResidualBlock(3, WIDTHS[0])
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(WIDTHS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        means = [x.mean((2, 3))]
        for block in self.down:
            x = block(nn.functional.max_pool2d(x, 2))
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1)


class TissueClassifier(nn.Module):
    """(n, 3, h, w) -> (n, 7) logits: a linear layer over the standardized encoder."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.encoder = TissueEncoder()
        self.norm = nn.BatchNorm1d(LENGTH, affine=False)
        self.head = nn.Linear(LENGTH, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.encoder(x)))
