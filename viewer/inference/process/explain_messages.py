"""What the model process is asked about why a tile is called what it is called."""

from __future__ import annotations

from typing import Literal

import msgspec

from viewer.processes.shared_pixels import Tile  # noqa: TC001 - read by msgspec

Method = Literal["gradient", "occlusion"]


class Explain(msgspec.Struct, frozen=True, tag=True):
    """Asks which parts of a tile speak for a class; answered by Explained or Refused.

    Attributes
    ----------
    index
        Of the class; -1 for the likeliest.
    parts
        Along a side of the tile.
    """

    tile: Tile
    index: int
    parts: int


class ExplainSlide(msgspec.Struct, frozen=True, tag=True):
    """Asks which patches speak for a class of a slide model; answered by ExplainedSlide or Refused.

    Attributes
    ----------
    features, count
        float16 (count, length).
    index
        Of the class; -1 for the likeliest.
    """

    features: bytes
    count: int
    index: int


class ExplainedSlide(msgspec.Struct, frozen=True, tag=True):
    """How much each patch speaks for a class, and how much it was looked at.

    Attributes
    ----------
    index, chances
        The class, and what the model says of each.
    method
        How `values` were found.
    values
        float32 (count,).
    attention
        float32 (heads, count), each head in sum 1; one head, or one for each class.
    deletion
        The mean of what the model still says of the class while patches are taken away, the
        weightiest first, as a share of what it said of all.
    attention_deletion, attention_random
        The same for each head of attention, of the class that it is for, and in random orders.
    random
        The same in random orders.
    rolled
        float32 (ways, count): attention roll-out through the layers before the last, then by each
        head of the first alone; empty where there are none.
    rolled_deletion
        As `deletion`, of each of these.
    """

    index: int
    chances: list[float]
    method: Method
    values: bytes
    attention: bytes
    deletion: float
    random: float
    attention_deletion: list[float]
    attention_random: list[float]
    rolled: bytes = b""
    rolled_deletion: list[float] = []


class Explained(msgspec.Struct, frozen=True, tag=True):
    """How much each part speaks for a class.

    Attributes
    ----------
    index, chance
        The class, and what the model says of it.
    method
        How it was found.
    values
        float32 (parts, parts).
    deletion, random
        The mean of what the model still says while the parts are taken away, the weightiest
        first, and in random orders; shares of `chance`.
    attention
        float32 (ways, parts, parts): attention roll-out, then each head of the last layer; empty
        where the network does not give its attention.
    attention_deletion
        As `deletion`, of each of these.
    """

    index: int
    chance: float
    method: Method
    values: bytes
    deletion: float
    random: float
    attention: bytes = b""
    attention_deletion: list[float] = []
