"""CLIP (Radford et al. 2021): a tower for images and one for words, whose vectors lie in one space.

Parameters are named as the transformers library names them, so that the weights of PLIP and its
like fit as they are.
"""

from __future__ import annotations

import torch
from torch import nn

from viewer.typed.torch import before_weights

_NOT_LEARNED = "embeddings.position_ids"
"""Counts that older files of weights hold."""


class ClipWords(nn.Module):
    """The tower of words alone: `words` gives vectors of phrases.

    Parameters
    ----------
    words_width, words_depth, words_heads, words_hidden
        Of the tower; `words_hidden` is the width of the layer between the two of each block.
    tokens, most_tokens
        How many the tokenizer knows, and how many a phrase has at most.
    length
        Of the vectors.
    quick
        Whether blocks have CLIP's own approximation of a GELU.
    """

    def __init__(
        self,
        words_width: int = 512,
        words_depth: int = 12,
        words_heads: int = 8,
        words_hidden: int = 2048,
        tokens: int = 49_408,
        most_tokens: int = 77,
        length: int = 512,
        quick: int = 1,
    ) -> None:
        super().__init__()
        self.text_model = _Words(
            tokens, most_tokens, words_width, words_depth, words_heads, words_hidden,
            is_quick=bool(quick),
        )  # fmt: skip
        self.length, self.is_quick = length, bool(quick)
        self.text_projection = nn.Linear(words_width, length, bias=False)
        self.most_tokens, self.tokens = most_tokens, tokens
        before_weights(self, _without_counts)

    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the vectors (n, length) of n phrases of as many tokens, the last of which ends."""
        return self.text_projection(self.text_model(tokens))


class Clip(ClipWords):
    """(n, 3, side, side) normalized RGB -> (n, length); `words` gives vectors of words.

    Parameters
    ----------
    side, patch
        Of the picture and of a patch, pixels.
    width, depth, heads, hidden
        Of the tower of images; `hidden` is the width of the layer between the two of each block.
    words
        The settings of `ClipWords`.
    """

    def __init__(
        self,
        side: int = 224,
        patch: int = 32,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        hidden: int = 3072,
        **words: int,
    ) -> None:
        super().__init__(**words)
        self.vision_model = _Images(
            side, patch, width, depth, heads, hidden, is_quick=self.is_quick
        )
        self.visual_projection = nn.Linear(width, self.length, bias=False)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.visual_projection(self.vision_model(x))


def _without_counts(_: nn.Module, weights: dict[str, object], *__: object) -> None:
    for name in [each for each in weights if each.endswith(_NOT_LEARNED)]:
        del weights[name]


class _Images(nn.Module):
    def __init__(
        self, side: int, patch: int, width: int, depth: int, heads: int, hidden: int, *,
        is_quick: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embeddings = _Patches(side, patch, width)
        self.pre_layrnorm = nn.LayerNorm(width)  # so spelled in all published weights
        self.encoder = _Blocks(width, depth, heads, hidden, is_quick=is_quick, is_causal=False)
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.post_layernorm(self.encoder(self.pre_layrnorm(self.embeddings(x)))[:, 0])


class _Patches(nn.Module):
    def __init__(self, side: int, patch: int, width: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding((side // patch) ** 2 + 1, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embedding(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class _Words(nn.Module):
    def __init__(
        self, tokens: int, most: int, width: int, depth: int, heads: int, hidden: int, *,
        is_quick: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        known = {"token_embedding": tokens, "position_embedding": most}
        self.embeddings = nn.ModuleDict(
            {name: nn.Embedding(count, width) for name, count in known.items()}
        )
        self.encoder = _Blocks(width, depth, heads, hidden, is_quick=is_quick, is_causal=True)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embeddings["token_embedding"](tokens)
        x = self.encoder(x + self.embeddings["position_embedding"](places))
        return self.final_layer_norm(x)[:, -1]


class _Blocks(nn.Module):
    def __init__(
        self, width: int, depth: int, heads: int, hidden: int, *, is_quick: bool, is_causal: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Block(width, heads, hidden, is_quick=is_quick, is_causal=is_causal)
            for _ in range(depth)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _Block(nn.Module):
    def __init__(
        self, width: int, heads: int, hidden: int, *, is_quick: bool, is_causal: bool
    ) -> None:
        super().__init__()
        self.self_attn = _Attention(width, heads, is_causal=is_causal)
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.layer_norm2 = nn.LayerNorm(width)
        self._is_quick = is_quick

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        inner = self.mlp["fc1"](self.layer_norm2(x))
        if self._is_quick:
            inner = inner * torch.sigmoid(1.702 * inner)
        else:
            inner = nn.functional.gelu(inner)
        return x + self.mlp["fc2"](inner)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, *, is_causal: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self._heads, self._is_causal = heads, is_causal
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, length, width = x.shape
        query, key, value = (
            each(x).view(count, length, self._heads, -1).transpose(1, 2)
            for each in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=self._is_causal
        )
        return self.out_proj(attended.transpose(1, 2).reshape(count, length, width))
