"""The splits, seeds and settings that were fixed before any training: `protocol.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

PROTOCOL = Path(__file__).with_name("protocol.json")

Split = Literal["train", "validation", "held-back"]
SPLITS: tuple[Split, ...] = ("train", "validation", "held-back")


class SlideRecipe(msgspec.Struct, frozen=True):
    """What a slide is made of.

    Attributes
    ----------
    tissues
        The two that make up the slide.
    hidden
        The one of which a small region is hidden.
    """

    name: str
    split: Split
    seed: int
    tissues: tuple[str, str]
    hidden: str


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """All that was decided beforehand.

    Attributes
    ----------
    tiles
        By tissue and split the files that slides are made of; no file serves two splits.
    goals
        Of the readers that teach and are predicted.
    areas
        Numbers of fields of equal size that each map may propose.
    agent_regions
        How many regions the local agent goes to.
    curve_slides, curve_seeds
        Sizes of the training sets of the curve, and how often each is drawn.
    """

    size_px: tuple[int, int]
    mpp_um: float
    field_um: tuple[float, float]
    goals: tuple[str, ...]
    readers_per_slide: int
    areas: tuple[int, ...]
    agent_regions: int
    curve_slides: tuple[int, ...]
    curve_seeds: tuple[int, ...]
    training_seed: int
    epochs: int
    patience: int
    variants: int
    resamples: int
    tiles: dict[str, dict[Split, list[str]]]
    slides: list[SlideRecipe]

    def of(self, split: Split) -> list[SlideRecipe]:
        """Return the slides of a split, in their order."""
        return [slide for slide in self.slides if slide.split == split]


def load_protocol(path: Path = PROTOCOL) -> Protocol:
    """Return the protocol that is committed."""
    return msgspec.json.decode(path.read_bytes(), type=Protocol)
