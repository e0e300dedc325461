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
    """

    index: int
    chance: float
    method: Method
    values: bytes
    deletion: float
    random: float
