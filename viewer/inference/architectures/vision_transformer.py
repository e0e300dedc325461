"""The vision transformer of today's pathology encoders, with token merging as an option.

Parameters are named as timm names them, so that UNI, Virchow2, Prov-GigaPath and H-optimus fit as
they are, and classifiers of timm; weights of the transformers library are renamed as they are read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from viewer.inference.architectures.token_merging import merge
from viewer.inference.architectures.vit_names import renamed
from viewer.typed.torch import before_weights


class VisionTransformer(nn.Module):
    """(n, 3, side, side) normalized RGB -> (n, width), or (n, 2 width) with `mean_too`.

    With `classes` a linear layer over that gives (n, classes) logits.

    Parameters
    ----------
    side, patch
        Of the picture and of a patch, pixels.
    hidden
        Width of the layer between the two of each block; what comes out of a gated one is half.
    registers
        Tokens beside the class token that carry no patch (Darcet et al. 2024).
    gated
        Whether the hidden layer is gated (SwiGLU) rather than a GELU.
    class_position
        Whether positions are also added to the class token.
    mean_too
        Whether the mean of the patches follows the class token, as Virchow2 is used.
    merge
        Patches that are merged in each block (Bolya et al. 2023); 0 for none.
    classes
        Of a classifier; 0 for an encoder.
    """

    def __init__(
        self,
        side: int = 224,
        patch: int = 16,
        width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        hidden: int = 4096,
        registers: int = 0,
        gated: int = 0,
        class_position: int = 1,
        mean_too: int = 0,
        merge: int = 0,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.reg_token = nn.Parameter(torch.zeros(1, registers, width)) if registers else None
        patches = (side // patch) ** 2
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + class_position, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(
            _Block(width, heads, hidden, is_gated=bool(gated)) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self._class_position, self._mean_too = bool(class_position), bool(mean_too)
        self._special = 1 + registers
        self.merge = merge
        self.head = nn.Linear(width * (1 + self._mean_too), classes) if classes else None
        before_weights(self, _as_timm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._encoded(x)
        return x if self.head is None else self.head(x)

    def roll_out(self, x: torch.Tensor) -> torch.Tensor:
        """Return how much each patch of a picture (1, 3, side, side) is attended to.

        Attention roll-out (Abnar & Zuidema 2020): the attention of all blocks one after another,
        half of each being what a token keeps of itself, from what the answer is read from.

        Returns
        -------
        (1 + heads, rows, columns), each in sum 1: by the mean of the heads, and by each head of
        the last block alone. Without token merging.
        """
        x = self.patch_embed["proj"](x)
        side = x.shape[-2:]
        x = self._tokens(x.flatten(2).transpose(1, 2))
        sizes = torch.ones(*x.shape[:2], 1, dtype=x.dtype, device=x.device)
        own = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        known, seen = own, own[None, 0]
        for block in self.blocks:
            assert isinstance(block, _Block)
            heads = block.attn.attention(block.norm1(x))[0]
            whole = (heads.mean(0) + own) / 2
            # Of the last block, also what each head alone looks at, from what is read.
            seen = self._read(torch.cat([whole[None], heads])) @ known
            known = whole @ known
            x, sizes = block(x, sizes, 0, self._special)
        found = seen[:, self._special :]
        return (found / found.sum(1, keepdim=True).clamp(min=1e-12)).reshape(-1, *side)

    def _read(self, paths: torch.Tensor) -> torch.Tensor:
        """Return the rows (n, tokens) of (n, tokens, tokens) that the answer is read from."""
        if not self._mean_too:
            return paths[:, 0]
        return (paths[:, 0] + paths[:, self._special :].mean(1)) / 2

    def _encoded(self, x: torch.Tensor) -> torch.Tensor:
        x = self._tokens(self.patch_embed["proj"](x).flatten(2).transpose(1, 2))
        sizes = torch.ones(*x.shape[:2], 1, dtype=x.dtype, device=x.device)
        for block in self.blocks:
            x, sizes = block(x, sizes, self.merge, self._special)
        x = self.norm(x)
        if not self._mean_too:
            return x[:, 0]
        patches, shares = x[:, self._special :], sizes[:, self._special :]
        return torch.cat([x[:, 0], (patches * shares).sum(1) / shares.sum(1)], 1)

    def _tokens(self, patches: torch.Tensor) -> torch.Tensor:
        """Class token, registers and patches with their positions."""
        first = [self.cls_token.expand(len(patches), -1, -1)]
        if self._class_position:
            first[0] = first[0] + self.pos_embed[:, :1]
        if self.reg_token is not None:
            first.append(self.reg_token.expand(len(patches), -1, -1))
        return torch.cat([*first, patches + self.pos_embed[:, int(self._class_position) :]], 1)


def _as_timm(module: nn.Module, weights: dict[str, Any], *_: object) -> None:
    """Rename weights of transformers, and add scales of one to those that have none."""
    ours = renamed(weights)
    weights.clear()
    weights.update(ours)
    if not any(name.endswith(".ls1.gamma") for name in ours):
        own = module.state_dict()
        scales = {name: torch.ones_like(own[name]) for name in own if name.endswith(".gamma")}
        weights.update(scales)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, *, is_gated: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.ls1 = _Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _Hidden(width, hidden, is_gated=is_gated)
        self.ls2 = _Scale(width)

    def forward(
        self, x: torch.Tensor, sizes: torch.Tensor, merged: int, special: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        attended, keys = self.attn(self.norm1(x), sizes if merged else None)
        x = x + self.ls1(attended)
        if merged:
            x, sizes = merge(x, sizes, keys, merged, special)
        return x + self.ls2(self.mlp(self.norm2(x))), sizes


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        """Return how much each token attends to each, (n, heads, tokens, tokens)."""
        count, length, width = x.shape
        query, key, _ = (
            self.qkv(x).view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4).unbind()
        )
        return (query * (width // self._heads) ** -0.5 @ key.transpose(-2, -1)).softmax(-1)

    def forward(
        self, x: torch.Tensor, sizes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what was attended to, and the keys (n, tokens, width of a head), means over heads.

        A token that stands for several weighs as many.
        """
        count, length, width = x.shape
        heads = self.qkv(x).view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        bias = None if sizes is None else sizes.log().view(count, 1, 1, length).to(query.dtype)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(attended.transpose(1, 2).reshape(count, length, width)), key.mean(1)


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma


class _Hidden(nn.Module):
    def __init__(self, width: int, hidden: int, *, is_gated: bool) -> None:
        super().__init__()
        self._is_gated = is_gated
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden // 2 if is_gated else hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc1(x)
        if not self._is_gated:
            return self.fc2(nn.functional.gelu(x))
        gate, rest = x.chunk(2, -1)
        return self.fc2(nn.functional.silu(gate) * rest)
