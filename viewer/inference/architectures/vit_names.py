"""Weights of vision transformers of the transformers library, under timm's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_RENAMED = {
    "vit.": "",
    "classifier.": "head.",
    "embeddings.cls_token": "cls_token",
    "embeddings.register_tokens": "reg_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection.": "patch_embed.proj.",
    "encoder.layer.": "blocks.",
    ".attention.output.dense.": ".attn.proj.",
    ".attention.o_proj.": ".attn.proj.",
    ".layernorm_before.": ".norm1.",
    ".layernorm_after.": ".norm2.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
    ".layer_scale1.lambda1": ".ls1.gamma",
    ".layer_scale2.lambda1": ".ls2.gamma",
    ".mlp.weights_in.": ".mlp.fc1.",
    ".mlp.weights_out.": ".mlp.fc2.",
    ".mlp.down_proj.": ".mlp.fc2.",
    "layernorm.": "norm.",
}


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a Dinov2 or ViT of transformers under timm's names; others as they are."""
    named: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.endswith("mask_token") or name.startswith(("pooler.", "vit.pooler.")):
            continue  # serves training alone
        for before, after in _RENAMED.items():
            name = name.replace(before, after)
        named[name] = value
    for block in {name.split(".attention.")[0] for name in named if ".attention." in name}:
        _join(named, block, "attn.qkv", _ATTENTION)
    for block in {name.split(".mlp.")[0] for name in named if ".mlp.gate_proj." in name}:
        _join(named, block, "mlp.fc1", [("mlp.gate_proj", "mlp.up_proj")])
    return {name: value.contiguous().clone() for name, value in named.items()}


_ATTENTION = [
    ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
]


def _join(
    named: dict[str, Tensor], block: str, whole: str, spellings: list[tuple[str, ...]]
) -> None:
    """Put layers that stand side by side into one."""
    for parts in spellings:
        for kind in ("weight", "bias"):
            keys = [f"{block}.{part}.{kind}" for part in parts]
            if all(key in named for key in keys):
                named[f"{block}.{whole}.{kind}"] = torch.cat([named.pop(key) for key in keys])
