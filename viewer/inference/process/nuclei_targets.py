"""What the nuclei network is to answer for outlined nuclei, and how far its answer is from that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from viewer.inference.typed_skimage import inner_boundaries
from viewer.typed.scipy import distance_transform_edt, find_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray


def target_maps(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return (3, h, w): inside, on the inner edge, and depth from 0 at the edge to 1 in the middle.

    Parameters
    ----------
    labels
        (h, w) the number of each nucleus; 0 and less are no nucleus.
    """
    depth = np.zeros(labels.shape, np.float32)
    for number, place in find_objects(np.maximum(labels, 0)):
        inside = np.pad(labels[place] == number, 1)
        far = distance_transform_edt(inside)
        depth[place][inside[1:-1, 1:-1]] = (far / far.max())[inside]
    edge = inner_boundaries(np.maximum(labels, 0))
    return np.stack([labels > 0, edge, depth]).astype(np.float32)


def nuclei_loss(
    logits: torch.Tensor, maps: torch.Tensor, counts: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    """Return cross entropy and Dice for nuclei, cross entropy for edges, smooth L1 for depth.

    Parameters
    ----------
    logits, maps
        (n, 3, h, w) of the network, and what it is to answer, 0 to 1.
    counts, known
        (n, h, w) how much each pixel counts for edge and depth, and for being in a nucleus.
    """
    cross = functional.binary_cross_entropy_with_logits
    true = maps[:, 0]
    inside, wanted = torch.sigmoid(logits[:, 0]) * known, true * known
    dice = 1 - (2 * (inside * true).sum((1, 2)) + 1) / ((inside + wanted).sum((1, 2)) + 1)
    edge = cross(logits[:, 1], maps[:, 1], weight=counts)
    depth = functional.smooth_l1_loss(
        torch.sigmoid(logits[:, 2]) * counts, maps[:, 2] * counts, beta=0.1
    )
    return cross(logits[:, 0], true, weight=known) + dice.mean() + 0.5 * edge + 2 * depth


def follow(average: torch.nn.Module, network: torch.nn.Module, keep: float) -> None:
    """Move the moving average of the weights toward the network; `keep` of it stays."""
    with torch.no_grad():
        own = average.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].lerp_(value, 1 - keep)
            else:
                own[name].copy_(value)
