"""A small U-Net of residual blocks (Ronneberger 2015; He 2016) for nuclei."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a 1 x 1 one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.skip(x))


class NucleiUNet(nn.Module):
    """(n, 3, h, w) normalised RGB, h and w multiples of 16 -> (n, 3, h, w) logits.

    The maps are: inside a nucleus, on its edge, depth (0 at the edge to 1 in the middle).
    """

    def __init__(self, widths: tuple[int, ...] = (24, 32, 64, 96, 128)) -> None:
        super().__init__()
        steps = list(pairwise(widths))
        self.stem = ResidualBlock(3, widths[0])
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in steps)
        self.up = nn.ModuleList(ResidualBlock(a + b, a) for a, b in steps)
        self.head = nn.Conv2d(widths[0], 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [self.stem(x)]
        for block in self.down:
            skips.append(block(nn.functional.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for block in reversed(self.up):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], 1))
        return self.head(x)
