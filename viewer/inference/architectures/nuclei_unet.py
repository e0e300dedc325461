"""A small U-Net of residual blocks (Ronneberger 2015; He 2016) for nuclei."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

_STRIDE = 16
_BEGINS_PX = ((0, 0), (7, 9))
"""Odd steps apart, left and up, so that no level thins out both looks at the same places."""


_SMOOTHING = [[row * column / 16 for column in (1.0, 2.0, 1.0)] for row in (1.0, 2.0, 1.0)]


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
        return self.body(x).add_(self.skip(x)).relu_()  # where it lies: memory is what takes time


class NucleiUNet(nn.Module):
    """(n, 3, h, w) normalized RGB, h and w multiples of 16 -> (n, 3, h, w) logits.

    The maps are: inside a nucleus, on its edge, depth (0 at the edge to 1 in the middle).

    Parameters
    ----------
    beginnings
        How many times the coarse levels look, each time from a picture that begins elsewhere;
        their mean goes on to the finest level, which looks once. What pooling makes of a picture
        hangs on where it begins (Zhang 2019), the mean much less. The weights are the same.
    smooth
        Whether what is pooled is smoothed before every second pixel is taken (Zhang 2019).

    Attributes
    ----------
    gives_features
        Whether the finest maps that the logits are made of come after them: (n, 3 + widths[0],
        h, w).
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (24, 32, 64, 96, 128),
        beginnings: int = 1,
        smooth: bool = False,
    ) -> None:
        super().__init__()
        self.gives_features = False
        steps = list(pairwise(widths))
        self.stem = ResidualBlock(3, widths[0])
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in steps)
        self.up = nn.ModuleList(ResidualBlock(a + b, a) for a, b in steps)
        self.head = nn.Conv2d(widths[0], 3, 1)
        self._halved = _smoothly_halved if smooth else _halved
        self._begins_px = _BEGINS_PX[:beginnings]
        if len(self._begins_px) != max(beginnings, 1):
            raise ValueError(f"beginnings is a number from 1 to {len(_BEGINS_PX)}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.stem(x)
        first, *others = (self._begun(fine, *begin_px) for begin_px in self._begins_px)
        coarse = first
        for other in others:
            coarse.add_(other)
        coarse.div_(len(self._begins_px))
        finest = self.up[0](torch.cat([coarse, fine], 1))
        maps = self.head(finest)
        return torch.cat([maps, finest], 1) if self.gives_features else maps

    def _begun(self, fine: torch.Tensor, left_px: int, top_px: int) -> torch.Tensor:
        """What the coarse levels see where the picture begins so much farther left and up."""
        if not left_px and not top_px:
            return self._coarse(fine)
        height, width = fine.shape[2:]
        edges = (left_px, -left_px % _STRIDE, top_px, -top_px % _STRIDE)
        seen = self._coarse(nn.functional.pad(fine, edges, mode="reflect"))
        return seen[:, :, top_px : top_px + height, left_px : left_px + width]

    def _coarse(self, fine: torch.Tensor) -> torch.Tensor:
        """Return all levels below the finest, back at its size."""
        skips = [fine]
        for block in self.down:
            skips.append(block(self._halved(skips[-1])))
        x = _doubled(skips.pop())
        for block in reversed(self.up[1:]):
            x = _doubled(block(torch.cat([x, skips.pop()], 1)))
        return x


def _halved(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.max_pool2d(x, 2)


def _smoothly_halved(x: torch.Tensor) -> torch.Tensor:
    """Return the largest of each 2 x 2, smoothed by 1 2 1, of every second pixel."""
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    # As a pooling of stride 1 gives it, in half the time.
    taller = torch.maximum(padded[..., :-1, :], padded[..., 1:, :])
    largest = torch.maximum(taller[..., :-1], taller[..., 1:])
    channels = x.shape[1]
    weights = x.new_tensor(_SMOOTHING).expand(channels, 1, 3, 3)
    return nn.functional.conv2d(largest, weights, stride=2, groups=channels)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
