"""Networks that judge a whole slide by the vectors of its patches, and tell which they looked at.

Each takes (n, d) vectors and gives (classes,) logits and (heads, n) attention before the softmax.
Parameters have the names and shapes of the published code, so that published weights fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Judged = tuple[torch.Tensor, torch.Tensor]

_WIDTH = 512
_MOST_NUMBERS = 1 << 26
"""Of attention between patches that are held at once: 256 MiB."""


class _Gate(nn.Module):
    """Gated attention (Ilse et al. 2018, equation 9): w (tanh(V h) * sigmoid(U h))."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention_a = nn.Sequential(nn.Linear(width, hidden), nn.Tanh())
        self.attention_b = nn.Sequential(nn.Linear(width, hidden), nn.Sigmoid())
        self.attention_c = nn.Linear(hidden, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention_c(self.attention_a(x) * self.attention_b(x)).T


class GatedAttentionMil(nn.Module):
    """ABMIL (Ilse et al. 2018) over a layer of 512: one head, a linear classifier."""

    def __init__(self, length: int, classes: int, hidden: int = 128, width: int = _WIDTH) -> None:
        super().__init__()
        self.feature = nn.Sequential(nn.Linear(length, width), nn.ReLU())
        self.gate = _Gate(width, hidden, 1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> Judged:
        x = self.feature(x)
        attention = self.gate(x)
        return self.classifier(attention.softmax(1) @ x)[0], attention


def _attention_net(length: int, hidden: int, heads: int) -> nn.Sequential:
    layers = nn.Linear(length, _WIDTH), nn.ReLU(), nn.Dropout(0.25)
    return nn.Sequential(*layers, _Gate(_WIDTH, hidden, heads))


class ClamSingle(nn.Module):
    """CLAM with one branch of attention (Lu et al. 2021), of the size "small"; 256 hidden.

    The classifiers of single patches serve training alone; they are here since they are among the
    published weights.
    """

    def __init__(self, length: int, classes: int, hidden: int = 256) -> None:
        super().__init__()
        self.attention_net = _attention_net(length, hidden, 1)
        self.classifiers = nn.Linear(_WIDTH, classes)
        self.instance_classifiers = _patch_classifiers(classes)

    def forward(self, x: torch.Tensor) -> Judged:
        x = self.attention_net[:-1](x)
        attention = self.attention_net[-1](x)
        return self.classifiers(attention.softmax(1) @ x)[0], attention


class ClamMulti(nn.Module):
    """CLAM with a branch of attention and a classifier for each class."""

    def __init__(self, length: int, classes: int, hidden: int = 256) -> None:
        super().__init__()
        self.attention_net = _attention_net(length, hidden, classes)
        self.classifiers = nn.ModuleList(nn.Linear(_WIDTH, 1) for _ in range(classes))
        self.instance_classifiers = _patch_classifiers(classes)

    def forward(self, x: torch.Tensor) -> Judged:
        x = self.attention_net[:-1](x)
        attention = self.attention_net[-1](x)
        pooled = attention.softmax(1) @ x
        each = [layer(row) for layer, row in zip(self.classifiers, pooled, strict=True)]
        return torch.cat(each), attention


def _patch_classifiers(classes: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(_WIDTH, 2) for _ in range(classes))


class R2tMil(nn.Module):
    """ABMIL after re-embedding each patch among its neighbors (R2T, Tang et al. 2024).

    Patches are laid row by row on a square of 8 x 8 regions, as the published code does with those
    of a slide. Attention within regions comes first, with positions by a convolution over the
    attention itself (EPEG), then attention between regions through `crmsa_k` summaries of each.
    """

    def __init__(
        self,
        length: int,
        classes: int,
        epeg_k: int = 15,
        crmsa_k: int = 3,
        crmsa_heads: int = 8,
        all_shortcut: int = 0,
    ) -> None:
        super().__init__()
        self.patch_to_emb = nn.Sequential(nn.Linear(length, _WIDTH), nn.ReLU())
        self.online_encoder = _ReEmbedding(epeg_k, crmsa_k, crmsa_heads, bool(all_shortcut))
        self.pool_fn = _Pool()
        self.predictor = nn.Linear(_WIDTH, classes)

    def forward(self, x: torch.Tensor) -> Judged:
        x = self.online_encoder(self.patch_to_emb(x))
        attention = self.pool_fn(x)
        return self.predictor(attention.softmax(1) @ x)[0], attention

    def roll_out(self, x: torch.Tensor) -> torch.Tensor:
        """Return how much each of n patches is attended to through all layers, (1 + heads, n).

        The attention of the pooling goes back through the attention between and within regions,
        half of each being what a patch keeps of itself: by the mean over heads, then by each head
        of the attention within regions alone. Each is in sum 1.
        """
        x = self.patch_to_emb(x)
        attention = self.pool_fn(self.online_encoder(x)).softmax(1)[0]
        found = self.online_encoder.roll_back(x, attention)
        return found / found.sum(1, keepdim=True).clamp(min=1e-12)


class _Pool(nn.Module):
    """Attention without a gate and without biases; named as two modules in each other."""

    def __init__(self) -> None:
        super().__init__()
        layers = nn.Linear(_WIDTH, 128, bias=False), nn.ReLU(), nn.Linear(128, 1, bias=False)
        self.attention = nn.ModuleDict({"attention": nn.Sequential(*layers)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention["attention"](x).T


class _ReEmbedding(nn.Module):
    def __init__(self, epeg_k: int, crmsa_k: int, crmsa_heads: int, all_shortcut: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(_Residual(_WithinRegions(epeg_k)))
        self.cr_msa = _Residual(_BetweenRegions(crmsa_k, crmsa_heads))
        self.norm = nn.LayerNorm(_WIDTH)
        self._all_shortcut = all_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cr_msa(self.layers(x))
        return self.norm(x + y if self._all_shortcut else y)

    def roll_back(self, x: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Return attention (n,) to what comes out as attention to the patches, (1 + heads, n)."""
        within, between = self.layers[0], self.cr_msa
        assert isinstance(within, _Residual)
        assert isinstance(within.attn, _WithinRegions)
        assert isinstance(between.attn, _BetweenRegions)
        seen = within(x)
        back = (attention + between.attn.roll_back(between.norm(seen), attention)) / 2
        found = (back + within.attn.roll_back(within.norm(x), back)) / 2
        return (attention + found) / 2 if self._all_shortcut else found


class _Residual(nn.Module):
    def __init__(self, attn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_WIDTH)
        self.attn = attn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attn(self.norm(x))


class _Regions:
    """n patches on a square of 8 x 8 regions, filled up with zeros."""

    COUNT = 8

    def __init__(self, count: int) -> None:
        self._count = count
        self._side = math.ceil(math.ceil(math.sqrt(count)) / self.COUNT)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (regions, patches of a region, d)."""
        across = self.COUNT * self._side
        padded = nn.functional.pad(x, (0, 0, 0, across * across - self._count))
        tiled = padded.view(self.COUNT, self._side, self.COUNT, self._side, -1)
        return tiled.transpose(1, 2).reshape(self.COUNT**2, self._side**2, -1)

    def join(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse of `split`."""
        tiled = x.reshape(self.COUNT, self.COUNT, self._side, self._side, -1)
        return tiled.transpose(1, 2).reshape((self.COUNT * self._side) ** 2, -1)[: self._count]


class _WithinRegions(nn.Module):
    """R-MSA: each patch attends to those of its region."""

    def __init__(self, epeg_k: int) -> None:
        super().__init__()
        self.attn = _SelfAttention(8, epeg_k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        regions = _Regions(len(x))
        return regions.join(self.attn(regions.split(x)))

    def roll_back(self, x: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Return attention (n,) to what comes out as attention to what goes in, (1 + heads, n)."""
        regions = _Regions(len(x))
        given = regions.split(attention[:, None])[..., 0]
        found = self.attn.roll_back(regions.split(x), given)
        heads = [regions.join(each[..., None])[:, 0] for each in found]
        return torch.stack([torch.stack(heads).mean(0), *heads])


class _BetweenRegions(nn.Module):
    """CR-MSA: a few summaries of each region attend to those of the others."""

    def __init__(self, crmsa_k: int, heads: int) -> None:
        super().__init__()
        self.attn = _SelfAttention(heads, 0)
        self.phi = nn.Parameter(torch.empty(_WIDTH, crmsa_k))
        nn.init.kaiming_uniform_(self.phi, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        regions = _Regions(len(x))
        split = regions.split(x)
        drawn, shares = self._scored(split)
        attended = self.attn((drawn @ split).transpose(0, 1)).transpose(0, 1)
        return regions.join(shares.transpose(1, 2) @ attended)

    def roll_back(self, x: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Return attention (n,) to what comes out as attention to what goes in, (n,)."""
        regions = _Regions(len(x))
        split = regions.split(x)
        drawn, shares = self._scored(split)
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-12)
        given = shares @ regions.split(attention[:, None])  # (regions, k, 1)
        found = self.attn.roll_back((drawn @ split).transpose(0, 1), given[..., 0].T)
        return regions.join(drawn.transpose(1, 2) @ found.mean(0).T[..., None])[:, 0]

    def _scored(self, split: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what summaries draw from patches, and patches from them, (regions, k, patches)."""
        scores = (split @ self.phi).transpose(1, 2)
        low, high = scores.amin(-1, keepdim=True), scores.amax(-1, keepdim=True)
        return scores.softmax(-1), (scores - low) / (high - low + 1e-8) * scores.softmax(1)


class _SelfAttention(nn.Module):
    """(b, n, 512) -> the same; `epeg_k` 0 leaves the convolution of positions out."""

    def __init__(self, heads: int, epeg_k: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.proj = nn.Linear(_WIDTH, _WIDTH)
        self.pe = (
            nn.Conv2d(heads, heads, (epeg_k, 1), padding=(epeg_k // 2, 0), groups=heads)
            if epeg_k
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at_once = max(1, _MOST_NUMBERS // (self._heads * x.shape[1] ** 2))
        return torch.cat([self._attended(part) for part in torch.split(x, at_once)])

    def roll_back(self, x: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Return attention (b, n) to what comes out as attention to what goes in, (heads, b, n)."""
        at_once = max(1, _MOST_NUMBERS // (self._heads * x.shape[1] ** 2))
        parts = zip(torch.split(x, at_once), torch.split(attention, at_once), strict=True)
        found = [given[:, None, None] @ self._weights(part)[0] for part, given in parts]
        return torch.cat(found)[:, :, 0].transpose(0, 1)

    def _attended(self, x: torch.Tensor) -> torch.Tensor:
        weights, value = self._weights(x)
        return self.proj((weights @ value).transpose(1, 2).reshape(*x.shape[:2], -1))

    def _weights(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (b, heads, n, n) how much each attends to each, and their values."""
        count, length, _ = x.shape
        heads = self.qkv(x).view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        if self.pe is not None:
            scores = scores + self.pe(scores)
        return scores.softmax(-1), value


SLIDE_ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "abmil": GatedAttentionMil,
    "clam-sb": ClamSingle,
    "clam-mb": ClamMulti,
    "r2t-mil": R2tMil,
}
