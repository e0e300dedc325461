"""What the model process is asked about a part of a block, so that something is seen sooner."""

from __future__ import annotations

import msgspec

from viewer.processes.shared_pixels import Tile  # noqa: TC001 - read by msgspec


class PreviewBlock(msgspec.Struct, frozen=True, tag=True):
    """Asks for the objects in a square part of a block; answered by Previewed or Refused.

    Attributes
    ----------
    x0, y0
        Where the part begins, level-0 pixels.
    core_px, margin_px
        Its side and the margin round it, in pixels that the model is fed.
    ranges
        As of `Compute`.
    """

    column: int
    row: int
    x0: float
    y0: float
    core_px: int
    margin_px: int
    tile: Tile
    ranges: list[tuple[float, float]]


class Previewed(msgspec.Struct, frozen=True, tag=True):
    """The objects in a part of a block, as `Objects.to_bytes` gives them."""

    column: int
    row: int
    objects: bytes
