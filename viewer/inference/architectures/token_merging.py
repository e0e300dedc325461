"""Token merging (ToMe, Bolya et al. 2023): the patches most alike become one, block by block."""

from __future__ import annotations

import torch


def merge(
    x: torch.Tensor, sizes: torch.Tensor, keys: torch.Tensor, count: int, special: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge `count` patches into the ones most like them, as means weighted by size.

    Every other patch looks for its best match among the rest, so that none is merged twice.

    Parameters
    ----------
    x, sizes, keys
        (n, tokens, d), (n, tokens, 1) how many patches each stands for, and (n, tokens, k).
    special
        Tokens at the beginning that are left alone.
    """
    patches = x.shape[1] - special
    count = min(count, patches // 2)
    if count <= 0:
        return x, sizes
    unit = torch.nn.functional.normalize(keys[:, special:].float(), dim=-1)
    scores = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)
    best, target = scores.max(-1)
    order = best.argsort(-1, descending=True)
    gone, kept = order[:, :count], order[:, count:]
    target = target.gather(1, gone)

    def merged(values: torch.Tensor) -> torch.Tensor:
        even, odd = values[:, special::2], values[:, special + 1 :: 2]
        into = target[..., None].expand(-1, -1, values.shape[2])
        rest = even.gather(1, kept[..., None].expand(-1, -1, values.shape[2]))
        moved = even.gather(1, gone[..., None].expand(-1, -1, values.shape[2]))
        return torch.cat([values[:, :special], rest, odd.scatter_add(1, into, moved)], 1)

    total = merged(sizes)
    return merged(x * sizes) / total, total
