"""Where readers look: a small convolutional network over low magnification and its embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from viewer.inference.architectures.nuclei_unet import ResidualBlock
from viewer.inference.architectures.tissue_encoder import WIDTHS, TissueEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

CELL_PX = 16
"""Side of a cell, pixels that the network is fed."""
MARGIN_CELLS = 4
"""Cells round those that it answers for: one for the encoder's reach, three for the head's."""
_SCALES = 3
_COLORS = 7
CHANNELS = _COLORS + sum(WIDTHS[:_SCALES])
"""Of a cell: its colors, and the mean of each channel at the encoder's three finer scales."""
_MEAN, _STD = 0.6, 0.25
"""What the encoder's pictures were normalized by."""
_STAINS = ((0.650, 0.704, 0.286), (0.072, 0.990, 0.105), (0.268, 0.570, 0.776))
"""Optical density of hematoxylin, eosin and a rest in red, green and blue; Ruifrok and Johnston
2001."""


class FoldedBlock(nn.Module):
    """A `ResidualBlock` whose normalization is folded into its convolutions: half the time."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.second(nn.functional.relu_(self.first(x)))
        return nn.functional.relu_(inner.add_(self.skip(x)))

    def fold(self, block: ResidualBlock) -> None:
        """Take its weights from a block that is trained."""
        for conv, at in ((self.first, 0), (self.second, 3)):
            plain, norm = block.body[at].eval(), block.body[at + 1].eval()
            assert isinstance(plain, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            conv.load_state_dict(fuse_conv_bn_eval(plain, norm).state_dict())
        self.skip.load_state_dict(block.skip.state_dict())


class StainAmounts(nn.Module):
    """(n, 3, h, w) normalized RGB -> (n, 7, h / 16, w / 16), the colors of each cell.

    Its mean red, green and blue, the mean of its three stains by color deconvolution, and the
    deviation of its hematoxylin, which nuclei make.
    """

    unmix: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        stains = torch.tensor(_STAINS)
        unmix = torch.inverse(nn.functional.normalize(stains, dim=1)).T
        self.register_buffer("unmix", unmix[..., None, None].contiguous(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        density = -torch.log10((x * _STD + _MEAN).clamp(1 / 256, 1.0))
        stains = nn.functional.conv2d(density, self.unmix)
        means = nn.functional.avg_pool2d(stains, CELL_PX)
        squares = nn.functional.avg_pool2d(stains[:, :1] ** 2, CELL_PX)
        deviation = (squares - means[:, :1] ** 2).clamp(min=0).sqrt()
        return torch.cat([nn.functional.avg_pool2d(x, CELL_PX), means, deviation], 1)


class CellEncoder(nn.Module):
    """(n, 3, h, w) normalized RGB -> (n, 127, h / 16, w / 16), the embedding of each cell.

    Its colors, and the three finer scales of the tissue encoder, averaged over each cell instead
    of over a whole patch. They see no further than 14 pixels beyond their cell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.colors = StainAmounts()
        self.stem = FoldedBlock(3, WIDTHS[0])
        self.down = nn.ModuleList(
            FoldedBlock(WIDTHS[scale], WIDTHS[scale + 1]) for scale in range(_SCALES - 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = [self.colors(x)]
        x = self.stem(x)
        pooled.append(nn.functional.avg_pool2d(x, CELL_PX))
        for scale, block in enumerate(self.down, 1):
            x = block(nn.functional.max_pool2d(x, 2))
            pooled.append(nn.functional.avg_pool2d(x, CELL_PX >> scale))
        return torch.cat(pooled, 1)

    def take(self, tissue_encoder: Mapping[str, torch.Tensor]) -> None:
        """Take its weights from those of a whole `TissueEncoder`."""
        whole = TissueEncoder()
        whole.load_state_dict(dict(tissue_encoder))
        self.stem.fold(whole.stem)
        for block, taken in zip(self.down, whole.down, strict=False):
            assert isinstance(block, FoldedBlock)
            assert isinstance(taken, ResidualBlock)
            block.fold(taken)


class AttentionHead(nn.Module):
    """(n, 127, rows + 6, columns + 6) -> (n, bands, rows, columns) logits.

    Nothing is padded: each answer has seen the seven by seven cells about its own.
    """

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS, width, 1)
        self.near = nn.Conv2d(width, width, 3)
        self.far = nn.Conv2d(width, width, 3, dilation=2)
        self.drop = nn.Dropout2d(0.1)
        self.tell = nn.Conv2d(width, bands, 1)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.enter(cells))
        x = nn.functional.gelu(self.near(x)) + x[..., 1:-1, 1:-1]
        x = nn.functional.gelu(self.far(self.drop(x))) + x[..., 2:-2, 2:-2]
        return self.tell(x)


class WhereToLook(nn.Module):
    """(n, 3, h, w) normalized RGB -> (n, bands, h / 16 - 8, w / 16 - 8) logits.

    The exponential of a logit is how many times the average attention a cell of tissue is
    expected to get at that magnification.

    Attributes
    ----------
    box_um
        (bands, 2) width and height of the usual box of each magnification, micrometers.
    """

    mean: torch.Tensor
    std: torch.Tensor
    box_um: torch.Tensor

    def __init__(self, bands: int = 6, width: int = 32) -> None:
        super().__init__()
        self.encoder = CellEncoder()
        self.head = AttentionHead(bands, width)
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("std", torch.ones(CHANNELS))
        self.register_buffer("box_um", torch.ones(bands, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.judged(self.encoder(x)[..., 1:-1, 1:-1])

    def judged(self, cells: torch.Tensor) -> torch.Tensor:
        """Logits of embedded cells, which reach three cells beyond those that are answered for."""
        return self.head((cells - self.mean[:, None, None]) / self.std[:, None, None])
